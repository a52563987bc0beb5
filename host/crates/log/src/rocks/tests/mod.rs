//! Tests of the whole log on a real disk: the contract, reopening, damage, disk use. What one file alone promises is tested
//! at that file's end.

mod contract;
mod damage;
mod disk;
mod driving;
mod opening;
mod recovery;
mod refusal;
mod sending;

use super::{RocksLog, Settings};
use crate::api::{Acks, Append, Log, NewTopic, ReadRequest, Topic};
use crate::contract::START;
use crate::error::ReadError;
use potok_types::{
    BatchBuilder, Clock, Compression, ManualClock, NewBatch, Offset, RecordBatch, TopicPartition,
};
use std::path::{Path, PathBuf};
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

async fn topic(log: &RocksLog, name: &str, partitions: u32, config: &[(&str, &str)]) -> Arc<Topic> {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    log.create_topic(NewTopic { name: name.parse().unwrap(), partitions, config }).await.unwrap()
}
async fn partition(log: &RocksLog, name: &str) -> TopicPartition {
    topic(log, name, 1, &[]).await.all_partitions().next().unwrap()
}
/// A batch of one record whose value is `text` and then `padding` bytes that do not compress away.
fn batch(text: &str, padding: usize) -> NewBatch {
    let mut value = text.as_bytes().to_vec();
    value.resize(text.len() + padding, b'.');
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(START, Some(text.as_bytes()), Some(&value), std::iter::empty());
    builder.build().unwrap().unwrap()
}
async fn append(log: &RocksLog, to: TopicPartition, batch: NewBatch) -> Offset {
    let appended = log.append(vec![Append { to, batch }], Acks::Written).await.pop().unwrap();
    appended.unwrap().base_offset.unwrap()
}
fn read(log: &RocksLog, at: TopicPartition, from: Offset) -> Result<Vec<RecordBatch>, ReadError> {
    let request = ReadRequest { at, offset: from, bytes_max: 1 << 30, committed_only: false };
    Ok(log.read(request)?.batches)
}
/// Keys of all records there are.
fn keys(log: &RocksLog, at: TopicPartition) -> Vec<String> {
    let mut keys = Vec::new();
    let mut next = log.ends(at).unwrap().log_start;
    loop {
        let batches = read(log, at, next).unwrap();
        let Some(last) = batches.last() else { return keys };
        next = last.header().next_offset();
        for batch in &batches {
            for record in batch.open(1 << 30).unwrap().records() {
                keys.push(String::from_utf8(record.unwrap().key.unwrap_or_default().to_vec()).unwrap());
            }
        }
    }
}
/// Copies a folder as it lies there, as a kill would leave it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
/// Files of the journal, the newest last.
fn journal(folder: &Path) -> Vec<PathBuf> {
    files(&folder.join(super::open::JOURNAL_FOLDER), ".log")
}
/// Files of the database whose name ends so, the newest number last.
fn database(folder: &Path, ending: &str) -> Vec<PathBuf> {
    files(&folder.join(super::open::DB_FOLDER), ending)
}
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(ending));
    files.sort();
    files
}
/// Bytes of all files.
fn disk_use(folder: &Path) -> u64 {
    let all = journal(folder).into_iter().chain(database(folder, ""));
    // a file may go while it is looked at
    all.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
