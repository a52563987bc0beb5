//! Properties of all key layouts, over drawn keys: byte order is the order of what they name, what is encoded is parsed
//! back, prefixes hold exactly their own keys, and no bytes make a parser panic.

use super::*;
use crate::api::{MetaKind, StateStore, TaskKey, TimerClock};
use partitions::Entry;
use potok_types::{LeaderEpoch, ProducerId};
use proptest::prelude::*;

/// Numbers that lie close to each other and to the ends, so that order is tested where bytes carry over.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..3, 254u32..258, 65_534u32..65_538, u32::MAX - 2..=u32::MAX, any::<u32>()]
}
fn at() -> impl Strategy<Value = TopicPartition> {
    (number(), number()).prop_map(|(topic, partition)| place(topic, partition))
}
fn offset() -> impl Strategy<Value = Offset> {
    let raw =
        prop_oneof![0u64..3, 254u64..258, Offset::MAX.get() - 2..=Offset::MAX.get(), 0..=Offset::MAX.get()];
    raw.prop_map(|raw| Offset::new(raw).unwrap())
}
fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![-3i64..3, Just(i64::MIN), Just(i64::MAX), any::<i64>()].prop_map(Timestamp)
}
fn producer() -> impl Strategy<Value = ProducerId> {
    prop_oneof![0i64..3, 254i64..258, 0..=i64::MAX].prop_map(ProducerId)
}
fn store() -> impl Strategy<Value = StateStore> {
    (task(), number()).prop_map(|(task, store)| StateStore { task, store })
}
fn task() -> impl Strategy<Value = TaskKey> {
    (number(), number()).prop_map(|(processor, p)| TaskKey { processor, partition: PartitionIndex(p) })
}
fn clock() -> impl Strategy<Value = TimerClock> {
    prop_oneof![Just(TimerClock::Event), Just(TimerClock::Wall)]
}
fn name() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(254), Just(255), any::<u8>()], 0..5)
}
fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        Just(Entry::Itself),
        Just(Entry::Cleaning),
        (0..=i32::MAX).prop_map(|epoch| Entry::Epoch(LeaderEpoch(epoch))),
        producer().prop_map(Entry::Open),
        (offset(), producer()).prop_map(|(marker, id)| Entry::Aborted(marker, id)),
    ]
}
fn fields(store: StateStore) -> (u32, u32, u32) {
    (store.task.processor, store.task.partition.0, store.store)
}

proptest! {
    #[test]
    fn batches_and_sizes_order_by_partition_then_offset(a in (at(), offset()), b in (at(), offset())) {
        prop_assert_eq!(a.cmp(&b), records::key(a.0, a.1).cmp(&records::key(b.0, b.1)));
        prop_assert_eq!(records::parse(&records::key(a.0, a.1)), Some(a));
        prop_assert_eq!(sizes::parse(&sizes::key(a.0, a.1)), Some(a));
    }
    #[test]
    fn times_order_by_partition_then_time_then_offset(a in (at(), time(), offset()), b in (at(), time(), offset())) {
        prop_assert_eq!(a.cmp(&b), times::key(a.0, a.1, a.2).cmp(&times::key(b.0, b.1, b.2)));
        prop_assert_eq!(times::parse(&times::key(a.0, a.1, a.2)), Some((a.1, a.2)));
    }
    #[test]
    fn producers_order_by_partition_then_id(a in (at(), producer()), b in (at(), producer())) {
        prop_assert_eq!(a.cmp(&b), producers::key(a.0, a.1).cmp(&producers::key(b.0, b.1)));
        prop_assert_eq!(producers::parse(&producers::key(a.0, a.1)), Some(a));
    }
    #[test]
    fn entries_of_partitions_are_parsed_back_and_stay_apart(a in (at(), entry()), b in (at(), entry())) {
        let (left, right) = (partitions::key(a.0, a.1), partitions::key(b.0, b.1));
        prop_assert_eq!(partitions::parse(&left), Some(a));
        prop_assert_eq!(left == right, a == b);
        if a.0 != b.0 {
            prop_assert_eq!(a.0.cmp(&b.0), left.cmp(&right));
        }
    }
    #[test]
    fn groups_stay_apart_whatever_their_names(a in (".{0,4}", at()), b in (".{0,4}", at())) {
        let (left, right) = (offsets::key(&a.0, a.1).unwrap(), offsets::key(&b.0, b.1).unwrap());
        prop_assert_eq!(offsets::parse(&left), Some((a.0.as_str(), a.1)));
        prop_assert_eq!(right.starts_with(&offsets::prefix(&a.0).unwrap()), a.0 == b.0);
        if a.0 == b.0 {
            prop_assert_eq!(a.1.cmp(&b.1), left.cmp(&right));
        }
    }
    #[test]
    fn state_orders_by_store_then_key(a in (store(), name()), b in (store(), name())) {
        let key = |(store, name): &(StateStore, Vec<u8>)| [&state::prefix(*store)[..], name].concat();
        let (left, right) = (key(&a), key(&b));
        prop_assert_eq!((fields(a.0), &a.1).cmp(&(fields(b.0), &b.1)), left.cmp(&right));
        let prefix = state::prefix(b.0);
        prop_assert_eq!(left[..] >= prefix[..] && left < successor(&prefix), a.0 == b.0);
    }
    #[test]
    fn timers_order_by_task_then_clock_then_time_then_name(
        a in (task(), clock(), time(), name()), b in (task(), clock(), time(), name()),
    ) {
        let (left, right) = (timers::by_time(a.0, a.1, a.2, &a.3), timers::by_time(b.0, b.1, b.2, &b.3));
        let order = |t: &(TaskKey, TimerClock, Timestamp, Vec<u8>)| (t.0.processor, t.0.partition, t.1, t.2, t.3.clone());
        prop_assert_eq!(order(&a).cmp(&order(&b)), left.cmp(&right));
        prop_assert_eq!(timers::parse_by_time(&left), Some((a.2, &a.3[..])));
        prop_assert_eq!(timers::parse_time_value(&timers::time_value(a.2)), Some(a.2));
        prop_assert!(timers::by_name(a.0, a.1, &a.3).starts_with(&timers::prefix(a.0, a.1)));
    }
    #[test]
    fn named_things_order_by_kind_then_name(a in ".{0,4}", b in ".{0,4}") {
        let (left, right) = (meta::key(MetaKind::Group, &a), meta::key(MetaKind::Group, &b));
        prop_assert_eq!(a.as_bytes().cmp(b.as_bytes()), left.cmp(&right));
        prop_assert_eq!(meta::parse(&left), Some(a.as_str()));
        prop_assert!(left < meta::key(MetaKind::Transaction, &b));
    }
    #[test]
    fn a_successor_is_the_first_key_behind_a_prefix(prefix in name(), rest in name(), other in name()) {
        let inside = [&prefix[..], &rest].concat();
        prop_assert!(inside < successor(&prefix));
        prop_assert_eq!(other < successor(&prefix) && other >= prefix, other.starts_with(&prefix));
    }
    #[test]
    fn a_topics_range_holds_its_partitions_and_no_others(topic in number(), key in at()) {
        let (start, end) = topic_range(TopicNumber(topic));
        let prefix = partition_prefix(key);
        prop_assert_eq!(prefix[..] >= start[..] && prefix[..] < end[..], key.topic.0 == topic);
    }
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = (records::parse(&bytes), sizes::parse(&bytes), sizes::parse_value(&bytes), times::parse(&bytes));
        let _ = (producers::parse(&bytes), partitions::parse(&bytes), partitions::parse_offset_value(&bytes));
        let _ = (offsets::parse(&bytes), timers::parse_by_time(&bytes), timers::parse_time_value(&bytes));
        let _ = (meta::parse(&bytes), partition_of(&bytes));
    }
}
