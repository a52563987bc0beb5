//! Groups as their administrators see them: lists, descriptions, deletion.

use super::offsets::{refused, removal};
use super::{Cell, Inner, Locked};
use crate::answers::{ClassicDescription, ConsumerDescription, Description, GroupMember, GroupSummary};
use crate::coordinator::Coordinator;
use crate::embedded;
use crate::error::GroupRefusal;
use potok_groups::{
    CONSUMERS, ClassicGroup, ConsumerGroup, Group, GroupError, GroupState, Kind, Topics as _,
};
use potok_log::{Acks, MetaChange, MetaKind, Unit};
use std::collections::BTreeSet;

const EMPTY: &str = "Empty";
const CLASSIC: &str = "Classic";

impl Coordinator {
    /// All groups: those with members, those that keep offsets, and the processors'.
    pub async fn list_groups(&self) -> Result<Vec<GroupSummary>, GroupRefusal> {
        let inner = &self.inner;
        let mut names: BTreeSet<String> = inner.log().groups()?.into_iter().collect();
        names.extend(inner.group_names());
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let known = inner.lock_known(&name).await;
            all.push(summary(name, known.as_ref().and_then(|cell| cell.group.kind())));
        }
        Ok(all)
    }

    /// A group as it is.
    pub async fn describe_group(&self, group: &str) -> Result<Description, GroupRefusal> {
        let inner = &self.inner;
        inner.check_group_name(group)?;
        let known = inner.lock_known(group).await;
        match known.as_ref().and_then(|cell| cell.group.kind()) {
            Some(Kind::Classic(machine)) => Ok(Description::Classic(classic(machine))),
            Some(Kind::Consumer(machine)) => Ok(Description::Consumer(consumer(machine))),
            None if inner.log().committed_all(group)?.is_empty() => {
                Err(GroupRefusal::Unknown(group.to_owned()))
            }
            None => Ok(Description::Classic(ClassicDescription { state: EMPTY, ..Default::default() })),
        }
    }

    /// Forgets a group that has no members, with all its offsets, in one unit.
    pub async fn delete_group(&self, group: &str) -> Result<(), GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let mut cell = inner.lock(group).await?;
        let done = inner.delete(&mut cell).await;
        inner.settle(&mut cell);
        done
    }
}

impl Inner {
    async fn delete(&self, cell: &mut Locked) -> Result<(), GroupRefusal> {
        self.check_exists(cell)?;
        if !cell.group.is_memberless() {
            return Err(GroupError::NotEmpty.into());
        }
        if !self.transactions.pending.of_group(&cell.name).is_empty() {
            return Err(GroupRefusal::Unstable(cell.name.clone()));
        }
        self.forget_group(cell).await
    }
    /// Writes that there is no such group.
    pub(super) async fn forget_group(&self, cell: &mut Cell) -> Result<(), GroupRefusal> {
        let positions = self.log().committed_all(&cell.name)?;
        let offsets = positions.into_iter().map(|(at, _)| removal(&cell.name, at)).collect();
        let gone = MetaChange { kind: MetaKind::Group, name: cell.name.clone(), value: None };
        let unit = Unit { offsets, meta: vec![gone], ..Unit::default() };
        self.log().commit(unit, Acks::Synced).await.map_err(refused)?;
        cell.group = Group::new(self.settings.rules());
        cell.kept = false;
        Ok(())
    }

    pub(super) fn check_exists(&self, cell: &Cell) -> Result<(), GroupRefusal> {
        if cell.group.kind().is_none() && self.log().committed_all(&cell.name)?.is_empty() {
            return Err(GroupRefusal::Unknown(cell.name.clone()));
        }
        Ok(())
    }

    /// Names of topics that members read. Members that are no consumers do not say: their offsets are theirs.
    pub(super) fn topics_read(&self, cell: &Cell) -> Result<BTreeSet<String>, GroupRefusal> {
        match cell.group.kind() {
            None => Ok(BTreeSet::new()),
            Some(Kind::Classic(group)) if group.members().len() == 0 => Ok(BTreeSet::new()),
            Some(Kind::Classic(group)) if group.protocol_type() == Some(CONSUMERS) => {
                let said = group.members().flat_map(|member| member.protocols.iter());
                Ok(said.filter_map(|p| embedded::subscribed_topics(&p.metadata)).flatten().collect())
            }
            Some(Kind::Classic(_)) => Err(GroupError::NotEmpty.into()),
            Some(Kind::Consumer(group)) => {
                let by_pattern = |pattern: &String| self.topics.matching(pattern).unwrap_or_default();
                let patterns = group.members().filter_map(|m| m.pattern.as_ref()).flat_map(by_pattern);
                Ok(group.members().flat_map(|m| m.topics.iter().cloned()).chain(patterns).collect())
            }
        }
    }
}

fn summary(name: String, kind: Option<&Kind>) -> GroupSummary {
    let (protocol_type, state, kind, members) = match kind {
        Some(Kind::Classic(group)) => {
            let protocol_type = group.protocol_type().unwrap_or_default().to_owned();
            (protocol_type, state_name(group.state()), CLASSIC, group.members().len())
        }
        Some(Kind::Consumer(group)) => {
            (CONSUMERS.to_owned(), group.state(), "Consumer", group.members().len())
        }
        None => (String::new(), EMPTY, CLASSIC, 0),
    };
    GroupSummary { name, protocol_type, state, kind, members }
}

fn classic(group: &ClassicGroup) -> ClassicDescription {
    let stable = group.state() == GroupState::Stable;
    let protocol = group.protocol().filter(|_| stable).unwrap_or_default();
    let member = |member: &potok_groups::Member| GroupMember {
        id: member.id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        metadata: if stable { member.metadata(protocol) } else { bytes::Bytes::new() },
        assignment: if stable { member.assignment.clone() } else { bytes::Bytes::new() },
    };
    ClassicDescription {
        state: state_name(group.state()),
        protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
        protocol: protocol.to_owned(),
        generation: group.generation(),
        members: group.members().map(member).collect(),
    }
}

fn consumer(group: &ConsumerGroup) -> ConsumerDescription {
    ConsumerDescription {
        state: group.state(),
        epoch: group.epoch(),
        target_epoch: group.target_epoch(),
        assignor: group.assignor().to_owned(),
        members: group.members().cloned().collect(),
    }
}

fn state_name(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => EMPTY,
        GroupState::PreparingRebalance => "PreparingRebalance",
        GroupState::CompletingRebalance => "CompletingRebalance",
        GroupState::Stable => "Stable",
    }
}
