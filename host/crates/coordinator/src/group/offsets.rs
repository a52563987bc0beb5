//! Committed offsets: a commit is checked against the group under its lock and written before the lock is given back, so that no
//! member of an older generation overtakes a newer one.

use super::{Cell, Inner};
use crate::answers::{CommitRequest, FetchedOffset, OffsetRefusal};
use crate::coordinator::Coordinator;
use crate::error::{GroupRefusal, store_failure};
use potok_groups::{GroupError, Kind};
use potok_log::{Acks, CommitError, CommittedOffset, OffsetChange, OffsetCommit, StoreError, Unit};
use potok_types::TopicPartition;

impl Coordinator {
    /// Commits offsets; each is answered by itself, in the order asked. In the log when it returns (as `acks=1`): it survives the
    /// process, and a power failure takes it only together with all that was written after it.
    pub async fn commit_offsets(
        &self,
        request: CommitRequest,
    ) -> Result<Vec<Result<(), OffsetRefusal>>, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(&request.group)?;
        let mut cell = inner.lock(&request.group).await?;
        let done = match inner.may_commit(&cell, &request, false) {
            Ok(()) => inner.write_offsets(&request).await,
            Err(refusal) => Err(refusal),
        };
        if done.is_ok() {
            cell.group.committed(inner.time.now(), &request.member_id);
        }
        inner.settle(&mut cell);
        done
    }

    /// What is committed: for the partitions asked for, else for all. `member` is who asks, where it says so (member id and epoch of KIP-848).
    pub async fn fetch_offsets(
        &self,
        group: &str,
        member: Option<(&str, i32)>,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> Result<Vec<FetchedOffset>, GroupRefusal> {
        let inner = &self.inner;
        inner.check_group_name(group)?;
        if let Some((id, epoch)) = member.filter(|(id, epoch)| !id.is_empty() || *epoch >= 0) {
            inner.check_reader(group, id, epoch).await?;
        }
        // whether an offset is pending is looked at before it is read: a transaction that ends in between has made it stable
        let unstable =
            if require_stable { inner.transactions.pending.of_group(group) } else { Default::default() };
        let fetched = |at, committed| FetchedOffset { at, committed, pending: unstable.contains(&at) };
        match partitions {
            Some(asked) => {
                asked.iter().map(|at| Ok(fetched(*at, inner.log().committed(group, *at)?))).collect()
            }
            None => {
                let all = inner.log().committed_all(group)?;
                Ok(all.into_iter().map(|(at, committed)| fetched(at, Some(committed))).collect())
            }
        }
    }

    /// Sets or removes offsets of a group that has no members, all or none (HTTP's way, where offsets are administered).
    pub async fn set_offsets(&self, group: &str, changes: Vec<OffsetCommit>) -> Result<(), GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let mut cell = inner.lock(group).await?;
        let done = if cell.group.is_memberless() {
            let unit = Unit { offsets: changes, ..Unit::default() };
            inner.log().commit(unit, Acks::Synced).await.map(|_| ()).map_err(refused)
        } else {
            Err(GroupError::NotEmpty.into())
        };
        inner.settle(&mut cell);
        done
    }

    /// Forgets offsets of a group. Answers for each partition whether it did: those of topics that a member reads stay.
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<bool>, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let mut cell = inner.lock(group).await?;
        let done = inner.forget_unread(&cell, partitions).await;
        inner.settle(&mut cell);
        done
    }
}

impl Inner {
    async fn forget_unread(
        &self,
        cell: &Cell,
        partitions: &[TopicPartition],
    ) -> Result<Vec<bool>, GroupRefusal> {
        self.check_exists(cell)?;
        let read = self.topics_read(cell)?;
        let is_free = |at: &TopicPartition| {
            self.log().topic_numbered(at.topic).is_none_or(|topic| !read.contains(topic.name.as_str()))
        };
        let free: Vec<bool> = partitions.iter().map(is_free).collect();
        let gone = partitions.iter().zip(&free).filter(|(_, free)| **free);
        let offsets = gone.map(|(at, _)| removal(&cell.name, *at)).collect();
        self.log().commit(Unit { offsets, ..Unit::default() }, Acks::Synced).await.map_err(refused)?;
        Ok(free)
    }

    /// Whether this client may commit for the group.
    pub(crate) fn may_commit(
        &self,
        cell: &Cell,
        request: &CommitRequest,
        transactional: bool,
    ) -> Result<(), GroupRefusal> {
        let CommitRequest { member_id, instance_id, epoch, .. } = request;
        match cell.group.kind() {
            None if *epoch < 0 => Ok(()),
            // a group that keeps offsets is there, without members
            None if self.keeps_offsets(&cell.name)? => Err(GroupError::UnknownMember.into()),
            None => Err(GroupRefusal::Unknown(cell.name.clone())),
            Some(Kind::Classic(group)) => {
                Ok(group.may_commit(member_id, instance_id.as_deref(), *epoch, transactional)?)
            }
            Some(Kind::Consumer(group)) => Ok(group.may_commit(member_id, *epoch, transactional)?),
        }
    }

    /// Whether offsets of the group are committed, or will be when a transaction commits.
    fn keeps_offsets(&self, group: &str) -> Result<bool, StoreError> {
        let pending = !self.transactions.pending.of_group(group).is_empty();
        Ok(pending || !self.log().committed_all(group)?.is_empty())
    }

    async fn check_reader(&self, group: &str, member_id: &str, epoch: i32) -> Result<(), GroupRefusal> {
        let known = self.lock_known(group).await;
        match known.as_ref().and_then(|cell| cell.group.kind()) {
            Some(Kind::Consumer(machine)) => Ok(machine.may_commit(member_id, epoch, false)?),
            // a classic member says nothing of itself here, and in a group that is not there nobody is fenced
            Some(Kind::Classic(_)) | None => Ok(()),
        }
    }

    /// Whether an offset can be committed at all.
    pub(crate) fn check_offset(&self, offset: &crate::NewOffset) -> Result<(), OffsetRefusal> {
        if offset.metadata.len() > self.settings.offset_metadata_len_max {
            return Err(OffsetRefusal::MetadataTooLong);
        }
        self.log().ends(offset.at).map(|_| ()).map_err(|_| OffsetRefusal::UnknownPartition)
    }

    async fn write_offsets(
        &self,
        request: &CommitRequest,
    ) -> Result<Vec<Result<(), OffsetRefusal>>, GroupRefusal> {
        let committed_at = self.components.clock.now();
        loop {
            let checked: Vec<_> = request.offsets.iter().map(|offset| self.check_offset(offset)).collect();
            let good = request.offsets.iter().zip(&checked).filter(|(_, check)| check.is_ok());
            let set = |new: &crate::NewOffset| OffsetCommit {
                group: request.group.clone(),
                at: new.at,
                change: OffsetChange::Set(CommittedOffset {
                    offset: new.offset,
                    leader_epoch: new.leader_epoch,
                    metadata: new.metadata.clone(),
                    committed_at,
                }),
            };
            let offsets: Vec<_> = good.map(|(new, _)| set(new)).collect();
            if offsets.is_empty() {
                return Ok(checked);
            }
            match self.log().commit(Unit { offsets, ..Unit::default() }, Acks::Written).await {
                Ok(_) => return Ok(checked),
                // its topic was deleted since it was looked at: the next look finds that
                Err(CommitError::UnknownPartition(gone)) if self.log().ends(gone.0).is_err() => {}
                Err(error) => return Err(refused(error)),
            }
        }
    }
}

pub(super) fn removal(group: &str, at: TopicPartition) -> OffsetCommit {
    OffsetCommit { group: group.to_owned(), at, change: OffsetChange::Remove }
}

pub(super) fn refused(error: CommitError) -> GroupRefusal {
    GroupRefusal::Store(store_failure(error))
}
