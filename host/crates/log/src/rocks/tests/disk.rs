//! What is removed is given back: disk use really falls, whoever removed it and whatever lies beside it.

use super::{append, batch, clock, disk_use, keys, open_with, settings, topic};
use crate::api::{Acks, Append, Log};
use crate::rocks::{RocksLog, Settings};
use potok_types::{ManualClock, Offset, TopicPartition};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// So many batches of 64 KiB are 16 MiB.
const BATCHES: usize = 256;

fn open(folder: &Path, clock: &Arc<ManualClock>) -> Arc<RocksLog> {
    let small = Settings {
        memtable_bytes: 4 << 20,
        cache_bytes_max: 0,
        replay_bytes_max: 4 << 20,
        ..settings(folder)
    };
    open_with(small, clock)
}
/// Waits until disk use is below `limit`: RocksDB takes files away a moment after the pass that made them superfluous.
async fn falls_below(folder: &Path, limit: u64) {
    let fallen = async {
        while disk_use(folder) >= limit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), fallen).await;
    assert!(in_time.is_ok(), "{} bytes are kept, {limit} were to be left", disk_use(folder));
}
async fn first(log: &RocksLog, name: &str, config: &[(&str, &str)]) -> TopicPartition {
    topic(log, name, 1, config).await.all_partitions().next().unwrap()
}
/// Fills partitions side by side, 16 MiB each.
async fn fill(log: &RocksLog, partitions: &[TopicPartition]) {
    for i in 0..BATCHES {
        for at in partitions {
            append(log, *at, batch(&format!("{i:03}"), 64 << 10)).await;
        }
    }
}

#[tokio::test]
async fn retention_by_age_gives_the_disk_back() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = open(folder.path(), &clock);
    let at = first(&log, "aging", &[("retention.ms", "1000")]).await;
    fill(&log, &[at]).await;
    assert!(disk_use(folder.path()) > 16 * MIB);
    clock.advance(Duration::from_secs(2));
    log.run_maintenance().await.unwrap();
    assert_eq!(log.size(at).unwrap(), 0);
    falls_below(folder.path(), 2 * MIB).await;
}
#[tokio::test]
async fn retention_by_size_gives_back_what_is_over_it() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = open(folder.path(), &clock);
    let limit = 4 * MIB;
    let at = first(&log, "sized", &[("retention.bytes", &limit.to_string()), ("retention.ms", "-1")]).await;
    fill(&log, &[at]).await;
    log.run_maintenance().await.unwrap();
    let left = log.size(at).unwrap();
    assert!(left <= limit && left > limit - 2 * (64 << 10), "{left}: no more is taken than must be");
    let stored: u64 = keys(&log, at).len() as u64 * (64 << 10);
    assert!(stored <= limit, "{stored}");
    falls_below(folder.path(), limit + 2 * MIB).await;
    assert_eq!(keys(&log, at).last().unwrap(), "255");
}
#[tokio::test]
async fn a_deleted_topic_gives_the_disk_back_though_others_lie_beside_it() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = open(folder.path(), &clock);
    let (gone, kept) = (first(&log, "gone", &[]).await, first(&log, "kept", &[]).await);
    fill(&log, &[gone, kept]).await;
    assert!(disk_use(folder.path()) > 32 * MIB);
    log.delete_topic(&"gone".parse().unwrap()).await.unwrap();
    log.run_maintenance().await.unwrap();
    falls_below(folder.path(), 20 * MIB).await;
    assert!(disk_use(folder.path()) > 16 * MIB);
    assert_eq!(keys(&log, kept).len(), BATCHES);
    drop(log);
    let log = open(folder.path(), &clock);
    assert_eq!(keys(&log, kept).len(), BATCHES);
}
#[tokio::test]
async fn deleted_records_give_the_disk_back() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = open(folder.path(), &clock);
    let at = first(&log, "cut", &[]).await;
    fill(&log, &[at]).await;
    let size = log.size(at).unwrap();
    let start = log.delete_records(at, potok_types::Offset::new(200)).await.unwrap();
    assert_eq!(start.get(), 200);
    assert_eq!(log.size(at).unwrap(), size / 256 * 56, "sizes are exact across stretches");
    log.run_maintenance().await.unwrap();
    falls_below(folder.path(), 6 * MIB).await;
    drop(log);
    let log = open(folder.path(), &clock);
    assert_eq!(log.size(at).unwrap(), size / 256 * 56);
    log.delete_records(at, None).await.unwrap();
    assert_eq!(log.size(at).unwrap(), 0);
}
#[tokio::test]
async fn compaction_gives_the_disk_back_and_keeps_sizes_exact() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = open(folder.path(), &clock);
    let at = first(&log, "compacted", &[("cleanup.policy", "compact")]).await;
    for _ in 0..4 {
        for i in 0..64 {
            append(&log, at, batch(&format!("{i:03}"), 64 << 10)).await;
        }
    }
    let one = log.size(at).unwrap() / 256;
    log.run_maintenance().await.unwrap();
    assert_eq!(keys(&log, at).len(), 64);
    assert_eq!(log.size(at).unwrap(), 64 * one);
    falls_below(folder.path(), 6 * MIB).await;
    // less than half is new: nothing is due
    append(&log, at, batch("000", 64 << 10)).await;
    log.run_maintenance().await.unwrap();
    assert_eq!(keys(&log, at).len(), 65);
}
#[tokio::test]
async fn more_batches_than_one_step_takes_are_deleted_whole() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let log = open(folder.path(), &clock);
    let at = first(&log, "many", &[]).await;
    for _ in 0..25 {
        let some = (0..1_000).map(|_| Append { to: at, batch: batch("x", 600) }).collect();
        assert!(log.append(some, Acks::Written).await.iter().all(Result::is_ok));
    }
    let each = log.size(at).unwrap() / 25_000;
    let before = Offset::new(24_990);
    assert_eq!(log.delete_records(at, before).await.unwrap().get(), 24_990);
    assert_eq!((keys(&log, at).len(), log.size(at).unwrap()), (10, 10 * each));
    assert_eq!(log.delete_records(at, None).await.unwrap().get(), 25_000);
    assert_eq!(log.size(at).unwrap(), 0);
}
