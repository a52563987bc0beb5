//! What the handle, the writer, the syncer and the maintenance share. Holds no rule of its own: who may change what stands
//! with each part. Invariant: the journal and RocksDB are written by the
//! writer's thread alone.

use super::cache::TailCache;
use super::disk::DiskGuard;
use super::health::Refusal;
use super::journal::Journal;
use super::maintenance::Maintenance;
use super::ops::FamilyIds;
use super::partition::Partition;
use super::queue::Queue;
use super::settings::Settings;
use super::store::Store;
use super::sync::SyncQueue;
use super::topics::Catalog;
use super::writer::{Admin, Command};
use crate::api::{Health, Topic};
use crate::error::{StoreError, UnknownPartition};
use parking_lot::{Mutex, RwLock};
use potok_types::{Clock, LeaderEpoch, TopicPartition};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a rare command counts for in the queue.
const ADMIN_LEN: usize = 1024;

/// The parts.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) ids: FamilyIds,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    /// Changed by the writer alone, behind the write that makes it durable.
    pub(super) catalog: RwLock<Catalog>,
    pub(super) cache: TailCache,
    pub(super) refusal: Refusal,
    pub(super) disk: DiskGuard,
    pub(super) queue: Queue<Command>,
    pub(super) syncs: SyncQueue,
    pub(super) epoch: LeaderEpoch,
    /// Producer ids that this run has taken and not yet given.
    pub(super) producer_ids: Mutex<Range<u64>>,
    /// Held by the pass under way.
    pub(super) maintenance: tokio::sync::Mutex<Maintenance>,
}

impl Shared {
    /// Whether writes are taken: the first failure stays, a full disk lasts as long as it is full.
    pub(super) fn health(&self) -> Health {
        match (self.refusal.health(), self.disk.check_now()) {
            (Health::Good, Err(full)) => Health::DiskFull(full.to_string()),
            (health, _) => health,
        }
    }
    /// A partition that exists.
    pub(super) fn partition(&self, at: TopicPartition) -> Result<Arc<Partition>, UnknownPartition> {
        self.catalog.read().partition(at).cloned().ok_or(UnknownPartition(at))
    }
    /// A partition that exists, with its topic.
    pub(super) fn partition_and_topic(
        &self,
        at: TopicPartition,
    ) -> Result<(Arc<Partition>, Arc<Topic>), UnknownPartition> {
        let catalog = self.catalog.read();
        let partition = catalog.partition(at).cloned().ok_or(UnknownPartition(at))?;
        let topic = catalog.topics().numbered(at.topic).cloned().ok_or(UnknownPartition(at))?;
        Ok((partition, topic))
    }
    /// Writes what is in memory to files, and waits for it, for a bounded time. Whether it is there.
    pub(super) async fn flush(&self) -> Result<bool, StoreError> {
        self.administer::<(), StoreError>(Admin::Flush).await?;
        Ok(self.store.is_flushed())
    }
    /// Asks the writer for something rare.
    pub(super) async fn administer<T, E: From<StoreError>>(
        &self,
        admin: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Admin,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        let held = self.queue.room(ADMIN_LEN).await.map_err(StoreError::from)?;
        let command = Command::Admin(Box::new(admin(reply)));
        self.queue.push(command, held).map_err(StoreError::from)?;
        self.queue.nudge();
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}
