//! A group with members of both protocols, its answers, and the time.

use super::*;
use crate::classic::{GroupError, JoinReply, SyncReply};
use crate::consumer::{ConsumerError, HeartbeatReply};

pub(super) const SESSION: Duration = Duration::from_secs(10);
pub(super) const REBALANCE: Duration = Duration::from_secs(20);

pub(super) struct Room {
    pub(super) group: Group,
    pub(super) now: Timestamp,
    tickets: u64,
    /// Answers that came, by ticket.
    pub(super) joined: Vec<(Ticket, Result<JoinReply, GroupError>)>,
    pub(super) synced: Vec<(Ticket, Result<SyncReply, GroupError>)>,
}

pub(super) fn joining(id: &str, instance: Option<&str>, owned: &[u32]) -> JoinRequest {
    JoinRequest {
        member_id: id.to_owned(),
        fresh_member_id: "fresh".to_owned(),
        instance_id: instance.map(str::to_owned),
        client_id: "c".to_owned(),
        client_host: "/h".to_owned(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols: vec![range(owned)],
        require_known_id: false,
        can_skip_assignment: true,
    }
}
pub(super) fn partitions(which: &[u32]) -> Assignment {
    if which.is_empty() { Assignment::new() } else { [(T, which.iter().copied().collect())].into() }
}
pub(super) fn coming(id: &str) -> HeartbeatRequest {
    HeartbeatRequest {
        member_id: id.to_owned(),
        topics: Some(["t".to_owned()].into()),
        rebalance_timeout: Some(REBALANCE),
        owned: Some(Assignment::new()),
        ..HeartbeatRequest::default()
    }
}
pub(super) fn numbers(assignment: &[u8]) -> Vec<u32> {
    embedded::assigned_partitions(assignment).unwrap().into_iter().flat_map(|(_, numbers)| numbers).collect()
}

impl Room {
    pub(super) fn new() -> Room {
        let (joined, synced) = (Vec::new(), Vec::new());
        Room { group: Group::new(rules()), now: Timestamp(0), tickets: 0, joined, synced }
    }
    pub(super) fn take<A>(&mut self, step: Step<A>) -> A {
        if let Some(next) = step.next {
            self.group = next;
        }
        for effect in step.effects {
            match effect {
                Effect::Join(ticket, reply) => self.joined.push((ticket, reply)),
                Effect::Sync(ticket, reply) => self.synced.push((ticket, reply)),
                Effect::Persist => {}
            }
        }
        step.answer
    }
    /// The answer, when it came at once.
    pub(super) fn join(&mut self, request: JoinRequest) -> Option<Result<JoinReply, GroupError>> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let step = self.group.join(self.now, &World, ticket, request);
        self.take(step);
        self.joined.iter().find(|(one, _)| *one == ticket).map(|(_, reply)| reply.clone())
    }
    pub(super) fn sync(
        &mut self,
        id: &str,
        generation: i32,
        given: &[(&str, &[u32])],
    ) -> Option<Result<Vec<u32>, GroupError>> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let assignments = given.iter().map(|(id, which)| ((*id).to_owned(), super::given(which))).collect();
        let (protocol_type, protocol) = (Some("consumer".to_owned()), Some("range".to_owned()));
        let (member_id, instance_id) = (id.to_owned(), None);
        let request =
            SyncRequest { member_id, instance_id, generation, protocol_type, protocol, assignments };
        let step = self.group.sync(self.now, &World, ticket, request);
        self.take(step);
        let reply = self.synced.iter().find(|(one, _)| *one == ticket);
        reply.map(|(_, reply)| reply.clone().map(|reply| numbers(&reply.assignment)))
    }
    pub(super) fn lives(&mut self, id: &str, generation: i32) -> Result<(), GroupError> {
        self.group.heartbeat(self.now, id, None, generation)
    }
    pub(super) fn beat(&mut self, request: HeartbeatRequest) -> Result<HeartbeatReply, ConsumerError> {
        let step = self.group.consumer_heartbeat(self.now, &World, request);
        self.take(step)
    }
    pub(super) fn go(&mut self, id: &str, epoch: i32, owned: &[u32]) -> HeartbeatReply {
        let (member_id, owned) = (id.to_owned(), Some(partitions(owned)));
        self.beat(HeartbeatRequest { member_id, member_epoch: epoch, owned, ..HeartbeatRequest::default() })
            .unwrap()
    }
    pub(super) fn leave(&mut self, id: &str) {
        let request =
            HeartbeatRequest { member_id: id.to_owned(), member_epoch: -1, ..HeartbeatRequest::default() };
        self.beat(request).unwrap();
    }
    pub(super) fn after(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        let step = self.group.tick(self.now, &World);
        self.take(step);
    }
    pub(super) fn restart(&mut self) {
        self.group = Group::restore(rules(), self.now, self.group.snapshot().unwrap());
    }
    pub(super) fn is_classic(&self) -> bool {
        matches!(self.group.kind(), Some(Kind::Classic(_)))
    }
    pub(super) fn ids(&self) -> Vec<String> {
        match self.group.kind() {
            Some(Kind::Classic(group)) => group.members().map(|m| m.id.clone()).collect(),
            Some(Kind::Consumer(group)) => group.members().map(|m| m.id.clone()).collect(),
            None => Vec::new(),
        }
    }
    /// A stable classic group at generation 1: `fresh` has it all.
    pub(super) fn alone() -> Room {
        let mut room = Room::new();
        assert_eq!(room.join(joining("", None, &[])).unwrap().unwrap().generation, 1);
        assert_eq!(room.sync("fresh", 1, &[("fresh", &[0, 1, 2, 3])]), Some(Ok(vec![0, 1, 2, 3])));
        room
    }
    /// The same, taken over by `new`: both have their halves, at epoch 2.
    pub(super) fn mixed() -> Room {
        let mut room = Room::alone();
        room.beat(coming("new")).unwrap();
        assert_eq!(room.join(joining("fresh", None, &[])).unwrap().unwrap().generation, 2);
        assert_eq!(room.sync("fresh", 2, &[]), Some(Ok(vec![0, 1])));
        assert_eq!(room.go("new", 2, &[]).assignment, Some(partitions(&[2, 3])));
        room
    }
}
