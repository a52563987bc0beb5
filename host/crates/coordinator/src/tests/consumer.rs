//! KIP-848 through the door: topics that come and grow, patterns, restarts, and the two protocols side by side.

use super::*;
use std::collections::BTreeSet;

pub(super) fn joining(id: &str, topics: &[&str], pattern: Option<&str>) -> HeartbeatRequest {
    HeartbeatRequest {
        member_id: id.to_owned(),
        rebalance_timeout: Some(MINUTE),
        topics: Some(topics.iter().map(|topic| topic.to_string()).collect()),
        pattern: pattern.map(str::to_owned),
        owned: Some(Assignment::new()),
        ..HeartbeatRequest::default()
    }
}

impl World {
    pub(super) async fn beat(&self, id: &str, epoch: i32, owned: Option<Assignment>) -> HeartbeatReply {
        let request = HeartbeatRequest {
            member_id: id.to_owned(),
            member_epoch: epoch,
            owned,
            ..HeartbeatRequest::default()
        };
        self.room.consumer_heartbeat("g", request).await.unwrap()
    }
    /// A classic member alone, with these partitions of `t`.
    pub(super) async fn owning(&self, partitions: &[u32]) -> JoinReply {
        let reply = self.join(super::classic::joining("", None)).await.unwrap();
        let given = embedded::assignment(&[("t".to_owned(), partitions.to_vec())]);
        let assignments = vec![(reply.member_id.clone(), given)];
        let sync = SyncRequest { assignments, ..super::classic::syncing(&reply, &[]) };
        self.room.sync("g", sync, &patient()).await.unwrap();
        reply
    }
    pub(super) async fn come(&self, request: HeartbeatRequest) -> Result<HeartbeatReply, GroupRefusal> {
        self.room.consumer_heartbeat("g", request).await
    }
}
fn count(reply: &HeartbeatReply) -> usize {
    reply.assignment.iter().flat_map(|given| given.values()).map(BTreeSet::len).sum()
}

#[tokio::test]
async fn a_topic_that_grows_and_one_that_a_pattern_finds_are_assigned_by_heartbeats() {
    let w = World::new();
    let t = w.topic("orders-eu", 2).await;
    let first = w.come(joining("a", &[], Some("orders-.*"))).await.unwrap();
    assert_eq!((first.member_epoch, count(&first)), (1, 2));
    let change = potok_log::TopicChange { partitions: Some(3), config: vec![] };
    w.log.alter_topic(&t.name, change).await.unwrap();
    w.topic("orders-us", 1).await;
    w.topic("xorders-us", 1).await;
    w.clock.advance(Duration::from_secs(2));
    let next = w.beat("a", 1, None).await;
    assert_eq!((next.member_epoch, count(&next)), (2, 4));
    w.log.delete_topic(&t.name).await.unwrap();
    w.clock.advance(Duration::from_secs(2));
    let next = w.beat("a", 2, None).await;
    assert_eq!(count(&next), 1, "what is deleted is given up");
    let bad = w.come(joining("b", &[], Some("("))).await;
    assert!(matches!(bad, Err(GroupRefusal::Consumer(ConsumerError::InvalidRegex))), "{bad:?}");
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_rebalance_hands_nothing_out_twice() {
    let mut w = World::new();
    let t = w.topic("t", 4).await;
    let all = w.come(joining("a", &["t"], None)).await.unwrap().assignment.unwrap();
    let second = w.come(joining("b", &["t"], None)).await.unwrap();
    assert_eq!(count(&second), 0, "the first has all as yet");
    let told = w.beat("a", 1, Some(all.clone())).await;
    assert_eq!((told.member_epoch, count(&told)), (1, 2), "it is to give two up");
    w.restart();
    let second = w.beat("b", 2, Some(Assignment::new())).await;
    assert_eq!(second.assignment, None, "and has not said yet that it did");
    let kept = told.assignment.clone();
    let told = w.beat("a", 1, kept.clone()).await;
    assert_eq!(told.member_epoch, 2);
    let second = w.beat("b", 2, Some(Assignment::new())).await;
    let (a, b) = (kept.unwrap(), second.assignment.unwrap());
    assert!(a[&t.id].is_disjoint(&b[&t.id]) && a[&t.id].len() + b[&t.id].len() == 4, "{a:?} {b:?}");
    let t0 = at(&t, 0);
    assert!(w.commit("g", "a", 2, t0, 1).await.is_ok());
    let stale = w.commit("g", "a", 1, t0, 1).await;
    assert!(matches!(stale, Err(GroupRefusal::Consumer(ConsumerError::StaleEpoch))), "{stale:?}");
}

#[tokio::test]
async fn a_silent_member_is_expelled_and_its_partitions_go_to_the_others() {
    let w = World::new();
    w.topic("t", 2).await;
    w.come(joining("a", &["t"], None)).await.unwrap();
    w.pass(Duration::from_secs(30)).await;
    w.come(joining("b", &["t"], None)).await.unwrap();
    w.pass(Duration::from_secs(20)).await;
    let beat = w.beat("b", 2, Some(Assignment::new())).await;
    assert_eq!((beat.member_epoch, count(&beat)), (3, 2));
    let gone = HeartbeatRequest { member_id: "a".to_owned(), member_epoch: 1, ..HeartbeatRequest::default() };
    assert!(matches!(w.come(gone).await, Err(GroupRefusal::Consumer(ConsumerError::UnknownMember))));
}

#[tokio::test]
async fn an_administrator_takes_a_member_out_and_the_others_go_on() {
    let mut w = World::new();
    w.topic("t", 2).await;
    w.come(joining("a", &["t"], None)).await.unwrap();
    w.come(joining("b", &["t"], None)).await.unwrap();
    let who = ["a", "nobody"].map(|id| LeaveRequest { member_id: id.to_owned(), instance_id: None });
    let results = w.room.leave("g", &who).await.unwrap();
    assert_eq!(results, [Ok(()), Err(GroupError::UnknownMember)]);
    w.restart();
    let beat = w.beat("b", 2, Some(Assignment::new())).await;
    assert_eq!((beat.member_epoch, count(&beat)), (3, 2));
}

#[tokio::test]
async fn a_group_of_consumers_goes_from_one_protocol_to_the_other_and_back_through_restarts() {
    let mut w = World::new();
    let t = w.topic("t", 4).await;
    let classic = w.owning(&[0, 1, 2, 3]).await;
    let came = w.come(joining("b", &["t"], None)).await.unwrap();
    assert_eq!(came.member_epoch, 2);
    w.restart();
    let beat = w.room.heartbeat("g", &classic.member_id, None, 1).await;
    assert!(matches!(beat, Err(GroupRefusal::Classic(GroupError::RebalanceInProgress))), "{beat:?}");
    let joined = w.join(super::classic::joining(&classic.member_id, None)).await.unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (2, ""));
    let synced = w.room.sync("g", super::classic::syncing(&joined, &[]), &patient()).await.unwrap();
    let mine = embedded::assigned_partitions(&synced.assignment).unwrap();
    let theirs = w.beat("b", 2, Some(Assignment::new())).await.assignment;
    let theirs = theirs.or(came.assignment).unwrap();
    assert_eq!((mine.len(), mine[0].1.len(), theirs[&t.id].len()), (1, 2, 2), "{mine:?} {theirs:?}");
    assert!(mine[0].1.iter().all(|partition| !theirs[&t.id].contains(partition)));
    assert!(w.commit("g", &joined.member_id, 2, at(&t, 0), 5).await.is_ok());
    let stale = w.commit("g", &joined.member_id, 1, at(&t, 0), 5).await;
    assert!(matches!(stale, Err(GroupRefusal::Consumer(ConsumerError::IllegalGeneration))), "{stale:?}");
    w.restart();
    assert_eq!(w.beat("b", -1, None).await.member_epoch, -1);
    w.restart();
    let again = w.join(super::classic::joining(&joined.member_id, None)).await.unwrap();
    assert_eq!((again.generation, &again.leader), (4, &joined.member_id), "it leads a classic group again");
    assert_eq!(w.committed("g", at(&t, 0)), Some(5));
}

#[tokio::test]
async fn a_group_whose_members_are_no_consumers_changes_its_protocol_only_while_it_is_empty() {
    let w = World::new();
    w.topic("t", 1).await;
    w.come(joining("a", &["t"], None)).await.unwrap();
    let no_consumer =
        JoinRequest { protocol_type: "connect".to_owned(), ..super::classic::joining("", None) };
    let refused = w.join(no_consumer.clone()).await;
    let inconsistent = GroupRefusal::Classic(GroupError::InconsistentProtocol);
    assert!(
        matches!(&refused, Err(refusal) if refusal.to_string() == inconsistent.to_string()),
        "{refused:?}"
    );
    assert_eq!(w.beat("a", -1, None).await.member_epoch, -1);
    assert_eq!(w.join(no_consumer).await.unwrap().generation, 1);
    let refused = w.come(joining("b", &["t"], None)).await;
    assert!(matches!(refused, Err(GroupRefusal::Consumer(ConsumerError::ClassicGroup))), "{refused:?}");
}
