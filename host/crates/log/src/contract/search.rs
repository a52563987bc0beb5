//! Promises about finding records by time, and about deleting them from the front.

use super::*;
use crate::error::{DeleteRecordsError, ReadError};
use crate::seeded::Seeded;

fn found(log: &Arc<dyn Log>, at: TopicPartition, time: i64) -> Option<(u64, i64)> {
    log.offset_at(at, Timestamp(time)).unwrap().map(|(offset, timestamp)| (offset.get(), timestamp.0))
}
fn largest(log: &Arc<dyn Log>, at: TopicPartition) -> Option<(u64, i64)> {
    log.offset_of_max_timestamp(at).unwrap().map(|(offset, timestamp)| (offset.get(), timestamp.0))
}
fn at_times(times: &[i64], codec: Compression) -> NewBatch {
    let records: Vec<_> = times.iter().map(|time| (*time, None, Some("v"))).collect();
    batch_of(BatchBuilder::new(codec), &records)
}

pub async fn an_offset_is_found_by_timestamp_exactly(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert_eq!(found(&log, at, 0), None);
    add(&log, at, at_times(&[10, 30, 20], Compression::None)).await;
    add(&log, at, at_times(&[5, 5], Compression::Gzip)).await;
    add(&log, at, at_times(&[40, 35, 50], Compression::Zstd)).await;
    let expected = [
        (i64::MIN, Some((0, 10))),
        (10, Some((0, 10))),
        (11, Some((1, 30))),
        (30, Some((1, 30))),
        (31, Some((5, 40))),
        (41, Some((7, 50))),
        (51, None),
        (i64::MAX, None),
    ];
    for (time, expected) in expected {
        assert_eq!(found(&log, at, time), expected, "at or after {time}");
    }
    log.delete_records(at, Some(offset(2))).await.unwrap();
    assert_eq!(found(&log, at, 1), Some((2, 20)), "what was deleted is not found");
    assert_eq!(found(&log, at, 25), Some((5, 40)));
    log.delete_records(at, None).await.unwrap();
    assert_eq!(found(&log, at, i64::MIN), None);
}

/// Random timestamps (falling, equal and negative ones too) in random batches, against a list.
pub async fn an_offset_by_timestamp_agrees_with_a_model(harness: &impl Harness) {
    const SPAN: usize = 60;
    let log = harness.open().await;
    let topic = topic(&log, "events", 8, &[]).await;
    for seed in 0..8u32 {
        let at = at(&topic, seed);
        let mut seeded = Seeded::new(seed.into());
        let mut model: Vec<i64> = Vec::new();
        for _ in 0..25 {
            let drift = i64::try_from(model.len()).unwrap();
            let count = 1 + seeded.below(5);
            let times: Vec<i64> =
                (0..count).map(|_| i64::try_from(seeded.below(SPAN)).unwrap() - 30 + drift).collect();
            let codec = if seeded.one_in(3) { Compression::Lz4 } else { Compression::None };
            add(&log, at, at_times(&times, codec)).await;
            model.extend(times);
        }
        let start = seeded.below(model.len());
        log.delete_records(at, Some(offset(start as u64))).await.unwrap();
        let left: Vec<(u64, i64)> = (0..).zip(model).skip(start).collect();
        for time in -35..i64::try_from(left.len() + start + SPAN).unwrap() {
            let expected = left.iter().find(|(_, timestamp)| *timestamp >= time).copied();
            assert_eq!(found(&log, at, time), expected, "seed {seed}, at or after {time}");
        }
        let most = left.iter().map(|(_, timestamp)| *timestamp).max();
        let expected = left.iter().find(|(_, timestamp)| Some(*timestamp) == most).copied();
        assert_eq!(largest(&log, at), expected, "seed {seed}");
    }
}

pub async fn the_largest_timestamp_is_found_at_its_first_record(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert_eq!(largest(&log, at), None);
    add(&log, at, at_times(&[-7, -9], Compression::None)).await;
    assert_eq!(largest(&log, at), Some((0, -7)));
    add(&log, at, at_times(&[10, 30, 30], Compression::Snappy)).await;
    add(&log, at, at_times(&[30, 20], Compression::None)).await;
    assert_eq!(largest(&log, at), Some((3, 30)));
    log.delete_records(at, Some(offset(4))).await.unwrap();
    assert_eq!(largest(&log, at), Some((4, 30)));
    log.delete_records(at, Some(offset(6))).await.unwrap();
    assert_eq!(largest(&log, at), Some((6, 20)), "the larger ones are deleted");
}

pub async fn deleted_records_are_gone_up_to_their_offset(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    add(&log, at, batch(&["a", "b", "c"])).await;
    add(&log, at, batch(&["d"])).await;
    let delete = |before: Option<u64>| log.delete_records(at, before.map(offset));
    assert_eq!(delete(Some(2)).await.unwrap().get(), 2);
    assert_eq!(delete(Some(1)).await.unwrap().get(), 2, "the start never moves back");
    let ends = log.ends(at).unwrap();
    assert_eq!((ends.log_start.get(), ends.high_watermark.get()), (2, 4));
    // the batch that holds offset 2 still comes whole
    assert_eq!(all(&log, at), ["0 a", "1 b", "2 c", "3 d"]);
    let refused = delete(Some(5)).await;
    assert!(matches!(refused, Err(DeleteRecordsError::OutOfRange { asked, high_watermark })
        if (asked.get(), high_watermark.get()) == (5, 4)));
    assert_eq!(delete(None).await.unwrap().get(), 4);
    assert!(all(&log, at).is_empty());
    let below = ReadRequest { at, offset: offset(3), bytes_max: PLENTY, committed_only: false };
    assert!(matches!(log.read(below), Err(ReadError::OutOfRange { .. })));
    let next = append(&log, at, batch(&["e"])).await.unwrap();
    assert_eq!((next.base_offset, next.log_start), (Some(offset(4)), offset(4)));
    let none = TopicPartition { partition: PartitionIndex(1), ..at };
    assert!(matches!(log.delete_records(none, None).await, Err(DeleteRecordsError::UnknownPartition(_))));
}
