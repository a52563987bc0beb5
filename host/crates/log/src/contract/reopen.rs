//! Promises about what outlives a log that is closed and opened again. A log that keeps nothing passes by saying so.

use super::units::one_of_everything;
use super::*;
use crate::api::{MetaKind, TimerClock};
use crate::transactions::Marker;
use potok_types::LeaderEpoch;
use std::collections::BTreeSet;

/// Opens the log again, or ends the test where nothing outlives it.
macro_rules! again {
    ($harness:expr, $log:expr) => {
        match $harness.reopen($log).await {
            Some(log) => log,
            None => return,
        }
    };
}

pub async fn records_and_ends_outlive_the_log(harness: &impl Harness) {
    let log = harness.open().await;
    let topic = topic(&log, "events", 3, &[]).await;
    let (left, right, empty) = (at(&topic, 0), at(&topic, 1), at(&topic, 2));
    for i in 0..50 {
        add(&log, left, batch(&[&i.to_string(), "x"])).await;
        let append = Append { to: right, batch: plain(&[(i, Some("k"), Some("v"))]) };
        log.append(vec![append], if i % 2 == 0 { Acks::Synced } else { Acks::Written })
            .await
            .pop()
            .unwrap()
            .unwrap();
    }
    let before = (all(&log, left), all(&log, right), log.ends(left), log.ends(right), log.size(left));
    let log = again!(harness, log);
    assert_eq!(before, (all(&log, left), all(&log, right), log.ends(left), log.ends(right), log.size(left)));
    assert_eq!(log.ends(empty).unwrap().log_end, Offset::FIRST);
    assert_eq!(log.offset_at(right, Timestamp(25)).unwrap(), Some((offset(25), Timestamp(25))));
    assert_eq!(log.offset_of_max_timestamp(right).unwrap(), Some((offset(49), Timestamp(49))));
    assert_eq!(
        (add(&log, left, batch(&["next"])).await, add(&log, empty, batch(&["first"])).await),
        (100, 0)
    );
    assert_eq!(*log.watch(left).unwrap().borrow(), log.ends(left).unwrap());
    let log = again!(harness, log);
    assert_eq!(all(&log, left).len(), 101);
}

pub async fn topics_outlive_the_log_and_deleted_ones_do_not(harness: &impl Harness) {
    let log = harness.open().await;
    let kept = topic(&log, "kept", 2, &[("retention.ms", "5000"), ("cleanup.policy", "compact")]).await;
    let gone = topic(&log, "gone.x", 1, &[]).await;
    add(&log, at(&gone, 0), batch(&["a"])).await;
    let more =
        TopicChange { partitions: Some(3), config: vec![("retention.bytes".into(), Some("9".into()))] };
    let kept = log.alter_topic(&kept.name, more).await.unwrap();
    log.delete_topic(&gone.name).await.unwrap();
    let log = again!(harness, log);
    assert_eq!(log.topics(), std::slice::from_ref(&kept));
    assert_eq!(log.topic_numbered(kept.number), Some(kept.clone()));
    assert!(log.ends(at(&gone, 0)).is_err());
    let next = topic(&log, "gone_x", 1, &[]).await;
    assert!(next.number != gone.number && next.number != kept.number);
    assert!(all(&log, at(&next, 0)).is_empty());
}

pub async fn what_units_keep_outlives_the_log(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    commit(&log, one_of_everything(vec![Append { to: at, batch: batch(&["a"]) }], at)).await;
    let more = vec![puts(store(1, 0, 0), &[("k", None), ("l", Some("w"))])];
    log.commit(Unit { state: more, ..Unit::default() }, Acks::Synced).await.unwrap();
    let log = again!(harness, log);
    assert_eq!(all(&log, at), ["0 a"]);
    assert_eq!(gets(&log, store(1, 0, 0), &["k", "l"]), [None, some("w")]);
    let due = log.timers_due(task(1, 0), TimerClock::Wall, Timestamp(9), 10).unwrap();
    assert_eq!(due.iter().map(|timer| timer.payload.clone()).collect::<Vec<_>>(), [bytes("p")]);
    let committed = log.committed("g", at).unwrap().unwrap();
    assert_eq!(
        (committed.offset.get(), committed.metadata.as_str(), committed.committed_at),
        (3, "m", START)
    );
    assert_eq!(log.groups().unwrap(), ["g"]);
    assert_eq!(log.meta_all(MetaKind::Module).unwrap(), [("m".to_owned(), bytes("digest"))]);
    let clear = Unit { state_clears: vec![store(1, 0, 0)], ..Unit::default() };
    log.commit(clear, Acks::Written).await.unwrap();
    let log = again!(harness, log);
    assert_eq!(gets(&log, store(1, 0, 0), &["l"]), [None]);
}

pub async fn producers_and_transactions_outlive_the_log(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let marker =
        |producer, marker: Marker| marker.batch(ProducerId(producer), ProducerEpoch(0), 0, START).unwrap();
    add(&log, at, sequenced(1, 0, 0, &["a"], true)).await; // 0
    add(&log, at, sequenced(3, 4, 0, &["b", "c"], false)).await; // 1, 2
    add(&log, at, marker(1, Marker::Abort)).await; // 3
    add(&log, at, sequenced(2, 0, 0, &["open"], true)).await; // 4
    let before = log.aborted(at, Offset::FIRST, offset(9)).unwrap();
    assert_eq!(before.len(), 1);
    let log = again!(harness, log);
    assert_eq!(log.ends(at).unwrap().last_stable.get(), 4);
    assert_eq!(log.aborted(at, Offset::FIRST, offset(9)).unwrap(), before);
    let again = append(&log, at, sequenced(3, 4, 0, &["b", "c"], false)).await.unwrap();
    assert_eq!((again.base_offset, again.duplicate), (Some(offset(1)), true));
    let fenced = append(&log, at, sequenced(3, 3, 2, &["d"], false)).await;
    assert!(matches!(fenced, Err(AppendError::Fenced { current: 4, .. })), "{fenced:?}");
    let gap = append(&log, at, sequenced(3, 4, 3, &["d"], false)).await;
    assert!(matches!(gap, Err(AppendError::OutOfOrder { expected: 2, .. })), "{gap:?}");
    assert_eq!(add(&log, at, sequenced(3, 4, 2, &["d"], false)).await, 5);
    assert_eq!(add(&log, at, marker(2, Marker::Abort)).await, 6);
    assert_eq!(log.ends(at).unwrap().last_stable.get(), 7);
    let log = again!(harness, log);
    let firsts: Vec<_> =
        log.aborted(at, Offset::FIRST, offset(9)).unwrap().iter().map(|t| t.first_offset.get()).collect();
    assert_eq!(firsts, [0, 4]);
    assert_eq!(log.ends(at).unwrap().last_stable.get(), 7);
}

pub async fn the_leader_epoch_rises_with_each_start(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let first = log.leader_epoch();
    add(&log, at, batch(&["a", "b"])).await;
    let log = again!(harness, log);
    let second = log.leader_epoch();
    assert_eq!(second, LeaderEpoch(first.0 + 1));
    assert_eq!(log.epoch_end(at, first).unwrap(), Some((first, offset(2))));
    add(&log, at, batch(&["c"])).await;
    assert_eq!(log.epoch_end(at, first).unwrap(), Some((first, offset(2))));
    assert_eq!(log.epoch_end(at, second).unwrap(), Some((second, offset(3))));
    let log = again!(harness, log);
    let log = again!(harness, log);
    let fourth = log.leader_epoch();
    assert_eq!(fourth, LeaderEpoch(first.0 + 3));
    assert_eq!(log.epoch_end(at, second).unwrap(), Some((second, offset(3))));
    add(&log, at, batch(&["d"])).await;
    assert_eq!(
        log.epoch_end(at, LeaderEpoch(second.0 + 1)).unwrap(),
        Some((second, offset(3))),
        "a term without records"
    );
    assert_eq!(log.epoch_end(at, fourth).unwrap(), Some((fourth, offset(4))));
    let epochs: Vec<_> = {
        let request = ReadRequest { at, offset: Offset::FIRST, bytes_max: PLENTY, committed_only: false };
        log.read(request).unwrap().batches.iter().map(|batch| batch.header().leader_epoch).collect()
    };
    assert_eq!(epochs, [first, second, fourth]);
}

pub async fn what_was_deleted_or_compacted_stays_so(harness: &impl Harness) {
    let log = harness.open().await;
    let cut = partition(&log).await;
    let config =
        [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("delete.retention.ms", "0")];
    let compacted = at(&*topic(&log, "compacted", 1, &config).await, 0);
    for values in [["a", "b"], ["c", "d"], ["e", "f"]] {
        add(&log, cut, batch(&values)).await;
    }
    add(&log, compacted, keyed("k", Some("v"), START)).await;
    add(&log, compacted, keyed("k", None, START)).await;
    log.delete_records(cut, Some(offset(3))).await.unwrap();
    harness.clock().advance(Duration::from_secs(3600));
    harness.maintain().await;
    harness.clock().advance(Duration::from_secs(3600));
    harness.maintain().await;
    let log = again!(harness, log);
    let ends = log.ends(cut).unwrap();
    assert_eq!((ends.log_start.get(), ends.log_end.get()), (3, 6));
    assert_eq!(all(&log, cut), ["2 c", "3 d", "4 e", "5 f"]);
    assert_eq!(log.ends(compacted).unwrap().log_end.get(), 2, "the end outlives the records before it");
    log.delete_records(cut, None).await.unwrap();
    let log = again!(harness, log);
    let ends = log.ends(cut).unwrap();
    assert_eq!(
        (ends.log_start.get(), ends.log_end.get()),
        (6, 6),
        "an emptied partition knows where it ended"
    );
    assert_eq!(add(&log, cut, batch(&["g"])).await, 6);
    assert_eq!(add(&log, compacted, keyed("k", Some("w"), START)).await, 2);
}

pub async fn numbers_are_not_given_again_after_a_start(harness: &impl Harness) {
    let mut log = harness.open().await;
    let (mut producers, mut processors, mut topics) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for start in 0..3 {
        for _ in 0..5 {
            assert!(
                producers.insert(log.next_producer_id().await.unwrap()),
                "start {start}: a producer id again"
            );
            assert!(
                processors.insert(log.next_processor_number().await.unwrap()),
                "start {start}: a processor number again"
            );
            let made = topic(&log, "brief", 1, &[]).await;
            assert!(topics.insert(made.number), "start {start}: a topic number again");
            log.delete_topic(&made.name).await.unwrap();
        }
        log = again!(harness, log);
    }
}
