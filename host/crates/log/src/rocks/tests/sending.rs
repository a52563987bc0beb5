//! What is sent from files: the bytes that a read finds, from where they lie, and only where nothing is to be looked at.

use super::{append, batch, clock, journal, open_with, partition, settings};
use crate::api::{Acks, Append, Log, ReadRequest};
use crate::piece::{Located, Piece, WrittenFile};
use crate::rocks::{RocksLog, Settings};
use potok_types::{Offset, TopicPartition};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// No cache of the newest, so that everything is looked up.
fn uncached(folder: &Path) -> Settings {
    Settings { cache_bytes_max: 0, segment_bytes: 256 << 10, ..settings(folder) }
}
fn from(at: TopicPartition, offset: u64) -> ReadRequest {
    ReadRequest { at, offset: Offset::new(offset).unwrap(), bytes_max: 1 << 20, committed_only: false }
}
fn sent(located: &Located) -> Vec<u8> {
    located.pieces.iter().flat_map(|piece| piece.read().unwrap()).collect()
}
fn read(log: &RocksLog, request: ReadRequest) -> Vec<u8> {
    log.read(request).unwrap().batches.iter().flat_map(|batch| batch.bytes().to_vec()).collect()
}
/// Whether this file system tells what it has in memory; where it does not, all is read.
fn tells(folder: &Path) -> bool {
    let path = folder.join("probe");
    fs::write(&path, "probe").unwrap();
    let file = Arc::new(WrittenFile::begun(File::open(path).unwrap()));
    file.piece(0, 5, Offset::FIRST).unwrap().can_be_sent()
}
fn files(located: &Located) -> usize {
    located.pieces.iter().filter(|piece| matches!(piece, Piece::File(_))).count()
}

#[tokio::test]
async fn batches_that_this_process_wrote_are_sent_from_their_files_and_are_those_that_a_read_finds() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(uncached(folder.path()), &clock());
    let (at, other) = (partition(&log, "sent").await, partition(&log, "other").await);
    for i in 0..40 {
        append(&log, at, batch(&format!("{i}"), 20_000)).await;
        append(&log, other, batch("between", 9_000)).await;
    }
    if !tells(folder.path()) {
        return;
    }
    for offset in [0, 7, 39] {
        let located = log.locate_now(from(at, offset)).unwrap();
        assert!(sent(&located) == read(&log, from(at, offset)), "from {offset}");
        assert_eq!(files(&located), located.pieces.len(), "from {offset}");
        assert_eq!(located.next.get(), 40);
        let waiting = log.locate(from(at, offset)).unwrap();
        assert_eq!((sent(&waiting), waiting.next), (sent(&located), located.next));
    }
    let limited = ReadRequest { bytes_max: 70_000, ..from(at, 3) };
    let located = log.locate_now(limited).unwrap();
    assert_eq!((sent(&located), located.next.get()), (read(&log, limited), 6));
    assert!(log.locate_now(from(at, 40)).unwrap().pieces.is_empty(), "the end is known");
    assert!(log.locate_now(from(at, 41)).is_none() && log.locate(from(at, 41)).is_err());
}
#[tokio::test]
async fn what_is_sent_stays_what_it_was_when_its_segment_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(uncached(folder.path()), &clock());
    let at = partition(&log, "gone").await;
    for i in 0..40 {
        append(&log, at, batch(&format!("{i}"), 20_000)).await;
    }
    let located = log.locate(from(at, 0)).unwrap();
    let before = read(&log, from(at, 0));
    log.delete_records(at, None).await.unwrap();
    log.run_maintenance().await.unwrap();
    assert!(journal(folder.path()).len() < 3, "its segments are gone");
    assert!(sent(&located) == before);
    assert_eq!(files(&located) > 0, tells(folder.path()));
    assert!(log.locate_now(from(at, 0)).is_none() && log.locate(from(at, 0)).is_err());
}
#[tokio::test]
async fn batches_of_one_write_that_lie_together_are_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(uncached(folder.path()), &clock());
    let (at, other) = (partition(&log, "sent").await, partition(&log, "other").await);
    // as they come from clients: of both partitions in turn
    let to = [at, other, at, other, at].into_iter();
    let call = to.map(|to| Append { to, batch: batch("together", 10_000) }).collect();
    assert!(log.append(call, Acks::Written).await.iter().all(Result::is_ok));
    let located = log.locate(from(at, 0)).unwrap();
    assert!(sent(&located) == read(&log, from(at, 0)));
    if tells(folder.path()) {
        assert_eq!((files(&located), located.pieces.len()), (1, 1));
    }
}
#[tokio::test]
async fn damage_on_the_disk_is_found_each_time_once_the_system_has_let_go_of_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(Settings { segment_bytes: 1 << 30, ..uncached(folder.path()) }, &clock());
    let at = partition(&log, "damaged").await;
    for text in ["first", "needle", "last"] {
        append(&log, at, batch(text, 200_000)).await;
    }
    let path = journal(folder.path()).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let needle = bytes.windows(8).rposition(|some| some == b"needle..").unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    file.write_all_at(b"N", needle as u64).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    if WrittenFile::begun(file).holds(needle as u64, 1) {
        // a file system that is memory itself has no disk to be damaged
        return;
    }
    for _ in 0..3 {
        for offset in [1, 0, 2] {
            assert!(log.locate_now(from(at, offset)).is_none_or(|now| files(&now) == 0));
            match (offset, log.locate(from(at, offset))) {
                (1, Err(error)) => assert!(error.to_string().contains("damaged"), "{error}"),
                (_, Ok(located)) => assert_eq!((located.next.get(), files(&located)), (offset + 1, 0)),
                other => panic!("{other:?}"),
            }
        }
    }
}
#[tokio::test]
async fn small_batches_and_those_of_an_earlier_process_are_read_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(uncached(folder.path()), &clock());
    let (small, large) = (partition(&log, "small").await, partition(&log, "large").await);
    for i in 0..20 {
        append(&log, small, batch(&format!("{i}"), 600)).await;
        append(&log, large, batch(&format!("{i}"), 20_000)).await;
    }
    assert!(log.locate_now(from(small, 0)).is_none());
    assert_eq!(files(&log.locate(from(small, 0)).unwrap()), 0);
    let tiny = partition(&log, "tiny").await;
    append(&log, tiny, batch("beside its key", 0)).await;
    assert_eq!(log.locate_now(from(tiny, 0)).unwrap().next.get(), 1);
    log.close().await.unwrap();
    drop(log);
    let log = open_with(uncached(folder.path()), &clock());
    append(&log, large, batch("new", 20_000)).await;
    for at in [small, large] {
        let located = log.locate(from(at, 0)).unwrap();
        assert!(sent(&located) == read(&log, from(at, 0)));
        assert_eq!(files(&located), 0, "one call finds old and new: all of it is read");
    }
    let new = log.locate(from(large, 20)).unwrap();
    assert_eq!(files(&new) == 1, tells(folder.path()));
}
