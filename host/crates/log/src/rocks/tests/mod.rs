//! Tests of the whole log on a real disk: the contract, reopening, damage, disk use. What one file alone promises is tested
//! at that file's end.

mod contract;

use super::{RocksLog, Settings};
use crate::contract::START;
use potok_types::{Clock, ManualClock};
use std::path::Path;
use std::sync::Arc;

/// Small numbers, so that a test reaches the limits with little.
fn settings(folder: &Path) -> Settings {
    Settings {
        dir: folder.to_owned(),
        maintenance_interval_ms: 3_600_000,
        reclaim_bytes_min: 0,
        disk_free_bytes_min: 0,
        ..Settings::default()
    }
}
fn open(folder: &Path, clock: &Arc<ManualClock>) -> Arc<RocksLog> {
    open_with(settings(folder), clock)
}
fn open_with(settings: Settings, clock: &Arc<ManualClock>) -> Arc<RocksLog> {
    RocksLog::open(settings, clock.clone() as Arc<dyn Clock>).unwrap()
}
fn clock() -> Arc<ManualClock> {
    ManualClock::at(START)
}
