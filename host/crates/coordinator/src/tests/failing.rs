//! Writes that fail: the group is what it was, whoever waits goes on waiting, and the same request does it once the log writes again.

use super::classic::{joining, syncing};
use super::*;
use potok_groups::Group;
use potok_log::{FailingLog, Fault, Faults};

struct Failing {
    w: World,
    log: Arc<FailingLog>,
}

impl Failing {
    fn new() -> Failing {
        let clock = ManualClock::at(START);
        let failing = FailingLog::new(MemoryLog::new(Arc::clone(&clock) as _), 1, Faults::NONE);
        let log: Arc<dyn Log> = Arc::clone(&failing) as _;
        Failing { w: World { room: open(&clock, &log), clock, log }, log: failing }
    }
    /// The group as it is in memory.
    async fn group(&self) -> Group {
        let mut cell = self.w.room.inner.lock_anyway("g").await;
        let group = cell.group.clone();
        self.w.room.inner.settle(&mut cell);
        group
    }
    fn fail_next(&self) {
        self.log.fail_write(self.log.writes(), Fault::Refused);
    }
    /// The request cannot be written, and nothing else comes of it.
    async fn refuses<T: std::fmt::Debug>(&self, asked: impl Future<Output = Result<T, GroupRefusal>>) {
        let before = self.group().await;
        self.fail_next();
        let answer = asked.await;
        assert!(matches!(answer, Err(GroupRefusal::Store(_))), "{answer:?}");
        assert_eq!(self.group().await, before);
    }
}

fn leaving(id: &str) -> [LeaveRequest; 1] {
    [LeaveRequest { member_id: id.to_owned(), instance_id: None }]
}

#[tokio::test]
async fn a_leader_whose_assignment_is_not_kept_brings_it_again_and_who_waits_goes_on_waiting() {
    let f = Failing::new();
    let first = f.w.alone().await;
    let (room, gone) = (f.w.room.clone(), patient());
    let second = tokio::spawn(async move { room.join("g", joining("", None), &gone).await });
    while f.w.room.heartbeat("g", &first.member_id, None, 1).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let first = f.w.join(joining(&first.member_id, None)).await.unwrap();
    let second = second.await.unwrap().unwrap();
    let (room, gone, ask) = (f.w.room.clone(), patient(), syncing(&second, &[]));
    let before = f.group().await;
    let waiting = tokio::spawn(async move { room.sync("g", ask, &gone).await });
    while f.group().await == before {
        tokio::task::yield_now().await;
    }
    let lead = || syncing(&first, &[(&first.member_id, "left"), (&second.member_id, "right")]);
    f.refuses(f.w.room.sync("g", lead(), &patient())).await;
    assert!(!waiting.is_finished());
    assert_eq!(f.w.room.sync("g", lead(), &patient()).await.unwrap().assignment, "left");
    assert_eq!(waiting.await.unwrap().unwrap().assignment, "right");
}

#[tokio::test]
async fn a_static_member_whose_return_is_not_kept_has_not_come_and_its_former_self_goes_on() {
    let f = Failing::new();
    let first = f.w.join(joining("", Some("one"))).await.unwrap();
    let sync =
        SyncRequest { instance_id: Some("one".to_owned()), ..syncing(&first, &[(&first.member_id, "all")]) };
    f.refuses(f.w.room.sync("g", sync.clone(), &patient())).await;
    f.w.room.sync("g", sync, &patient()).await.unwrap();
    f.refuses(f.w.join(joining("", Some("one")))).await;
    f.w.room.heartbeat("g", &first.member_id, Some("one"), 1).await.unwrap();
    assert!(f.w.join(joining("", Some("one"))).await.unwrap().skip_assignment);
}

#[tokio::test]
async fn a_last_member_whose_leaving_or_silence_is_not_kept_is_still_there() {
    let f = Failing::new();
    let member = f.w.alone().await;
    f.refuses(f.w.room.leave("g", &leaving(&member.member_id))).await;
    f.w.room.heartbeat("g", &member.member_id, None, 1).await.unwrap();
    let before = f.group().await;
    f.fail_next();
    f.w.pass(Duration::from_secs(11)).await;
    assert_eq!(f.group().await, before);
    f.w.pass(Duration::from_secs(1)).await;
    assert!(f.group().await.is_memberless(), "it is tried again");
}

#[tokio::test]
async fn a_commit_that_fails_prolongs_no_session() {
    let f = Failing::new();
    let t = f.w.topic("t", 1).await;
    let member = f.w.alone().await;
    f.w.clock.advance(Duration::from_secs(9));
    let commit = || CommitRequest {
        group: "g".to_owned(),
        member_id: member.member_id.clone(),
        epoch: 1,
        offsets: vec![new_offset(at(&t, 0), 5)],
        ..CommitRequest::default()
    };
    f.refuses(f.w.room.commit_offsets(commit())).await;
    assert_eq!(f.w.committed("g", at(&t, 0)), None);
    f.w.room.commit_offsets(commit()).await.unwrap();
    f.w.pass(Duration::from_secs(9)).await;
    assert!(!f.group().await.is_memberless());
}

#[tokio::test]
async fn a_heartbeat_of_kip_848_that_is_not_kept_has_not_come() {
    let f = Failing::new();
    f.w.topic("t", 2).await;
    let join = |id| super::consumer::joining(id, &["t"], None);
    f.refuses(f.w.come(join("a"))).await;
    assert!(f.w.room.inner.group_names().is_empty(), "a group that was not kept is not there");
    let all = f.w.come(join("a")).await.unwrap().assignment.unwrap();
    f.refuses(f.w.come(join("b"))).await;
    f.w.come(join("b")).await.unwrap();
    let beat = |id: &str, member_epoch, owned| {
        let member_id = id.to_owned();
        f.w.come(HeartbeatRequest { member_id, member_epoch, owned, ..HeartbeatRequest::default() })
    };
    f.refuses(beat("a", 1, Some(all.clone()))).await;
    let less = f.w.beat("a", 1, Some(all)).await.assignment;
    assert_eq!(less.iter().flatten().map(|(_, partitions)| partitions.len()).sum::<usize>(), 1);
    f.refuses(beat("b", -1, None)).await;
    f.refuses(f.w.room.leave("g", &leaving("b"))).await;
    assert_eq!(f.w.beat("b", 2, Some(Assignment::new())).await.assignment, None, "a has not given up yet");
    let writes = f.log.writes();
    f.w.beat("b", 2, None).await;
    assert_eq!(f.log.writes(), writes, "a heartbeat with no news writes nothing");
}

#[tokio::test]
async fn a_group_whose_taking_over_or_going_back_is_not_kept_is_what_it_was() {
    let f = Failing::new();
    f.w.topic("t", 2).await;
    let first = f.w.owning(&[0, 1]).await;
    let (room, gone) = (f.w.room.clone(), patient());
    let waiting = tokio::spawn(async move { room.join("g", joining("", None), &gone).await });
    while f.w.room.heartbeat("g", &first.member_id, None, 1).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let join = || super::consumer::joining("b", &["t"], None);
    f.refuses(f.w.come(join())).await;
    assert!(!waiting.is_finished(), "whoever waits for the others goes on waiting");
    f.w.come(join()).await.unwrap();
    let told = waiting.await.unwrap();
    assert!(matches!(told, Err(GroupRefusal::Classic(GroupError::RebalanceInProgress))), "{told:?}");
    f.refuses(f.w.join(joining(&first.member_id, None))).await;
    let leave = || HeartbeatRequest { member_epoch: -1, ..join() };
    f.refuses(f.w.come(leave())).await;
    f.w.come(leave()).await.unwrap();
    let joined = f.w.room.describe_group("g").await.unwrap();
    assert!(matches!(joined, Description::Classic(group) if group.state == "PreparingRebalance"));
}
