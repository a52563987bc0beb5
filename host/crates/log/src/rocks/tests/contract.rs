//! The contract suite on RocksDB: every promise on a folder of its own, reopened where the promise says so.

use super::{clock, open};
use crate::api::Log;
use crate::contract::Harness;
use crate::rocks::RocksLog;
use async_trait::async_trait;
use parking_lot::Mutex;
use potok_types::ManualClock;
use std::sync::Arc;
use tempfile::TempDir;

struct InFolder {
    folder: TempDir,
    clock: Arc<ManualClock>,
    log: Mutex<Option<Arc<RocksLog>>>,
}

impl InFolder {
    fn new() -> InFolder {
        InFolder { folder: tempfile::tempdir().unwrap(), clock: clock(), log: Mutex::default() }
    }
    fn start(&self) -> Arc<dyn Log> {
        let log = open(self.folder.path(), &self.clock);
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

crate::log_contract!(InFolder::new());
