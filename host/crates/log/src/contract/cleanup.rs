//! Promises about retention and compaction, after [`Harness::maintain`].

use super::*;
use crate::transactions::Marker;

const HOUR: Duration = Duration::from_secs(3600);

async fn of(log: &Arc<dyn Log>, config: &[(&str, &str)]) -> TopicPartition {
    at(&*topic(log, "cleaned", 1, config).await, 0)
}
fn after(by: Duration) -> Timestamp {
    START.plus(by)
}
fn valued(value: &str, at: Timestamp) -> NewBatch {
    plain(&[(at.0, None, Some(value))])
}

pub async fn records_past_their_age_are_removed_by_whole_batches(harness: &impl Harness) {
    let log = harness.open().await;
    let at = of(&log, &[("retention.ms", "3600000")]).await;
    add(&log, at, plain(&[(after(HOUR).0, None, Some("young")), (START.0, None, Some("old"))])).await;
    harness.clock().advance(HOUR + Duration::from_millis(1));
    harness.maintain().await;
    assert_eq!(all(&log, at), ["0 young", "1 old"], "a batch is as old as its youngest record");
    harness.clock().advance(HOUR);
    add(&log, at, valued("now", after(2 * HOUR))).await;
    harness.maintain().await;
    assert_eq!(all(&log, at), ["2 now"]);
    assert_eq!(log.ends(at).unwrap().log_start.get(), 2);
    harness.clock().advance(3 * HOUR);
    harness.maintain().await;
    let ends = log.ends(at).unwrap();
    assert_eq!((ends.log_start.get(), ends.log_end.get()), (3, 3));
    assert_eq!(add(&log, at, valued("later", after(6 * HOUR))).await, 3, "offsets go on");
}

pub async fn a_partition_over_its_size_gives_up_its_oldest_batches(harness: &impl Harness) {
    let log = harness.open().await;
    let len = batch(&["0"]).len();
    let limit = 3 * len;
    let at = of(&log, &[("retention.bytes", &limit.to_string()), ("retention.ms", "-1")]).await;
    for value in ["0", "1", "2"] {
        add(&log, at, batch(&[value])).await;
    }
    harness.maintain().await;
    assert_eq!(all(&log, at).len(), 3, "what fits stays");
    for value in ["3", "4"] {
        add(&log, at, batch(&[value])).await;
    }
    harness.maintain().await;
    assert_eq!(all(&log, at), ["2 2", "3 3", "4 4"]);
    assert_eq!(log.size(at).unwrap(), limit as u64);
}

pub async fn nothing_is_removed_for_ever_kept_topics(harness: &impl Harness) {
    let log = harness.open().await;
    let at = of(&log, &[("retention.ms", "-1")]).await;
    add(&log, at, valued("ancient", Timestamp(0))).await;
    harness.clock().advance(1_000_000 * HOUR);
    harness.maintain().await;
    assert_eq!(all(&log, at), ["0 ancient"]);
}

/// A compacted topic that is cleaned whenever anything can be.
const EAGER: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")];

pub async fn compaction_keeps_the_newest_of_each_key_with_its_offset(harness: &impl Harness) {
    let log = harness.open().await;
    let at = of(&log, EAGER).await;
    let records = |records: &[(&str, &str)]| {
        let records: Vec<_> =
            records.iter().map(|(key, value)| (START.0, Some(*key), Some(*value))).collect();
        batch_of(BatchBuilder::new(Compression::Zstd), &records)
    };
    add(&log, at, records(&[("a", "1"), ("b", "1"), ("a", "2")])).await;
    add(&log, at, records(&[("a", "3"), ("a", "4")])).await;
    add(&log, at, records(&[("c", "1"), ("a", "5")])).await;
    let before = log.size(at).unwrap();
    harness.clock().advance(1_000 * HOUR);
    harness.maintain().await;
    assert_eq!(all(&log, at), ["1 1", "5 1", "6 5"], "age does not matter where the policy is compact alone");
    assert!(log.size(at).unwrap() < before);
    let ends = log.ends(at).unwrap();
    assert_eq!((ends.log_start.get(), ends.log_end.get()), (0, 7));
    assert_eq!(seen(&log, at, 3, false), ["5 1", "6 5"], "a read in a hole goes on behind it");
    assert_eq!(log.offset_at(at, START).unwrap(), Some((offset(1), START)));
    assert_eq!(add(&log, at, records(&[("b", "2")])).await, 7);
    harness.maintain().await;
    assert_eq!(all(&log, at), ["5 1", "6 5", "7 2"]);
}

pub async fn compaction_drops_tombstones_after_their_time(harness: &impl Harness) {
    let log = harness.open().await;
    let mut config = EAGER.to_vec();
    config.push(("delete.retention.ms", "3600000"));
    let at = of(&log, &config).await;
    add(&log, at, keyed("a", Some("1"), START)).await;
    add(&log, at, keyed("b", Some("1"), START)).await;
    add(&log, at, keyed("a", None, START)).await;
    add(&log, at, keyed("c", Some("1"), START)).await;
    harness.maintain().await;
    assert_eq!(all(&log, at), ["1 1", "2 -", "3 1"], "a tombstone stays for readers to see");
    harness.clock().advance(3 * HOUR);
    add(&log, at, keyed("d", Some("1"), after(3 * HOUR))).await;
    harness.maintain().await;
    // an implementation may count the time from the first pass that met the tombstone
    harness.clock().advance(3 * HOUR);
    add(&log, at, keyed("e", Some("1"), after(6 * HOUR))).await;
    harness.maintain().await;
    assert_eq!(all(&log, at), ["1 1", "3 1", "4 1", "5 1"]);
}

pub async fn compaction_waits_for_the_lag(harness: &impl Harness) {
    let log = harness.open().await;
    let mut config = EAGER.to_vec();
    config.push(("min.compaction.lag.ms", "3600000"));
    let at = of(&log, &config).await;
    add(&log, at, keyed("a", Some("1"), START)).await;
    add(&log, at, keyed("a", Some("2"), START)).await;
    harness.clock().advance(HOUR / 2);
    harness.maintain().await;
    assert_eq!(all(&log, at), ["0 1", "1 2"]);
    harness.clock().advance(HOUR);
    add(&log, at, keyed("b", Some("1"), after(HOUR + HOUR / 2))).await;
    harness.maintain().await;
    assert_eq!(all(&log, at), ["1 2", "2 1"]);
}

pub async fn compaction_ignores_what_was_aborted(harness: &impl Harness) {
    let log = harness.open().await;
    let at = of(&log, EAGER).await;
    let in_transaction = |sequence: i32, value: &str| {
        let builder = BatchBuilder::new(Compression::None);
        let builder = builder.producer(ProducerId(1), ProducerEpoch(0), sequence, true);
        batch_of(builder, &[(START.0, Some("a"), Some(value))])
    };
    let marker = |marker: Marker| marker.batch(ProducerId(1), ProducerEpoch(0), 0, START).unwrap();
    add(&log, at, keyed("a", Some("good"), START)).await;
    add(&log, at, in_transaction(0, "aborted")).await;
    add(&log, at, marker(Marker::Abort)).await;
    harness.maintain().await;
    assert!(all(&log, at).contains(&"0 good".to_owned()), "an aborted record took the place of a good one");
    add(&log, at, in_transaction(1, "open")).await;
    harness.maintain().await;
    assert!(
        all(&log, at).contains(&"0 good".to_owned()),
        "an open transaction took the place of a good record"
    );
    add(&log, at, marker(Marker::Commit)).await;
    add(&log, at, keyed("b", Some("tail"), START)).await;
    harness.maintain().await;
    assert_eq!(all(&log, at), ["3 open", "5 tail"]);
}
