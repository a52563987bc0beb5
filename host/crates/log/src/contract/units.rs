//! Promises about units: all of one commits, or nothing.

use super::*;
use crate::api::{CommittedOffset, UnitResult};
use crate::api::{MetaChange, MetaKind, OffsetChange, OffsetCommit, TimerChange, TimerClock, TimerEntry};
use crate::error::CommitError;
use potok_types::TopicNumber;

/// A unit with one of everything.
pub(super) fn one_of_everything(appends: Vec<Append>, at: TopicPartition) -> Unit {
    let offset =
        CommittedOffset { offset: offset(3), leader_epoch: None, metadata: "m".into(), committed_at: START };
    let timer =
        TimerEntry { clock: TimerClock::Wall, at: Timestamp(9), key: bytes("t"), payload: bytes("p") };
    Unit {
        appends,
        state: vec![puts(store(1, 0, 0), &[("k", Some("v"))])],
        state_clears: vec![store(1, 0, 1)],
        timers: vec![TimerChange::Set(task(1, 0), timer)],
        offsets: vec![OffsetCommit { group: "g".into(), at, change: OffsetChange::Set(offset) }],
        meta: vec![MetaChange { kind: MetaKind::Module, name: "m".into(), value: Some(bytes("digest")) }],
    }
}
fn assert_nothing_is_there(log: &Arc<dyn Log>, at: TopicPartition) {
    assert!(all(log, at).is_empty());
    assert_eq!(log.ends(at).unwrap().log_end, Offset::FIRST);
    assert_eq!(gets(log, store(1, 0, 0), &["k"]), [None]);
    assert_eq!(gets(log, store(1, 0, 1), &["old"]), [some("kept")], "the clear of a refused unit was done");
    assert_eq!(log.timer_next(task(1, 0), TimerClock::Wall).unwrap(), None);
    assert_eq!(log.committed("g", at).unwrap(), None);
    assert_eq!(log.meta_get(MetaKind::Module, "m").unwrap(), None);
}
async fn with_old_state(log: &Arc<dyn Log>) {
    let state = vec![puts(store(1, 0, 1), &[("old", Some("kept"))])];
    commit(log, Unit { state, ..Unit::default() }).await;
}

pub async fn a_unit_is_seen_as_a_whole(harness: &impl Harness) {
    let log = harness.open().await;
    let topic = topic(&log, "events", 2, &[]).await;
    let (left, right) = (at(&topic, 0), at(&topic, 1));
    with_old_state(&log).await;
    let appends = [(left, "a"), (right, "b"), (left, "c")];
    let appends = appends.into_iter().map(|(to, value)| Append { to, batch: batch(&[value]) }).collect();
    let UnitResult { appended } = log.commit(one_of_everything(appends, left), Acks::Synced).await.unwrap();
    let offsets: Vec<_> = appended.iter().map(|one| one.base_offset.unwrap().get()).collect();
    assert_eq!(offsets, [0, 0, 1]);
    assert_eq!((all(&log, left), all(&log, right)), (vec!["0 a".into(), "1 c".into()], vec!["0 b".into()]));
    assert_eq!(gets(&log, store(1, 0, 0), &["k"]), [some("v")]);
    assert_eq!(gets(&log, store(1, 0, 1), &["old"]), [None]);
    assert_eq!(log.timer_next(task(1, 0), TimerClock::Wall).unwrap(), Some(Timestamp(9)));
    let committed = log.committed("g", left).unwrap().unwrap();
    assert_eq!((committed.offset.get(), committed.metadata.as_str()), (3, "m"));
    assert_eq!(log.meta_get(MetaKind::Module, "m").unwrap(), Some(bytes("digest")));
}

pub async fn a_unit_with_one_bad_append_leaves_nothing(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    with_old_state(&log).await;
    let none = TopicPartition { topic: TopicNumber(9_999), partition: PartitionIndex(0) };
    let appends = [(at, "a"), (none, "b"), (at, "c")];
    let appends = appends.into_iter().map(|(to, value)| Append { to, batch: batch(&[value]) }).collect();
    let refused = log.commit(one_of_everything(appends, at), Acks::Written).await;
    assert!(
        matches!(refused, Err(CommitError::Append { index: 1, error: AppendError::UnknownPartition(_) })),
        "{refused:?}"
    );
    assert_nothing_is_there(&log, at);
    let gap = vec![
        Append { to: at, batch: sequenced(5, 0, 0, &["a"], false) },
        Append { to: at, batch: sequenced(5, 0, 2, &["b"], false) },
    ];
    let refused = log.commit(one_of_everything(gap, at), Acks::Written).await;
    assert!(matches!(refused, Err(CommitError::Append { index: 1, .. })), "{refused:?}");
    assert_nothing_is_there(&log, at);
    assert_eq!(add(&log, at, batch(&["d"])).await, 0);
}

pub async fn a_unit_with_an_offset_for_no_partition_leaves_nothing(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    with_old_state(&log).await;
    let none = TopicPartition { partition: PartitionIndex(1), ..at };
    let unit = one_of_everything(vec![Append { to: at, batch: batch(&["a"]) }], none);
    let refused = log.commit(unit, Acks::Written).await;
    assert!(
        matches!(refused, Err(CommitError::UnknownPartition(unknown)) if unknown.0 == none),
        "{refused:?}"
    );
    assert_nothing_is_there(&log, at);
}

pub async fn an_empty_unit_commits(harness: &impl Harness) {
    let log = harness.open().await;
    for acks in [Acks::None, Acks::Written, Acks::Synced] {
        assert_eq!(log.commit(Unit::default(), acks).await.unwrap(), UnitResult::default());
    }
}

pub async fn a_units_appends_keep_their_order(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    for unit in 0..3 {
        let batches = (0..4).map(|i| Append { to: at, batch: batch(&[&format!("{unit}{i}")]) });
        commit(&log, Unit { appends: batches.collect(), ..Unit::default() }).await;
    }
    let expected: Vec<_> = (0..12).map(|i| format!("{i} {}{}", i / 4, i % 4)).collect();
    assert_eq!(all(&log, at), expected);
}
