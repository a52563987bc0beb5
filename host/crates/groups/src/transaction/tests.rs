//! A transactional id as its producers see it.
#![cfg(test)]

use super::*;
use potok_types::{PartitionIndex, TopicNumber};

const TIMEOUT: Duration = Duration::from_secs(60);
const AT: TopicPartition = TopicPartition { topic: TopicNumber(7), partition: PartitionIndex(3) };

fn begun() -> (Transaction, Identity) {
    let mut t = Transaction::new(ProducerId(9), TIMEOUT, Timestamp(0));
    let Ok(Initialised::Done(who)) = t.init(Timestamp(0), TIMEOUT, None, None) else {
        panic!("a fresh id is given")
    };
    (t, who)
}
fn offset() -> PendingOffset {
    PendingOffset { offset: Offset::new(5).unwrap(), leader_epoch: None, metadata: "m".into() }
}

#[test]
fn what_was_added_is_what_ends() {
    let (mut t, who) = begun();
    assert_eq!(t.may_write(who, AT), Err(TransactionError::UnknownPartition));
    assert_eq!(t.add_partitions(Timestamp(1), who, [AT]), Ok(true));
    assert_eq!(t.may_write(who, AT), Ok(()));
    t.add_group(Timestamp(2), who, "g").unwrap();
    t.add_offset(Timestamp(2), who, "g", AT, offset(), false).unwrap();
    assert_eq!(t.pending_offsets().collect::<Vec<_>>(), [("g", AT)]);
    let ending = t.end(who, true, false, None).unwrap().unwrap();
    assert_eq!((ending.partitions.as_slice(), ending.offsets.len(), ending.epoch), (&[AT][..], 1, who.epoch));
    t.ended(Timestamp(3), &ending);
    assert_eq!(
        (t.state_name(), t.end(who, true, false, None)),
        ("CompleteCommit", Ok(None)),
        "a retry is no error"
    );
    assert_eq!(t.end(who, false, false, None), Err(TransactionError::InvalidState));
    assert_eq!(t.pending_offsets().count(), 0);
}

#[test]
fn a_second_producer_aborts_the_firsts_transaction_and_fences_it() {
    let (mut t, first) = begun();
    t.add_partitions(Timestamp(1), first, [AT]).unwrap();
    let Ok(Initialised::AbortFirst(ending)) = t.init(Timestamp(2), TIMEOUT, None, None) else { panic!() };
    assert!(!ending.commit && ending.epoch.0 == first.epoch.0 + 1 && ending.offsets.is_empty());
    t.ended(Timestamp(2), &ending);
    let Ok(Initialised::Done(second)) = t.init(Timestamp(2), TIMEOUT, None, None) else { panic!() };
    assert!(second.epoch > first.epoch);
    assert_eq!(t.add_partitions(Timestamp(3), first, [AT]), Err(TransactionError::Fenced));
    assert_eq!(t.end(first, true, false, None), Err(TransactionError::Fenced));
}

#[test]
fn a_producer_that_begins_anew_has_ended_nothing() {
    for commit in [true, false] {
        let (mut t, who) = begun();
        assert_eq!(t.state_name(), "Empty");
        t.add_partitions(Timestamp(1), who, [AT]).unwrap();
        let ending = t.end(who, commit, false, None).unwrap().unwrap();
        t.ended(Timestamp(2), &ending);
        assert_eq!(t.state_name(), if commit { "CompleteCommit" } else { "CompleteAbort" });
        let Ok(Initialised::Done(next)) = t.init(Timestamp(3), TIMEOUT, Some(who), None) else { panic!() };
        assert_eq!(t.state_name(), "Empty");
        assert_eq!(t.end(next, commit, false, None), Err(TransactionError::InvalidState));
    }
}

#[test]
fn time_is_up_once_and_the_producer_is_fenced() {
    let (mut t, who) = begun();
    t.add_partitions(Timestamp(1), who, [AT]).unwrap();
    assert_eq!(t.expired(Timestamp(60_000)), None);
    let ending = t.expired(Timestamp(60_001)).unwrap();
    t.ended(Timestamp(60_001), &ending);
    assert_eq!(t.expired(Timestamp(999_999)), None);
    assert_eq!(t.end(who, true, false, None), Err(TransactionError::Fenced));
}

#[test]
fn under_kip_890_each_end_moves_the_epoch_on_and_its_retry_is_known() {
    let (mut t, who) = begun();
    t.add_partitions(Timestamp(1), who, [AT]).unwrap();
    let ending = t.end(who, true, true, None).unwrap().unwrap();
    t.ended(Timestamp(2), &ending);
    assert_eq!(t.identity().epoch.0, who.epoch.0 + 1);
    assert_eq!(t.end(who, true, true, None), Ok(None));
    assert_eq!(t.end(who, false, true, None), Err(TransactionError::Fenced));
}

#[test]
fn a_retried_init_is_answered_as_before_and_used_up_epochs_take_a_new_id() {
    let (mut t, first) = begun();
    let Ok(Initialised::Done(second)) = t.init(Timestamp(1), TIMEOUT, Some(first), None) else { panic!() };
    assert_eq!(t.init(Timestamp(1), TIMEOUT, Some(first), None), Ok(Initialised::Done(second)));
    t.epoch = ProducerEpoch(EPOCH_MAX);
    assert_eq!(t.init(Timestamp(2), TIMEOUT, None, None), Ok(Initialised::NeedsProducerId));
    let fresh = t.init(Timestamp(2), TIMEOUT, None, Some(ProducerId(10)));
    assert_eq!(fresh, Ok(Initialised::Done(Identity { producer: ProducerId(10), epoch: ProducerEpoch(0) })));
    let stranger = Identity { producer: ProducerId(99), epoch: ProducerEpoch(0) };
    assert_eq!(t.check(stranger), Err(TransactionError::InvalidMapping));
}

#[test]
fn under_kip_890_used_up_epochs_go_on_under_a_fresh_id() {
    let (mut t, who) = begun();
    t.epoch = ProducerEpoch(EPOCH_MAX);
    let who = Identity { epoch: ProducerEpoch(EPOCH_MAX), ..who };
    t.add_partitions(Timestamp(1), who, [AT]).unwrap();
    assert!(t.needs_producer_id());
    let ending = t.end(who, true, true, Some(ProducerId(77))).unwrap().unwrap();
    assert_eq!((ending.producer, ending.epoch), (who.producer, ProducerEpoch(i16::MAX)));
    t.ended(Timestamp(2), &ending);
    assert_eq!(t.identity(), Identity { producer: ProducerId(77), epoch: ProducerEpoch(0) });
    assert_eq!(t.end(who, true, true, None), Ok(None), "a retry is known across ids");
}
