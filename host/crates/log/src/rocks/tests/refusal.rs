//! After a failed write nothing is written any more; reads go on, and the reason stays. A full disk is no failure.

use super::{append, batch, clock, keys, open, open_with, partition, settings};
use crate::api::{Acks, Append, Health, Log, NewTopic, Unit};
use crate::error::{AppendError, CommitError, CreateTopicError, StoreError};
use crate::rocks::Settings;
use std::fs;

#[tokio::test]
async fn a_failed_write_ends_all_writing_and_no_reading() {
    let folder = tempfile::tempdir().unwrap();
    // so small that memory soon goes to a file
    let log = open_with(Settings { memtable_bytes: 64 << 10, ..settings(folder.path()) }, &clock());
    let at = partition(&log, "kept").await;
    append(&log, at, batch("first", 100)).await;
    assert_eq!(log.health(), Health::Good);
    fs::remove_dir_all(folder.path().join("db")).unwrap();
    let mut failed = None;
    for i in 0..1000 {
        let appended =
            log.append(vec![Append { to: at, batch: batch(&i.to_string(), 10_000) }], Acks::Written).await;
        if let Err(error) = &appended[0] {
            failed = Some(error.clone());
            break;
        }
    }
    assert!(matches!(failed, Some(AppendError::Store(StoreError::Io(_)))), "{failed:?}");
    let Health::WritesRefused(reason) = log.health() else { panic!("the log goes on after a failed write") };
    let refused = |error: &StoreError| matches!(error, StoreError::WritesRefused(_));
    let appended =
        log.append(vec![Append { to: at, batch: batch("late", 0) }], Acks::Synced).await.pop().unwrap();
    assert!(matches!(appended, Err(AppendError::Store(error)) if refused(&error)));
    let committed = log.commit(Unit::default(), Acks::Written).await;
    assert!(matches!(committed, Err(CommitError::Store(error)) if refused(&error)));
    let created =
        log.create_topic(NewTopic { name: "late".parse().unwrap(), partitions: 1, config: vec![] }).await;
    assert!(matches!(created, Err(CreateTopicError::Store(error)) if refused(&error)));
    assert_eq!(log.health(), Health::WritesRefused(reason), "the first reason stays");
    let seen = keys(&log, at);
    assert_eq!(seen[0], "first");
    assert_eq!(seen.len() as u64, log.ends(at).unwrap().log_end.get(), "what was acknowledged is still read");
}
#[tokio::test]
async fn a_full_disk_refuses_records_and_nothing_that_gives_room() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let at = partition(&log, "kept").await;
    append(&log, at, batch("first", 0)).await;
    drop(log);
    let log = open_with(Settings { disk_free_bytes_min: u64::MAX, ..settings(folder.path()) }, &clock());
    let appended =
        log.append(vec![Append { to: at, batch: batch("late", 0) }], Acks::Written).await.pop().unwrap();
    let error = appended.unwrap_err();
    assert!(matches!(&error, AppendError::Store(StoreError::DiskFull { .. })), "{error}");
    assert!(matches!(
        log.commit(Unit::default(), Acks::Written).await,
        Err(CommitError::Store(StoreError::DiskFull { .. }))
    ));
    assert!(matches!(log.health(), Health::DiskFull(_)), "{:?}", log.health());
    assert_eq!(keys(&log, at), ["first"]);
    log.delete_records(at, None).await.unwrap();
    log.delete_topic(&"kept".parse().unwrap()).await.unwrap();
    drop(log);
    assert_eq!(open(folder.path(), &clock()).health(), Health::Good);
}
