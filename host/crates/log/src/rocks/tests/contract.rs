//! The contract suite on RocksDB: every promise on a folder of its own, reopened where the promise says so; once as it is,
//! and once with nothing cached and files of a few KiB, so that every read and every pass meets the disk.

use super::{clock, open_with, settings};
use crate::api::Log;
use crate::contract::Harness;
use crate::rocks::{RocksLog, Settings};
use async_trait::async_trait;
use parking_lot::Mutex;
use potok_types::ManualClock;
use std::sync::Arc;
use tempfile::TempDir;

struct InFolder {
    folder: TempDir,
    clock: Arc<ManualClock>,
    log: Mutex<Option<Arc<RocksLog>>>,
    tune: fn(Settings) -> Settings,
}

impl InFolder {
    fn new(tune: fn(Settings) -> Settings) -> InFolder {
        InFolder { folder: tempfile::tempdir().unwrap(), clock: clock(), log: Mutex::default(), tune }
    }
    fn start(&self) -> Arc<dyn Log> {
        let log = open_with((self.tune)(settings(self.folder.path())), &self.clock);
        *self.log.lock() = Some(log.clone());
        log
    }
}

#[async_trait]
impl Harness for InFolder {
    async fn open(&self) -> Arc<dyn Log> {
        self.start()
    }
    async fn reopen(&self, log: Arc<dyn Log>) -> Option<Arc<dyn Log>> {
        log.close().await.unwrap();
        drop(log);
        self.log.lock().take();
        Some(self.start())
    }
    async fn maintain(&self) {
        let log = self.log.lock().clone();
        log.unwrap().run_maintenance().await.unwrap();
    }
    fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }
}

mod as_it_is {
    use super::*;

    crate::log_contract!(InFolder::new(|settings| settings));
}

mod from_disk {
    use super::*;

    /// Some dozens of writes.
    const MEMTABLE_LEN: usize = 8 << 10;
    /// Some batches.
    const SEGMENT_LEN: u64 = 16 << 10;

    crate::log_contract!(InFolder::new(|settings| Settings {
        cache_bytes_max: 0,
        memtable_bytes: MEMTABLE_LEN,
        segment_bytes: SEGMENT_LEN,
        group_bytes_max: 1,
        ..settings
    }));
}
