//! The passes that keep the log within its limits: compaction, retention, forgetting silent producers, giving disk back.
//! In comes time, out go the passes, one at a time. Invariant: a partition that cannot be maintained (damage) is named and
//! does not keep the others from it.

use super::keys::{producers as keys, successor};
use super::partition::Partition;
use super::producers::is_silent;
use super::shared::Shared;
use super::store::{Family, corrupt_entry};
use super::writer::Admin;
use super::{compaction, reclaim, retention};
use crate::api::Topic;
use crate::error::StoreError;
use crate::producers::ProducerState;
use parking_lot::{Condvar, Mutex};
use potok_types::{ProducerId, Timestamp, TopicPartition};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Producers are looked through so many times within the time after which they are forgotten.
const PRODUCER_LOOKS: u64 = 10;
/// Producers forgotten in one command.
const FORGET_MAX: usize = 1000;

/// What goes from pass to pass.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    producers_looked_at: Option<Timestamp>,
    /// Segments of the journal that hold something damaged, and are not tried again before the next start.
    stuck: BTreeSet<u32>,
}

/// Ends the thread.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }
    /// Waits for `interval`; whether to end.
    fn wait(&self, interval: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, interval);
        }
        *stopped
    }
}

/// The thread's whole life.
pub(super) fn run(shared: &Shared, stop: &Stop, runtime: &Runtime) {
    let interval = Duration::from_millis(shared.settings.maintenance_interval_ms.max(1));
    while !stop.wait(interval) {
        // errors are logged where they arise; the next pass tries again
        let _ = runtime.block_on(pass(shared));
    }
}

/// One pass over everything. Answers the first error, after all that could be done was done.
pub(super) async fn pass(shared: &Shared) -> Result<(), StoreError> {
    let mut maintenance = shared.maintenance.lock().await;
    let mut first_error = Ok(());
    for (topic, partition) in partitions(shared) {
        if let Err(error) = maintain(shared, &topic, &partition).await
            && !matches!(error, StoreError::Closed)
        {
            tracing::warn!(topic = %topic.name, partition = %partition.at.partition, %error, "maintenance failed");
            first_error = first_error.and(Err(error));
        }
    }
    first_error = first_error.and(maintenance.forget_producers(shared).await);
    first_error.and(reclaim::reclaim(shared, &mut maintenance).await)
}

fn partitions(shared: &Shared) -> Vec<(Arc<Topic>, Arc<Partition>)> {
    let catalog = shared.catalog.read();
    let with_topic = |partition: &Arc<Partition>| {
        let topic = catalog.topics().numbered(partition.at.topic)?;
        Some((topic.clone(), partition.clone()))
    };
    catalog.all_partitions().filter_map(with_topic).collect()
}

async fn maintain(shared: &Shared, topic: &Topic, partition: &Arc<Partition>) -> Result<(), StoreError> {
    let policy = topic.config.cleanup_policy();
    if policy.compact {
        compaction::compact(shared, partition, &topic.config).await?;
    }
    if policy.delete {
        retention::retain(shared, partition, &topic.config).await?;
    }
    Ok(())
}

impl Maintenance {
    /// Whether a segment could not be emptied.
    pub(super) fn is_stuck(&self, segment: u32) -> bool {
        self.stuck.contains(&segment)
    }
    /// A segment could not be emptied.
    pub(super) fn stick(&mut self, segment: u32) {
        self.stuck.insert(segment);
    }
    async fn forget_producers(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let expiry = shared.settings.producer_expiry_ms;
        let now = shared.clock.now();
        let pause = Duration::from_millis(expiry / PRODUCER_LOOKS);
        if self.producers_looked_at.is_some_and(|before| now < before.plus(pause)) {
            return Ok(());
        }
        self.producers_looked_at = Some(now);
        let silence = Duration::from_millis(expiry);
        for some in silent(shared, now.minus(silence))?.chunks(FORGET_MAX) {
            let some = some.to_vec();
            let gone: usize = shared.administer(|reply| Admin::ForgetProducers(some, silence, reply)).await?;
            tracing::debug!(gone, "silent producers forgotten");
        }
        Ok(())
    }
}

fn silent(shared: &Shared, limit: Timestamp) -> Result<Vec<(TopicPartition, ProducerId)>, StoreError> {
    let mut found = Vec::new();
    shared.store.scan(Family::Producers, (&[], &successor(&[u8::MAX])), |key, value| {
        let wrong = || corrupt_entry(Family::Producers, "a producer");
        let key = keys::parse(key).ok_or_else(wrong)?;
        if is_silent(&ProducerState::decode(value).ok_or_else(wrong)?, limit) {
            found.push(key);
        }
        Ok(true)
    })?;
    Ok(found)
}
