//! A flipped byte on disk is found, named by topic, partition and offset, and never handed out; the rest is still read.

use super::{append, batch, clock, database, journal, keys, open, open_with, partition, read, settings};
use crate::api::Log;
use crate::error::{ReadError, StoreError};
use crate::rocks::Settings;
use potok_types::Offset;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

fn offset(raw: u64) -> Offset {
    Offset::new(raw).unwrap()
}
/// Turns over a bit of the byte at `needle` in the one file that has it.
fn flip(files: &[PathBuf], needle: &[u8]) {
    for file in files {
        let mut bytes = fs::read(file).unwrap();
        if let Some(found) = bytes.windows(needle.len()).position(|window| window == needle) {
            bytes[found] ^= 1;
            fs::write(file, bytes).unwrap();
            return;
        }
    }
    panic!("no file has {:?}", String::from_utf8_lossy(needle));
}

#[tokio::test]
async fn a_flipped_byte_in_a_batch_is_named_and_what_lies_around_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let at = partition(&log, "flights").await;
    for i in 0..10 {
        append(&log, at, batch(&format!("record-{i}"), 2000)).await;
    }
    log.close().await.unwrap();
    drop(log);
    flip(&journal(folder.path()), b"record-6.");
    let log = open(folder.path(), &clock());
    let before = read(&log, at, offset(0)).unwrap();
    assert_eq!(before.last().unwrap().header().next_offset(), offset(6), "what lies before it is read");
    for from in [6, 5] {
        let result = read(&log, at, offset(from)).map(|batches| batches.len());
        match (from, result) {
            (6, Err(ReadError::Store(error @ StoreError::Corrupt { .. }))) => {
                let text = error.to_string();
                assert!(text.contains("topic flights, partition 0, offset 6"), "{text}");
            }
            (5, Ok(1)) => {}
            (from, other) => panic!("{from}: {other:?}"),
        }
    }
    assert_eq!(read(&log, at, offset(7)).unwrap().len(), 3, "what lies behind it is read");
    assert_eq!(append(&log, at, batch("next", 0)).await, offset(10));
}
#[tokio::test]
async fn a_flipped_byte_beside_the_keys_is_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let at = partition(&log, "small").await;
    for i in 0..10 {
        // so small that it lies beside its key
        append(&log, at, batch(&format!("record-{i}"), 50)).await;
    }
    log.close().await.unwrap();
    drop(log);
    flip(&database(folder.path(), ".sst"), b"record-6.");
    let log = open(folder.path(), &clock());
    let error = read(&log, at, offset(6)).unwrap_err().to_string();
    assert!(error.contains("topic small, partition 0, offset 6"), "{error}");
    assert_eq!(read(&log, at, offset(0)).unwrap().len(), 6);
}
#[tokio::test]
async fn maintenance_names_damage_and_leaves_the_rest_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let config = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")];
    let at = super::topic(&log, "compacted", 1, &config).await.all_partitions().next().unwrap();
    let sound = super::topic(&log, "sound", 1, &config).await.all_partitions().next().unwrap();
    for i in 0..4 {
        append(&log, at, batch(&format!("record-{i}"), 2000)).await;
        append(&log, sound, batch("same", 2000)).await;
    }
    log.close().await.unwrap();
    drop(log);
    flip(&journal(folder.path()), b"record-2.");
    let log = open_with(Settings { cache_bytes_max: 0, ..settings(folder.path()) }, &clock());
    let error = log.run_maintenance().await.unwrap_err().to_string();
    assert!(error.contains("topic compacted, partition 0, offset 2"), "{error}");
    assert_eq!(keys(&log, sound), ["same"]);
    assert_eq!(read(&log, at, offset(0)).unwrap().len(), 2);
    assert_eq!(read(&log, at, offset(3)).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_make_what_reads_the_store_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        use crate::rocks::{cleaning::Cleaning, keys, offsets, partition::Tail, topics};
        let _ = (Tail::decode(&bytes), Cleaning::decode(&bytes), topics::decode(&bytes), offsets::decode_value(&bytes));
        let _ = (keys::records::Stored::decode(&bytes).map(|stored| stored.last_offset(Offset::MAX)), keys::meta::parse_going(&bytes));
        let _ = (keys::records::parse(&bytes), keys::times::parse(&bytes), keys::sizes::parse(&bytes));
        let _ = (keys::partitions::parse(&bytes), keys::producers::parse(&bytes), keys::offsets::parse(&bytes));
        let _ = (keys::timers::parse_by_time(&bytes), keys::timers::parse_time_value(&bytes), keys::meta::parse(&bytes));
    }
}
