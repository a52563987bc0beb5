//! Random walks: members of both protocols come, go, sync, fall silent and err, and writes fail now and then.

use super::*;

const WALKS: u64 = 300;
const STEPS: usize = 200;

struct Walk {
    group: Group,
    now: Timestamp,
    tickets: u64,
    state: u64,
    kept: usize,
    moved: usize,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Walk { group: Group::new(rules()), now: Timestamp(0), tickets: 0, state, kept: 0, moved: 0 }
    }
    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % n as u64).unwrap()
    }
    fn name(&mut self) -> String {
        ["a", "b", "c", "d"][self.below(4)].to_owned()
    }
    fn instance(&mut self) -> Option<String> {
        (self.below(3) == 0).then(|| ["i", "j"][self.below(2)].to_owned())
    }
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
    fn join_request(&mut self) -> JoinRequest {
        let fresh_member_id = format!("{}{}", self.name(), self.tickets);
        let known = self.some_member();
        JoinRequest {
            member_id: if self.below(2) == 0 { String::new() } else { known },
            fresh_member_id,
            instance_id: self.instance(),
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(20),
            protocol_type: "consumer".to_owned(),
            protocols: vec![range(&[])],
            require_known_id: self.below(3) == 0,
            can_skip_assignment: self.below(2) == 0,
        }
    }
    /// A member's id, or a made-up one.
    fn some_member(&mut self) -> String {
        let ids: Vec<String> = match self.group.kind() {
            Some(Kind::Classic(group)) => group.members().map(|m| m.id.clone()).collect(),
            Some(Kind::Consumer(group)) => group.members().map(|m| m.id.clone()).collect(),
            None => Vec::new(),
        };
        let pick = self.below(ids.len() + 1);
        ids.get(pick).cloned().unwrap_or_else(|| "nobody".to_owned())
    }
    fn generation(&self, id: &str) -> i32 {
        match self.group.kind() {
            Some(Kind::Classic(group)) => group.generation(),
            Some(Kind::Consumer(group)) => group.members().find(|m| m.id == id).map_or(0, |m| m.epoch),
            None => 0,
        }
    }
    fn beat(&mut self) -> HeartbeatRequest {
        let joins = self.below(3) == 0;
        let member_id = if joins { self.name() } else { self.some_member() };
        let epoch = self.generation(&member_id);
        let epoch = if joins { 0 } else { [epoch, epoch, epoch, epoch - 1, -1, -2][self.below(6)] };
        let says = !joins && self.below(2) == 0;
        let owned = match self.group.kind() {
            Some(Kind::Consumer(group)) if says => {
                group.members().find(|m| m.id == member_id).map(|m| m.assigned.clone())
            }
            _ => joins.then(Assignment::new),
        };
        HeartbeatRequest {
            member_id,
            member_epoch: epoch,
            instance_id: self.instance(),
            client_host: ["/h", "/h", "/elsewhere"][self.below(3)].to_owned(),
            rebalance_timeout: joins.then_some(Duration::from_secs(20)),
            topics: (joins || self.below(4) == 0).then(|| ["t".to_owned()].into()),
            owned,
            ..HeartbeatRequest::default()
        }
    }
    fn step(&mut self) {
        let before = self.group.clone();
        let (ticket, now) = (self.ticket(), self.now);
        match self.below(8) {
            0 | 1 => {
                let request = self.join_request();
                let step = self.group.join(now, &World, ticket, request);
                self.take(&before, step);
            }
            2 => {
                let member_id = self.some_member();
                let (instance_id, generation) = (self.instance(), self.generation(&member_id));
                let assignments = vec![(member_id.clone(), given(&[0]))];
                let (protocol_type, protocol) = (None, None);
                let request =
                    SyncRequest { member_id, instance_id, generation, protocol_type, protocol, assignments };
                let step = self.group.sync(now, &World, ticket, request);
                self.take(&before, step);
            }
            3 => {
                let (member_id, instance_id) = (self.some_member(), self.instance());
                let step = self.group.leave(now, &World, &[LeaveRequest { member_id, instance_id }]);
                self.take(&before, step);
            }
            4 => {
                let member = self.some_member();
                let _ = self.group.heartbeat(now, &member, None, self.generation(&member));
                self.nothing_to_keep_was_changed(&before);
            }
            5 | 6 => {
                let request = self.beat();
                let step = self.group.consumer_heartbeat(now, &World, request);
                self.take(&before, step);
            }
            _ => {
                self.now = self.now.plus(Duration::from_millis(self.below(8_000) as u64));
                let step = self.group.tick(self.now, &World);
                self.take(&before, step);
            }
        }
    }
    fn take<A>(&mut self, before: &Group, step: Step<A>) {
        assert_eq!(step.next.is_some(), step.effects.contains(&Effect::Persist));
        self.nobody_shares_a_partition();
        let Some(next) = step.next else { return self.nothing_to_keep_was_changed(before) };
        assert_eq!(self.group, *before, "a write that fails must have changed nothing");
        self.kept += 1;
        let is_consumer = |group: &Group| matches!(group.kind(), Some(Kind::Consumer(_)));
        let moved = is_consumer(before) != is_consumer(&next);
        self.moved += usize::from(moved && !before.is_memberless() && !next.is_memberless());
        // every fourth write fails
        if self.below(4) > 0 {
            self.group = next;
        }
    }
    fn nobody_shares_a_partition(&self) {
        let Some(Kind::Consumer(group)) = self.group.kind() else { return };
        let held =
            group.members().flat_map(|m| m.assigned.values().chain(m.pending_revocation.values()).flatten());
        let held: Vec<u32> = held.copied().collect();
        assert_eq!(held.len(), held.iter().collect::<BTreeSet<_>>().len(), "a partition has two owners");
    }
    /// Of a classic group a rebalance under way is not kept; of one of KIP-848 everything is.
    fn nothing_to_keep_was_changed(&self, before: &Group) {
        if matches!(before.kind(), Some(Kind::Consumer(_))) && !before.is_memberless() {
            assert_eq!(self.group.snapshot(), before.snapshot());
        }
    }
}

#[test]
fn a_step_that_is_to_be_kept_leaves_the_group_as_it_was_and_the_others_change_nothing_that_is_kept() {
    let (mut kept, mut moved) = (0, 0);
    for seed in 0..WALKS {
        let mut walk = Walk::new(seed);
        (0..STEPS).for_each(|_| walk.step());
        kept += walk.kept;
        moved += walk.moved;
    }
    assert!(kept > STEPS, "next to nothing was kept");
    assert!(moved > STEPS, "groups hardly ever changed their protocol with members in them");
}
