//! Promises about appending, reading and watching.

use super::*;
use crate::error::{ReadError, UnknownPartition};
use futures::future::join_all;
use potok_types::{BatchHeader, TopicNumber};

fn read(at: TopicPartition, from: u64, bytes_max: usize) -> ReadRequest {
    ReadRequest { at, offset: offset(from), bytes_max, committed_only: false }
}
fn bases(log: &Arc<dyn Log>, request: ReadRequest) -> Vec<u64> {
    log.read(request).unwrap().batches.iter().map(|batch| batch.header().base_offset.get()).collect()
}

pub async fn offsets_rise_without_a_gap_in_each_partition(harness: &impl Harness) {
    let log = harness.open().await;
    let topic = topic(&log, "events", 2, &[]).await;
    let (left, right) = (at(&topic, 0), at(&topic, 1));
    let mut call = Vec::new();
    for (to, values) in [(left, &["a", "b"][..]), (right, &["x"]), (left, &["c"]), (right, &["y", "z"])] {
        call.push(Append { to, batch: batch(values) });
    }
    let answers = log.append(call, Acks::Written).await;
    let offsets: Vec<_> =
        answers.into_iter().map(|answer| answer.unwrap().base_offset.unwrap().get()).collect();
    assert_eq!(offsets, [0, 0, 2, 1]);
    assert_eq!(add(&log, left, batch(&["d"])).await, 3);
    assert_eq!(all(&log, left), ["0 a", "1 b", "2 c", "3 d"]);
    assert_eq!(all(&log, right), ["0 x", "1 y", "2 z"]);
    let ends = log.ends(left).unwrap();
    assert_eq!((ends.log_start.get(), ends.high_watermark.get(), ends.log_end.get()), (0, 4, 4));
    assert_eq!(ends.last_stable, ends.high_watermark);
}

pub async fn answers_come_in_the_order_asked_each_on_its_own(harness: &impl Harness) {
    let log = harness.open().await;
    let good = partition(&log).await;
    let none = TopicPartition { topic: TopicNumber(9_999), partition: PartitionIndex(0) };
    let call = [(good, "a"), (none, "b"), (good, "c")];
    let call = call.into_iter().map(|(to, value)| Append { to, batch: batch(&[value]) }).collect();
    let answers = log.append(call, Acks::Synced).await;
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0].as_ref().unwrap().base_offset, Some(offset(0)));
    assert!(matches!(&answers[1], Err(AppendError::UnknownPartition(UnknownPartition(at))) if *at == none));
    assert_eq!(answers[2].as_ref().unwrap().base_offset, Some(offset(1)));
    assert!(log.append(Vec::new(), Acks::Synced).await.is_empty());
    assert_eq!(all(&log, good), ["0 a", "1 c"]);
}

pub async fn each_kind_of_acks_is_answered_and_lands(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let mut watch = log.watch(at).unwrap();
    let append = |value, acks| log.append(vec![Append { to: at, batch: batch(&[value]) }], acks);
    let queued = append("none", Acks::None).await.pop().unwrap().unwrap();
    assert_eq!((queued.base_offset, queued.duplicate), (None, false));
    let landed = tokio::time::timeout(PATIENCE, watch.wait_for(|ends| ends.high_watermark.get() == 1)).await;
    assert!(landed.is_ok(), "what was queued did not land");
    drop(landed);
    for (acks, base) in [(Acks::Written, 1), (Acks::Synced, 2)] {
        let answer = append("more", acks).await.pop().unwrap().unwrap();
        assert_eq!(answer.base_offset, Some(offset(base)));
        assert_eq!((answer.append_time, answer.log_start, answer.duplicate), (None, Offset::FIRST, false));
        assert_eq!(log.ends(at).unwrap().high_watermark.get(), base + 1, "answered before it can be read");
    }
    assert_eq!(all(&log, at), ["0 none", "1 more", "2 more"]);
}

pub async fn appends_by_many_callers_keep_the_order_of_each(harness: &impl Harness) {
    const CALLERS: usize = 8;
    const CALLS: usize = 40;
    let log = harness.open().await;
    let at = partition(&log).await;
    let caller = |caller: usize| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut offsets = Vec::new();
            for call in 0..CALLS {
                let acks = if call % 8 == 0 { Acks::Synced } else { Acks::Written };
                let batch = batch(&[&format!("{caller}/{call}")]);
                let answer = log.append(vec![Append { to: at, batch }], acks).await.pop().unwrap().unwrap();
                offsets.push(answer.base_offset.unwrap());
            }
            assert!(offsets.is_sorted(), "caller {caller} got {offsets:?}");
        })
    };
    join_all((0..CALLERS).map(caller)).await.into_iter().for_each(Result::unwrap);
    let lines = all(&log, at);
    assert_eq!(lines.len(), CALLERS * CALLS);
    for caller in 0..CALLERS {
        let prefix = format!(" {caller}/");
        let calls: Vec<usize> = lines
            .iter()
            .filter_map(|line| line.split_once(&prefix))
            .map(|(_, call)| call.parse().unwrap())
            .collect();
        assert_eq!(calls, (0..CALLS).collect::<Vec<_>>());
    }
}

pub async fn batches_are_kept_as_the_bytes_they_came_as(harness: &impl Harness) {
    /// Base offset, length, leader epoch: what lies before the part that is never touched (magic, CRC, attributes…).
    const PATCHED_LEN: usize = 16;
    let log = harness.open().await;
    let at = partition(&log).await;
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let mut sent = Vec::new();
    for codec in codecs {
        let value = "to be or not to be ".repeat(100);
        let make =
            || batch_of(BatchBuilder::new(codec), &[(START.0, Some("k"), Some(&value)), (5, None, None)]);
        sent.push(make().place(Offset::FIRST, log.leader_epoch()));
        add(&log, at, make()).await;
    }
    let kept = log.read(read(at, 0, PLENTY)).unwrap().batches;
    assert_eq!(kept.len(), sent.len());
    for (i, (sent, kept)) in sent.iter().zip(&kept).enumerate() {
        assert_eq!(sent.bytes()[PATCHED_LEN..], kept.bytes()[PATCHED_LEN..], "{:?}", codecs[i]);
        let BatchHeader { base_offset, leader_epoch, .. } = kept.header();
        assert_eq!((base_offset.get(), *leader_epoch), (2 * i as u64, log.leader_epoch()));
    }
}

pub async fn a_read_inside_a_batch_returns_the_whole_batch(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    add(&log, at, batch(&["a", "b", "c"])).await;
    add(&log, at, batch(&["d", "e"])).await;
    assert_eq!(bases(&log, read(at, 0, PLENTY)), [0, 3]);
    assert_eq!(bases(&log, read(at, 2, PLENTY)), [0, 3]);
    assert_eq!(bases(&log, read(at, 3, PLENTY)), [3]);
    assert_eq!(bases(&log, read(at, 4, PLENTY)), [3]);
}

pub async fn a_read_returns_one_batch_at_least_and_then_as_many_as_fit(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    for value in ["a", "b", "c", "d"] {
        add(&log, at, batch(&[value])).await;
    }
    let len = log.read(read(at, 0, 0)).unwrap().batches[0].len();
    for (bytes_max, expected) in
        [(0, 1), (1, 1), (len, 1), (2 * len - 1, 1), (2 * len, 2), (3 * len + 1, 3), (usize::MAX, 4)]
    {
        let found = bases(&log, read(at, 0, bytes_max)).len();
        assert_eq!(found, expected, "{bytes_max} bytes of batches of {len}");
    }
}

pub async fn what_is_located_is_what_is_read(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    for values in [&["a", "b"][..], &["c"], &["d", "e"]] {
        add(&log, at, batch(values)).await;
    }
    for (from, bytes_max) in [(0, PLENTY), (1, PLENTY), (2, 1), (4, PLENTY), (5, PLENTY)] {
        let fetched = log.read(read(at, from, bytes_max)).unwrap();
        let expected: Vec<u8> = fetched.batches.iter().flat_map(|batch| batch.bytes().to_vec()).collect();
        let next = fetched.batches.last().map_or(offset(from), |last| last.header().next_offset());
        let located = log.locate(read(at, from, bytes_max)).unwrap();
        let now = log.locate_now(read(at, from, bytes_max)).expect("the newest are in memory");
        for located in [now, located] {
            let bytes: Vec<u8> = located.pieces.iter().flat_map(|one| one.read().unwrap()).collect();
            assert_eq!((bytes, located.next, located.ends), (expected.clone(), next, fetched.ends), "{from}");
        }
    }
    let outside = read(at, 6, PLENTY);
    assert!(log.locate_now(outside).is_none());
    assert!(matches!(log.locate(outside), Err(ReadError::OutOfRange { .. })));
}

pub async fn a_read_at_the_end_is_empty_and_outside_is_refused(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert!(bases(&log, read(at, 0, PLENTY)).is_empty());
    add(&log, at, batch(&["a", "b", "c"])).await;
    let fetched = log.read(read(at, 3, PLENTY)).unwrap();
    assert!(fetched.batches.is_empty());
    assert_eq!(fetched.ends, log.ends(at).unwrap());
    log.delete_records(at, Some(offset(2))).await.unwrap();
    for asked in [0, 1, 4, Offset::MAX.get()] {
        let refused = log.read(read(at, asked, PLENTY));
        let Err(ReadError::OutOfRange { asked: said, log_start, high_watermark }) = refused else {
            panic!("{asked}: {refused:?}")
        };
        assert_eq!((said.get(), log_start.get(), high_watermark.get()), (asked, 2, 3));
    }
}

pub async fn a_watch_wakes_at_every_change(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let mut watch = log.watch(at).unwrap();
    assert_eq!(*watch.borrow_and_update(), log.ends(at).unwrap());
    for end in 1..=3 {
        let waiting = tokio::spawn({
            let mut watch = watch.clone();
            async move {
                tokio::time::timeout(PATIENCE, watch.wait_for(|ends| ends.log_end.get() == end)).await.is_ok()
            }
        });
        add(&log, at, batch(&["a"])).await;
        assert!(waiting.await.unwrap(), "nobody woke at {end}");
        assert_eq!(*watch.borrow_and_update(), log.ends(at).unwrap());
    }
    log.delete_records(at, Some(offset(2))).await.unwrap();
    assert!(watch.has_changed().unwrap(), "the log start moved and nobody was told");
    assert_eq!(watch.borrow_and_update().log_start.get(), 2);
    let unit = Unit { appends: vec![Append { to: at, batch: batch(&["b"]) }], ..Unit::default() };
    commit(&log, unit).await;
    assert_eq!(watch.borrow_and_update().log_end.get(), 4);
}

pub async fn a_batch_over_the_topics_limit_is_refused(harness: &impl Harness) {
    let log = harness.open().await;
    let len = batch(&["12345678"]).len();
    let limit = len.to_string();
    let topic = topic(&log, "small", 1, &[("max.message.bytes", &limit)]).await;
    let at = at(&topic, 0);
    assert_eq!(add(&log, at, batch(&["12345678"])).await, 0);
    let refused = append(&log, at, batch(&["123456789"])).await;
    assert!(
        matches!(refused, Err(AppendError::TooLarge { len: found, limit }) if found == len + 1 && limit == len)
    );
    log.alter_topic(&topic.name, change("max.message.bytes", None)).await.unwrap();
    assert_eq!(add(&log, at, batch(&["123456789"])).await, 1);
}

pub async fn a_record_without_a_key_is_refused_where_the_topic_is_compacted(harness: &impl Harness) {
    let log = harness.open().await;
    for (name, policy) in [("compact", "compact"), ("both", "compact,delete")] {
        let at = at(&*topic(&log, name, 1, &[("cleanup.policy", policy)]).await, 0);
        for codec in [Compression::None, Compression::Zstd] {
            let keyless = [(1, Some("k"), Some("v")), (2, None, Some("v"))];
            let refused = append(&log, at, batch_of(BatchBuilder::new(codec), &keyless)).await;
            assert!(matches!(refused, Err(AppendError::KeyMissing { index: 1 })), "{codec:?}: {refused:?}");
        }
        assert_eq!(add(&log, at, plain(&[(1, Some("k"), Some("v")), (2, Some(""), None)])).await, 0);
    }
}

pub async fn append_time_is_stamped_where_the_topic_says_so(harness: &impl Harness) {
    let log = harness.open().await;
    let topic = topic(&log, "stamped", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let at = at(&topic, 0);
    harness.clock().advance(Duration::from_millis(1234));
    let now = START.plus(Duration::from_millis(1234));
    let answer = append(&log, at, plain(&[(7, None, Some("a")), (3, None, Some("b"))])).await.unwrap();
    assert_eq!(answer.append_time, Some(now));
    let kept = log.read(read(at, 0, PLENTY)).unwrap().batches.remove(0);
    assert!(kept.header().log_append_time && kept.header().max_timestamp == now);
    let open = kept.open(PLENTY).unwrap();
    assert!(open.records().all(|record| record.unwrap().timestamp == now));
}

pub async fn the_size_is_that_of_the_batches(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert_eq!(log.size(at).unwrap(), 0);
    let lens = [batch(&["a"]).len(), batch(&["bb", "cc"]).len()];
    add(&log, at, batch(&["a"])).await;
    add(&log, at, batch(&["bb", "cc"])).await;
    assert_eq!(log.size(at).unwrap(), (lens[0] + lens[1]) as u64);
    log.delete_records(at, Some(offset(1))).await.unwrap();
    harness.maintain().await;
    assert_eq!(log.size(at).unwrap(), lens[1] as u64);
}
