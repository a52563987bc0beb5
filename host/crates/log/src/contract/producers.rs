//! Promises about idempotent producers (KIP-98): what is sent again is kept once, and what is missing is noticed.

use super::*;
use crate::error::CommitError;

async fn send(
    log: &Arc<dyn Log>,
    to: TopicPartition,
    producer: i64,
    epoch: i16,
    sequence: i32,
    values: &[&str],
) -> Result<Appended, AppendError> {
    append(log, to, sequenced(producer, epoch, sequence, values, false)).await
}
fn base(answer: Result<Appended, AppendError>) -> (u64, bool) {
    let answer = answer.unwrap();
    (answer.base_offset.unwrap().get(), answer.duplicate)
}

pub async fn a_batch_sent_again_is_answered_with_its_first_offset(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    add(&log, at, batch(&["before"])).await;
    assert_eq!(base(send(&log, at, 7, 0, 0, &["a", "b"]).await), (1, false));
    assert_eq!(base(send(&log, at, 7, 0, 0, &["a", "b"]).await), (1, true));
    assert_eq!(base(send(&log, at, 7, 0, 2, &["c"]).await), (3, false));
    assert_eq!(base(send(&log, at, 7, 0, 0, &["a", "b"]).await), (1, true));
    assert_eq!(all(&log, at), ["0 before", "1 a", "2 b", "3 c"]);
}

pub async fn only_the_last_five_batches_are_remembered(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    for sequence in 0..6 {
        send(&log, at, 7, 0, sequence, &["a"]).await.unwrap();
    }
    for sequence in 1..6 {
        assert_eq!(base(send(&log, at, 7, 0, sequence, &["a"]).await), (sequence.try_into().unwrap(), true));
    }
    let forgotten = send(&log, at, 7, 0, 0, &["a"]).await;
    assert!(
        matches!(forgotten, Err(AppendError::OutOfOrder { expected: 6, found: 0, producer: 7 })),
        "{forgotten:?}"
    );
    let other_shape = send(&log, at, 7, 0, 4, &["a", "b"]).await;
    assert!(matches!(other_shape, Err(AppendError::OutOfOrder { .. })), "{other_shape:?}");
    assert_eq!(log.ends(at).unwrap().log_end.get(), 6);
}

pub async fn a_gap_in_the_sequence_is_refused(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    send(&log, at, 7, 0, 0, &["a", "b"]).await.unwrap();
    let gap = send(&log, at, 7, 0, 3, &["d"]).await;
    assert!(matches!(gap, Err(AppendError::OutOfOrder { producer: 7, expected: 2, found: 3 })), "{gap:?}");
    assert_eq!(base(send(&log, at, 7, 0, 2, &["c"]).await), (2, false), "a refusal changes nothing");
    let negative = send(&log, at, 7, 0, -1, &["x"]).await;
    assert!(matches!(negative, Err(AppendError::Invalid(_))), "{negative:?}");
    assert_eq!(all(&log, at), ["0 a", "1 b", "2 c"]);
}

pub async fn an_older_epoch_is_fenced_and_a_newer_begins_anew(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    send(&log, at, 7, 1, 0, &["a"]).await.unwrap();
    let fenced = send(&log, at, 7, 0, 1, &["b"]).await;
    assert!(matches!(fenced, Err(AppendError::Fenced { producer: 7, current: 1, found: 0 })), "{fenced:?}");
    let late = send(&log, at, 7, 2, 1, &["b"]).await;
    assert!(matches!(late, Err(AppendError::OutOfOrder { expected: 0, found: 1, .. })), "{late:?}");
    assert_eq!(base(send(&log, at, 7, 1, 1, &["c"]).await), (1, false), "a refusal fences nobody");
    assert_eq!(base(send(&log, at, 7, 2, 0, &["d"]).await), (2, false));
    assert_eq!(base(send(&log, at, 7, 2, 0, &["d"]).await), (2, true));
    assert!(matches!(send(&log, at, 7, 1, 2, &["e"]).await, Err(AppendError::Fenced { current: 2, .. })));
}

pub async fn a_producer_that_is_unknown_or_was_forgotten_goes_on_at_any_sequence(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert_eq!(base(send(&log, at, 7, 0, 5, &["a"]).await), (0, false));
    assert_eq!(base(send(&log, at, 7, 0, 5, &["a"]).await), (0, true));
    assert!(matches!(
        send(&log, at, 7, 0, 7, &["c"]).await,
        Err(AppendError::OutOfOrder { expected: 6, .. })
    ));
}

pub async fn a_producer_is_known_to_each_partition_on_its_own(harness: &impl Harness) {
    let log = harness.open().await;
    let topic = topic(&log, "events", 2, &[]).await;
    let (left, right) = (at(&topic, 0), at(&topic, 1));
    send(&log, left, 7, 0, 0, &["a"]).await.unwrap();
    send(&log, left, 7, 0, 1, &["b"]).await.unwrap();
    assert_eq!(base(send(&log, right, 7, 0, 0, &["a"]).await), (0, false));
    assert!(matches!(
        send(&log, right, 7, 0, 2, &["c"]).await,
        Err(AppendError::OutOfOrder { expected: 1, .. })
    ));
    assert_eq!(
        base(send(&log, left, 8, 0, 0, &["other"]).await),
        (2, false),
        "each producer counts for itself"
    );
}

pub async fn sequences_follow_within_one_call_and_within_one_unit(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let batches = |sequences: &[i32]| -> Vec<Append> {
        let batch = |sequence: &i32| sequenced(7, 0, *sequence, &[&sequence.to_string()], false);
        sequences.iter().map(|sequence| Append { to: at, batch: batch(sequence) }).collect()
    };
    let answers = log.append(batches(&[0, 1, 3, 1, 2]), Acks::Written).await;
    let answers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.ok().map(|a| (a.base_offset.unwrap().get(), a.duplicate)))
        .collect();
    assert_eq!(answers, [Some((0, false)), Some((1, false)), None, Some((1, true)), Some((2, false))]);
    let unit = Unit { appends: batches(&[3, 4, 3]), ..Unit::default() };
    let appended = log.commit(unit, Acks::Written).await.unwrap().appended;
    let answers: Vec<_> =
        appended.iter().map(|answer| (answer.base_offset.unwrap().get(), answer.duplicate)).collect();
    assert_eq!(answers, [(3, false), (4, false), (3, true)]);
    assert_eq!(all(&log, at), ["0 0", "1 1", "2 2", "3 3", "4 4"]);
}

pub async fn a_refused_unit_leaves_the_sequences_as_they_were(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let append = |sequence: i32| Append { to: at, batch: sequenced(7, 0, sequence, &["u"], false) };
    let unit = Unit { appends: vec![append(0), append(1), append(5)], ..Unit::default() };
    let refused = log.commit(unit, Acks::Written).await;
    let Err(CommitError::Append { index: 2, error: AppendError::OutOfOrder { expected: 2, found: 5, .. } }) =
        refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(base(send(&log, at, 7, 0, 0, &["a"]).await), (0, false));
}

pub async fn producers_are_shown_by_id_with_what_they_have_open(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    send(&log, at, 9, 3, 0, &["a", "b"]).await.unwrap();
    append(&log, at, sequenced(7, 0, 0, &["c"], true)).await.unwrap();
    let shown = |limit| {
        let all = log.producers(at, limit).unwrap();
        all.iter()
            .map(|p| (p.producer.0, p.epoch.0, p.last_sequence, p.open_since.map(Offset::get)))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(10), [(7, 0, Some(0), Some(2)), (9, 3, Some(1), None)]);
    assert_eq!(shown(1), [(7, 0, Some(0), Some(2))]);
    let elsewhere = TopicPartition { partition: PartitionIndex(999), ..at };
    assert!(matches!(log.producers(elsewhere, 10), Err(crate::ReadError::UnknownPartition(_))));
}
