//! Members on their way to their targets, as their heartbeats tell it.

use super::*;
use crate::classic::{GroupError, LeaveRequest};

struct World(BTreeMap<String, (TopicId, u32)>);

impl Topics for World {
    fn topic(&self, name: &str) -> Option<(TopicId, u32)> {
        self.0.get(name).copied()
    }
    fn name(&self, id: TopicId) -> Option<String> {
        self.0.iter().find(|(_, topic)| topic.0 == id).map(|(name, _)| name.clone())
    }
    fn matching(&self, pattern: &str) -> Option<BTreeSet<String>> {
        let prefix = pattern.strip_suffix(".*")?;
        Some(self.0.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
    fn version(&self) -> u64 {
        1 + self.0.values().map(|(_, partitions)| u64::from(*partitions) + 1000).sum::<u64>()
    }
}

struct Script {
    group: ConsumerGroup,
    world: World,
    now: Timestamp,
}

impl Script {
    fn new(partitions: u32) -> Script {
        let world = World([("t".to_owned(), ([1; 16], partitions))].into());
        Script {
            group: ConsumerGroup::new(ConsumerSettings::default(), Timestamp(0)),
            world,
            now: Timestamp(0),
        }
    }
    fn beat(&mut self, request: HeartbeatRequest) -> Result<HeartbeatReply, ConsumerError> {
        self.group.heartbeat(self.now, &self.world, request)
    }
    fn join(&mut self, id: &str) -> HeartbeatReply {
        self.beat(joining(id)).unwrap()
    }
    /// A heartbeat of a member that owns what it was last told.
    fn go(&mut self, id: &str, epoch: i32, owned: &[u32]) -> HeartbeatReply {
        self.beat(HeartbeatRequest {
            member_id: id.into(),
            member_epoch: epoch,
            owned: Some(partitions(owned)),
            ..HeartbeatRequest::default()
        })
        .unwrap()
    }
    fn has(&self, id: &str) -> Vec<u32> {
        self.group.members[id].assigned.values().flatten().copied().collect()
    }
}

fn partitions(which: &[u32]) -> Assignment {
    if which.is_empty() { Assignment::new() } else { [([1; 16], which.iter().copied().collect())].into() }
}
fn joining(id: &str) -> HeartbeatRequest {
    HeartbeatRequest {
        member_id: id.into(),
        topics: Some(["t".to_owned()].into()),
        rebalance_timeout: Some(Duration::from_secs(60)),
        owned: Some(Assignment::new()),
        ..HeartbeatRequest::default()
    }
}

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut s = Script::new(4);
    let reply = s.join("a");
    assert_eq!((reply.member_epoch, reply.assignment), (1, Some(partitions(&[0, 1, 2, 3]))));
    assert_eq!(s.group.state(), "Stable");
}

#[test]
fn a_partition_moves_only_after_its_owner_gave_it_up() {
    let mut s = Script::new(4);
    s.join("a");
    let joined = s.join("b");
    assert_eq!((joined.member_epoch, joined.assignment), (2, Some(Assignment::new())), "all is still held");
    let told = s.go("a", 1, &[0, 1, 2, 3]);
    assert_eq!(
        (told.member_epoch, told.assignment),
        (1, Some(partitions(&[0, 1]))),
        "it is told to give up, at its epoch"
    );
    assert_eq!(s.go("b", 2, &[]).assignment, None, "not yet free");
    let done = s.go("a", 1, &[0, 1]);
    assert_eq!((done.member_epoch, done.assignment), (2, None));
    assert_eq!(s.go("b", 2, &[]).assignment, Some(partitions(&[2, 3])));
    assert_eq!(s.group.state(), "Stable");
}

#[test]
fn nobody_ever_shares_a_partition_and_shares_stay_even() {
    let mut s = Script::new(7);
    let mut epochs: BTreeMap<String, i32> = BTreeMap::new();
    for id in ["a", "b", "c"] {
        epochs.insert(id.into(), s.join(id).member_epoch);
        for _ in 0..6 {
            for (id, epoch) in &mut epochs {
                *epoch = s.go(id, *epoch, &s.has(id)).member_epoch;
                let all: Vec<u32> = s.group.members.keys().flat_map(|id| s.has(id)).collect();
                assert_eq!(
                    all.len(),
                    all.iter().collect::<BTreeSet<_>>().len(),
                    "a partition has two owners"
                );
            }
        }
        let mut shares: Vec<usize> = s.group.members.keys().map(|id| s.has(id).len()).collect();
        shares.sort_unstable();
        assert!(shares[shares.len() - 1] - shares[0] <= 1, "{shares:?}");
        assert_eq!(shares.iter().sum::<usize>(), 7);
    }
}

#[test]
fn stale_epochs_are_fenced_and_a_lost_answer_is_not() {
    let mut s = Script::new(2);
    s.join("a");
    let later = HeartbeatRequest { member_id: "a".into(), member_epoch: 9, ..HeartbeatRequest::default() };
    assert_eq!(s.beat(later), Err(ConsumerError::FencedEpoch));
    let nobody = HeartbeatRequest { member_id: "z".into(), member_epoch: 1, ..HeartbeatRequest::default() };
    assert_eq!(s.beat(nobody), Err(ConsumerError::UnknownMember));
    s.join("b");
    s.go("a", 1, &[0]);
    s.go("a", 1, &[0]);
    assert_eq!(s.go("a", 1, &[0]).member_epoch, 2, "it did not hear that it reached 2");
}

#[test]
fn a_request_that_says_all_is_told_all_and_one_that_says_less_only_what_is_new() {
    let mut s = Script::new(2);
    s.beat(HeartbeatRequest { topics: None, pattern: Some("t.*".into()), ..joining("a") }).unwrap();
    let all = HeartbeatRequest {
        member_epoch: 1,
        topics: None,
        pattern: Some("t.*".into()),
        owned: Some(partitions(&[0, 1])),
        ..joining("a")
    };
    assert_eq!(s.beat(all.clone()).unwrap().assignment, Some(partitions(&[0, 1])));
    let by_name = HeartbeatRequest { topics: Some(["t".to_owned()].into()), pattern: None, ..all.clone() };
    assert_eq!(s.beat(by_name.clone()).unwrap().assignment, Some(partitions(&[0, 1])));
    let epoch = s.group.epoch();
    for less in [
        HeartbeatRequest { owned: None, ..by_name.clone() },
        HeartbeatRequest { topics: None, ..by_name.clone() },
        HeartbeatRequest { rebalance_timeout: None, ..by_name },
    ] {
        assert_eq!(s.beat(HeartbeatRequest { member_epoch: epoch, ..less }).unwrap().assignment, None);
    }
}

#[test]
fn an_administrator_takes_members_out_by_id_or_by_instance() {
    let mut s = Script::new(2);
    s.join("a");
    s.beat(HeartbeatRequest { instance_id: Some("i".into()), ..joining("b") }).unwrap();
    let who = |id: &str, instance: Option<&str>| LeaveRequest {
        member_id: id.into(),
        instance_id: instance.map(str::to_owned),
    };
    let asked = [who("z", None), who("", Some("j")), who("a", Some("i")), who("", Some("i"))];
    let (results, changed) = s.group.expel(s.now, &s.world, &asked);
    use GroupError::{FencedInstance, UnknownMember};
    assert_eq!(results, [Err(UnknownMember), Err(UnknownMember), Err(FencedInstance), Ok(())]);
    assert_eq!((changed, s.group.members().len(), s.group.epoch()), (true, 1, 3));
    assert_eq!(s.go("a", 1, &[0, 1]).member_epoch, 3, "the one that is left has all");
    let (results, changed) = s.group.expel(s.now, &s.world, &[who("b", None)]);
    assert_eq!((results, changed), (vec![Err(UnknownMember)], false));
}

#[test]
fn silence_and_slow_revocation_end_a_membership() {
    let mut s = Script::new(2);
    s.join("a");
    s.join("b");
    s.go("a", 1, &[0, 1]);
    s.now = Timestamp(44_000);
    s.go("a", 1, &[0, 1]);
    s.go("b", 2, &[]);
    s.now = Timestamp(61_000);
    assert!(s.group.tick(s.now, &s.world));
    assert_eq!(
        s.group.members().map(|m| m.id.as_str()).collect::<Vec<_>>(),
        ["b"],
        "a kept what it had to give up"
    );
    assert_eq!(s.go("b", 2, &[]).assignment, Some(partitions(&[0, 1])));
}

#[test]
fn leaving_frees_and_a_static_member_comes_back_to_its_own() {
    let mut s = Script::new(2);
    let fixed = |id: &str, epoch| HeartbeatRequest {
        instance_id: Some("i".into()),
        member_epoch: epoch,
        ..joining(id)
    };
    s.beat(fixed("a", 0)).unwrap();
    assert_eq!(s.beat(fixed("x", 0)), Err(ConsumerError::UnreleasedInstance), "the newcomer is turned away");
    s.beat(fixed("a", -2)).unwrap();
    assert_eq!(s.beat(fixed("x", 0)).unwrap().assignment, Some(partitions(&[0, 1])));
    s.beat(fixed("x", -1)).unwrap();
    assert_eq!((s.group.state(), s.group.may_delete()), ("Empty", Ok(())));
}

#[test]
fn new_partitions_and_patterns_reach_the_members() {
    let mut s = Script::new(2);
    let by_pattern = HeartbeatRequest { topics: None, pattern: Some("t.*".into()), ..joining("a") };
    assert_eq!(s.beat(by_pattern).unwrap().assignment, Some(partitions(&[0, 1])));
    s.world.0.insert("t".into(), ([1; 16], 3));
    assert_eq!(s.go("a", 1, &[0, 1]).assignment, Some(partitions(&[0, 1, 2])));
    let wrong = HeartbeatRequest { pattern: Some("(".into()), ..joining("b") };
    assert_eq!(s.beat(wrong), Err(ConsumerError::InvalidRegex));
}

#[test]
fn range_gives_runs_and_the_choice_of_most_counts() {
    let mut s = Script::new(5);
    let ranged = |id: &str| HeartbeatRequest { assignor: Some("range".into()), ..joining(id) };
    s.beat(ranged("a")).unwrap();
    s.beat(ranged("b")).unwrap();
    assert_eq!(s.group.assignor(), "range");
    s.go("a", 1, &[0, 1, 2, 3, 4]);
    s.go("a", 1, &[0, 1, 2]);
    assert_eq!(s.go("b", 2, &[]).assignment, Some(partitions(&[3, 4])));
    let other = HeartbeatRequest { assignor: Some("mine".into()), ..joining("c") };
    assert_eq!(s.beat(other), Err(ConsumerError::UnsupportedAssignor));
}

#[test]
fn a_group_that_is_restored_goes_on_where_it_was() {
    let mut s = Script::new(4);
    s.join("a");
    s.join("b");
    s.go("a", 1, &[0, 1, 2, 3]);
    let kept = s.group.snapshot();
    let before = s.group.clone();
    s.group = ConsumerGroup::restore(ConsumerSettings::default(), s.now, kept);
    assert_eq!(s.group.members, before.members);
    let reply = s.go("a", 1, &[0, 1]);
    assert_eq!((reply.member_epoch, s.group.epoch()), (2, before.epoch()), "no new epoch for a restart");
}
