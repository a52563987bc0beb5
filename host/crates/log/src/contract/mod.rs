//! The contract of [`Log`]: one function a promise of the trait, run on every implementation through a [`Harness`].
//! A promise takes an empty log and panics where the log breaks it. [`log_contract!`](crate::log_contract) makes a test
//! of each, so that an implementation cannot leave one out.
#![allow(clippy::unwrap_used, reason = "whoever runs the suite wants to see where it failed")]
#![allow(missing_docs, reason = "the names are the sentences")]

mod cleanup;
mod keyed;
mod lockstep;
mod numbers;
mod producers;
mod records;
mod reopen;
mod search;
mod topics;
mod transactions;
mod units;

pub use cleanup::*;
pub use keyed::*;
pub use lockstep::*;
pub use numbers::*;
pub use producers::*;
pub use records::*;
pub use reopen::*;
pub use search::*;
pub use topics::*;
pub use transactions::*;
pub use units::*;

use crate::api::{
    Acks, Append, Appended, Log, NewTopic, ReadRequest, StateChange, StateStore, TaskKey, Topic, TopicChange,
    Unit,
};
use crate::error::AppendError;
use async_trait::async_trait;
use bytes::Bytes;
use potok_types::{
    BatchBuilder, Column, Compression, ManualClock, NewBatch, Offset, PartitionIndex, ProducerEpoch,
    ProducerId, Timestamp, TopicPartition,
};
use std::sync::Arc;
use std::time::Duration;

/// How the suite gets at an implementation. One harness is one place where a log lies; each test has its own.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The log of this place, for the first time: it is empty.
    async fn open(&self) -> Arc<dyn Log>;
    /// Closes the log and opens what lies there again; none when nothing outlives a log of this kind.
    async fn reopen(&self, log: Arc<dyn Log>) -> Option<Arc<dyn Log>>;
    /// Runs retention and compaction to their end, as time would.
    async fn maintain(&self);
    /// The clock that the log was given.
    fn clock(&self) -> Arc<ManualClock>;
}

/// Where every harness's clock starts: 2013-01-01 UTC.
pub const START: Timestamp = Timestamp(1_356_998_400_000);
/// What a read is allowed where size is not what is tested.
const PLENTY: usize = 64 << 20;
/// How long a promise may wait for what must come at once; reached only by a log that breaks it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A topic with these configs.
async fn topic(log: &Arc<dyn Log>, name: &str, partitions: u32, config: &[(&str, &str)]) -> Arc<Topic> {
    let config = config.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    log.create_topic(NewTopic { name: name.parse().unwrap(), partitions, config }).await.unwrap()
}
/// The one partition of a new topic.
async fn partition(log: &Arc<dyn Log>) -> TopicPartition {
    at(&*topic(log, "events", 1, &[]).await, 0)
}
fn at(topic: &Topic, index: u32) -> TopicPartition {
    topic.partition(PartitionIndex(index)).unwrap()
}
fn offset(raw: u64) -> Offset {
    Offset::new(raw).unwrap()
}
fn change(name: &str, value: Option<&str>) -> TopicChange {
    TopicChange { partitions: None, config: vec![(name.to_owned(), value.map(str::to_owned))] }
}

/// A batch of values without keys, a millisecond apart from [`START`] on.
fn batch(values: &[&str]) -> NewBatch {
    let records: Vec<_> = (0..).zip(values).map(|(i, value)| (START.0 + i, None, Some(*value))).collect();
    batch_of(BatchBuilder::new(Compression::None), &records)
}
/// A batch of (timestamp, key, value).
fn batch_of(mut builder: BatchBuilder, records: &[(i64, Option<&str>, Option<&str>)]) -> NewBatch {
    for (timestamp, key, value) in records {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        builder.push(Timestamp(*timestamp), key, value, std::iter::empty());
    }
    builder.build().unwrap().unwrap()
}
fn plain(records: &[(i64, Option<&str>, Option<&str>)]) -> NewBatch {
    batch_of(BatchBuilder::new(Compression::None), records)
}
fn keyed(key: &str, value: Option<&str>, timestamp: Timestamp) -> NewBatch {
    plain(&[(timestamp.0, Some(key), value)])
}
/// A batch of an idempotent producer (of a transaction, when `transactional`).
fn sequenced(producer: i64, epoch: i16, sequence: i32, values: &[&str], transactional: bool) -> NewBatch {
    let builder = BatchBuilder::new(Compression::None);
    let builder = builder.producer(ProducerId(producer), ProducerEpoch(epoch), sequence, transactional);
    let records: Vec<_> = (0..).zip(values).map(|(i, value)| (START.0 + i, None, Some(*value))).collect();
    batch_of(builder, &records)
}

async fn append(log: &Arc<dyn Log>, to: TopicPartition, batch: NewBatch) -> Result<Appended, AppendError> {
    log.append(vec![Append { to, batch }], Acks::Written).await.pop().unwrap()
}
/// Appends and gives the base offset.
async fn add(log: &Arc<dyn Log>, to: TopicPartition, batch: NewBatch) -> u64 {
    append(log, to, batch).await.unwrap().base_offset.unwrap().get()
}

/// What a reader sees from `from` on, records below it included when they share its batch: "offset value", "-" for none.
fn seen(log: &Arc<dyn Log>, at: TopicPartition, from: u64, committed_only: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next = offset(from);
    loop {
        let request = ReadRequest { at, offset: next, bytes_max: PLENTY, committed_only };
        let batches = log.read(request).unwrap().batches;
        let Some(last) = batches.last() else { return lines };
        next = last.header().next_offset();
        for batch in batches.iter().filter(|batch| !batch.header().control) {
            for record in batch.open(PLENTY).unwrap().records() {
                let record = record.unwrap();
                let value = record.value.map_or("-".into(), String::from_utf8_lossy);
                lines.push(format!("{} {value}", record.offset));
            }
        }
    }
}
/// Everything that there is to be read.
fn all(log: &Arc<dyn Log>, at: TopicPartition) -> Vec<String> {
    seen(log, at, log.ends(at).unwrap().log_start.get(), false)
}

fn task(processor: u32, partition: u32) -> TaskKey {
    TaskKey { processor, partition: PartitionIndex(partition) }
}
fn store(processor: u32, partition: u32, store: u32) -> StateStore {
    StateStore { task: task(processor, partition), store }
}
fn column(items: &[Option<&str>]) -> Column {
    items.iter().map(|item| item.map(str::as_bytes)).collect()
}
fn puts(store: StateStore, entries: &[(&str, Option<&str>)]) -> StateChange {
    let keys: Vec<_> = entries.iter().map(|(key, _)| Some(*key)).collect();
    let values: Vec<_> = entries.iter().map(|(_, value)| *value).collect();
    StateChange { store, keys: column(&keys), values: column(&values) }
}
fn gets(log: &Arc<dyn Log>, store: StateStore, keys: &[&str]) -> Vec<Option<String>> {
    let keys: Vec<_> = keys.iter().map(|key| Some(*key)).collect();
    let values = log.state_get(store, &column(&keys)).unwrap();
    values.iter().map(|value| value.map(|value| String::from_utf8_lossy(value).into_owned())).collect()
}
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}
fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
/// Commits a unit that must succeed.
async fn commit(log: &Arc<dyn Log>, unit: Unit) {
    log.commit(unit, Acks::Written).await.unwrap();
}

/// Makes a `tokio` test of every promise, each on a harness of its own that `$harness` makes.
#[macro_export]
macro_rules! log_contract {
    ($harness:expr) => {
        $crate::log_contract! { @of $harness;
            a_created_topic_is_found_by_name_and_by_number
            topics_are_listed_by_name
            a_name_that_is_taken_is_refused
            names_that_differ_only_in_dot_and_underscore_collide
            a_topic_has_one_to_ten_thousand_partitions
            a_config_that_is_unknown_or_illegal_is_refused_in_a_sentence
            a_topic_only_grows_and_a_refused_change_changes_nothing
            configs_are_set_and_unset
            a_deleted_topic_is_gone_and_its_watches_close
            a_topic_number_is_never_used_again
            offsets_rise_without_a_gap_in_each_partition
            answers_come_in_the_order_asked_each_on_its_own
            each_kind_of_acks_is_answered_and_lands
            appends_by_many_callers_keep_the_order_of_each
            batches_are_kept_as_the_bytes_they_came_as
            a_read_inside_a_batch_returns_the_whole_batch
            a_read_returns_one_batch_at_least_and_then_as_many_as_fit
            what_is_located_is_what_is_read
            a_read_at_the_end_is_empty_and_outside_is_refused
            a_watch_wakes_at_every_change
            a_batch_over_the_topics_limit_is_refused
            a_record_without_a_key_is_refused_where_the_topic_is_compacted
            append_time_is_stamped_where_the_topic_says_so
            the_size_is_that_of_the_batches
            an_offset_is_found_by_timestamp_exactly
            an_offset_by_timestamp_agrees_with_a_model
            the_largest_timestamp_is_found_at_its_first_record
            deleted_records_are_gone_up_to_their_offset
            a_unit_is_seen_as_a_whole
            a_unit_with_one_bad_append_leaves_nothing
            a_unit_with_an_offset_for_no_partition_leaves_nothing
            an_empty_unit_commits
            a_units_appends_keep_their_order
            state_is_put_replaced_and_deleted
            state_is_cleared_before_it_is_changed
            stores_do_not_see_each_other
            a_missing_key_and_an_empty_value_differ
            a_scan_goes_both_ways_in_byte_order
            a_scan_pages_and_says_whether_more_lie_beyond
            a_scan_agrees_with_a_model
            timers_come_in_order_of_time_then_key
            a_timer_is_moved_cancelled_and_cleared
            timers_of_other_clocks_and_tasks_stay
            offsets_are_committed_replaced_and_removed
            groups_whose_names_begin_alike_stay_apart
            offsets_go_with_their_topic
            named_things_are_kept_by_kind_and_name
            a_number_is_never_given_twice
            a_closed_log_refuses_writes_and_serves_reads
            an_epoch_ends_where_the_partition_ends
            a_batch_sent_again_is_answered_with_its_first_offset
            only_the_last_five_batches_are_remembered
            a_gap_in_the_sequence_is_refused
            producers_are_shown_by_id_with_what_they_have_open
            an_older_epoch_is_fenced_and_a_newer_begins_anew
            a_producer_that_is_unknown_or_was_forgotten_goes_on_at_any_sequence
            a_producer_is_known_to_each_partition_on_its_own
            sequences_follow_within_one_call_and_within_one_unit
            a_refused_unit_leaves_the_sequences_as_they_were
            an_open_transaction_holds_the_last_stable_offset
            a_committed_reader_stops_at_the_last_stable_offset
            aborted_transactions_are_listed_by_their_first_offset
            a_marker_without_a_transaction_changes_nothing_but_the_end
            a_marker_of_an_older_epoch_is_fenced
            what_is_no_marker_is_refused
            records_past_their_age_are_removed_by_whole_batches
            a_partition_over_its_size_gives_up_its_oldest_batches
            nothing_is_removed_for_ever_kept_topics
            compaction_keeps_the_newest_of_each_key_with_its_offset
            compaction_drops_tombstones_after_their_time
            compaction_waits_for_the_lag
            compaction_ignores_what_was_aborted
            records_and_ends_outlive_the_log
            topics_outlive_the_log_and_deleted_ones_do_not
            what_units_keep_outlives_the_log
            producers_and_transactions_outlive_the_log
            the_leader_epoch_rises_with_each_start
            what_was_deleted_or_compacted_stays_so
            numbers_are_not_given_again_after_a_start
            whatever_is_asked_it_answers_as_the_log_in_memory
        }
    };
    (@of $harness:expr; $($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let harness = $harness;
                $crate::contract::$promise(&harness).await;
            }
        )*
    };
}
