//! Promises about transactions (KIP-98): the last stable offset, what a `read_committed` reader gets, aborted ones.

use super::*;
use crate::transactions::Marker;

/// Appends to a transaction of `producer` (epoch 0); gives the base offset.
async fn write(log: &Arc<dyn Log>, to: TopicPartition, producer: i64, sequence: i32, values: &[&str]) -> u64 {
    add(log, to, sequenced(producer, 0, sequence, values, true)).await
}
async fn end(log: &Arc<dyn Log>, to: TopicPartition, producer: i64, marker: Marker) -> u64 {
    let batch = marker.batch(ProducerId(producer), ProducerEpoch(0), 0, START).unwrap();
    add(log, to, batch).await
}
fn last_stable(log: &Arc<dyn Log>, at: TopicPartition) -> u64 {
    log.ends(at).unwrap().last_stable.get()
}
/// (producer, first offset, marker's offset) of what was aborted in `[from, to)`.
fn aborted(log: &Arc<dyn Log>, at: TopicPartition, from: u64, to: u64) -> Vec<(i64, u64, u64)> {
    let found = log.aborted(at, offset(from), offset(to)).unwrap();
    found.iter().map(|t| (t.producer.0, t.first_offset.get(), t.last_offset.get())).collect()
}

pub async fn an_open_transaction_holds_the_last_stable_offset(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    add(&log, at, batch(&["plain"])).await;
    assert_eq!(last_stable(&log, at), 1);
    write(&log, at, 1, 0, &["a", "b"]).await;
    write(&log, at, 2, 0, &["x"]).await;
    add(&log, at, batch(&["plain"])).await;
    assert_eq!(last_stable(&log, at), 1, "the first open transaction holds it");
    write(&log, at, 1, 2, &["c"]).await;
    assert_eq!(end(&log, at, 1, Marker::Commit).await, 6);
    assert_eq!(last_stable(&log, at), 3, "the second is still open");
    write(&log, at, 1, 3, &["d"]).await;
    end(&log, at, 2, Marker::Abort).await;
    assert_eq!(last_stable(&log, at), 7, "the first began another");
    end(&log, at, 1, Marker::Commit).await;
    let ends = log.ends(at).unwrap();
    assert_eq!((ends.last_stable, ends.log_end.get()), (ends.high_watermark, 10));
    assert_eq!(
        base_of_duplicate(&log, at).await,
        (7, true),
        "sequences go on from one transaction to the next"
    );
}
async fn base_of_duplicate(log: &Arc<dyn Log>, at: TopicPartition) -> (u64, bool) {
    let answer = append(log, at, sequenced(1, 0, 3, &["d"], true)).await.unwrap();
    (answer.base_offset.unwrap().get(), answer.duplicate)
}

pub async fn a_committed_reader_stops_at_the_last_stable_offset(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    add(&log, at, batch(&["plain"])).await;
    write(&log, at, 1, 0, &["a"]).await;
    add(&log, at, batch(&["after"])).await;
    assert_eq!(seen(&log, at, 0, true), ["0 plain"]);
    assert_eq!(seen(&log, at, 0, false), ["0 plain", "1 a", "2 after"]);
    for from in [1, 2, 3] {
        let request = ReadRequest { at, offset: offset(from), bytes_max: PLENTY, committed_only: true };
        assert!(log.read(request).unwrap().batches.is_empty(), "from {from}");
    }
    end(&log, at, 1, Marker::Commit).await;
    assert_eq!(seen(&log, at, 0, true), ["0 plain", "1 a", "2 after"]);
}

pub async fn aborted_transactions_are_listed_by_their_first_offset(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    write(&log, at, 1, 0, &["a", "b"]).await; // 0, 1
    write(&log, at, 2, 0, &["x"]).await; // 2
    write(&log, at, 3, 0, &["y"]).await; // 3
    end(&log, at, 2, Marker::Abort).await; // 4
    end(&log, at, 3, Marker::Commit).await; // 5
    end(&log, at, 1, Marker::Abort).await; // 6
    write(&log, at, 2, 1, &["z"]).await; // 7
    end(&log, at, 2, Marker::Abort).await; // 8
    let (one, two, again) = ((1, 0, 6), (2, 2, 4), (2, 7, 8));
    assert_eq!(aborted(&log, at, 0, 9), [one, two, again]);
    assert_eq!(aborted(&log, at, 0, 2), [one]);
    assert_eq!(aborted(&log, at, 4, 5), [one, two]);
    assert_eq!(aborted(&log, at, 5, 7), [one]);
    assert_eq!(aborted(&log, at, 6, 8), [one, again]);
    assert_eq!(aborted(&log, at, 9, 100), []);
    assert_eq!(aborted(&log, at, 3, 3), [], "an empty range holds none");
    log.delete_records(at, Some(offset(5))).await.unwrap();
    assert_eq!(aborted(&log, at, 5, 9), [one, again]);
}

pub async fn a_marker_without_a_transaction_changes_nothing_but_the_end(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert_eq!(end(&log, at, 5, Marker::Abort).await, 0);
    add(&log, at, sequenced(5, 0, 0, &["a"], false)).await;
    assert_eq!(end(&log, at, 5, Marker::Abort).await, 2);
    assert_eq!((last_stable(&log, at), aborted(&log, at, 0, 3)), (3, vec![]));
    assert_eq!(add(&log, at, sequenced(5, 0, 1, &["b"], false)).await, 3);
}

pub async fn a_marker_of_an_older_epoch_is_fenced(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let marker = |epoch| Marker::Abort.batch(ProducerId(1), ProducerEpoch(epoch), 0, START).unwrap();
    add(&log, at, sequenced(1, 1, 0, &["a"], true)).await;
    let refused = append(&log, at, marker(0)).await;
    assert!(matches!(refused, Err(AppendError::Fenced { current: 1, found: 0, .. })), "{refused:?}");
    assert_eq!(last_stable(&log, at), 0);
    add(&log, at, marker(2)).await;
    assert_eq!(last_stable(&log, at), 2, "a coordinator ends the transaction of the one it fences");
    let fenced = append(&log, at, sequenced(1, 1, 1, &["b"], true)).await;
    assert!(matches!(fenced, Err(AppendError::Fenced { current: 2, .. })), "{fenced:?}");
    assert_eq!(add(&log, at, sequenced(1, 2, 0, &["c"], true)).await, 2);
    assert_eq!(last_stable(&log, at), 2);
}

pub async fn what_is_no_marker_is_refused(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let control = |key: Option<&str>, producer: Option<i64>| {
        let mut builder = BatchBuilder::new(Compression::None);
        if let Some(id) = producer {
            builder = builder.producer(ProducerId(id), ProducerEpoch(0), -1, true);
        }
        batch_of(builder.control(), &[(START.0, key, Some("v"))])
    };
    for (key, producer) in [
        (None, Some(1)),
        (Some(""), Some(1)),
        (Some("\0\0\0"), Some(1)),
        (Some("\0\0\0\u{2}"), Some(1)),
        (Some("\0\0\u{1}\u{1}"), Some(1)),
        (Some("\0\0\0\u{1}"), None),
    ] {
        let refused = append(&log, at, control(key, producer)).await;
        assert!(matches!(refused, Err(AppendError::Invalid(_))), "{key:?}: {refused:?}");
    }
    assert_eq!(log.ends(at).unwrap().log_end, Offset::FIRST);
}
