//! What keeps a folder from being opened has its own name, and the folder is left as it was.

use super::{append, batch, clock, copy, keys, open, open_with, partition, settings, topic};
use crate::api::Log;
use crate::rocks::{OpenError, RocksLog, Settings};
use potok_types::Clock;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn refused(folder: &Path) -> OpenError {
    RocksLog::open(settings(folder), clock() as std::sync::Arc<dyn Clock>).map(drop).unwrap_err()
}

#[tokio::test]
async fn a_folder_has_one_owner_and_is_free_when_that_one_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::InUse { lock, .. } if lock.ends_with("LOCK")), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    drop(log);
    drop(open(folder.path(), &clock()));
}
#[test]
fn a_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(refused(&file), OpenError::Unreadable { .. }));
}
#[tokio::test]
async fn another_format_or_a_newer_family_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), &clock()));
    fs::write(folder.path().join("FORMAT"), "potok log format 3\n").unwrap();
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::Newer { found, .. } if found == "format 3"), "{error}");
    fs::write(folder.path().join("FORMAT"), "potok log format 1\n").unwrap();
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::Older { found: 1, .. }), "{error}");
    fs::write(folder.path().join("FORMAT"), "potok log format 2\n").unwrap();
    {
        let mut options = rocksdb::Options::default();
        options.create_missing_column_families(true);
        let names = crate::rocks::store::Family::ALL.map(crate::rocks::store::Family::name);
        let all = names.into_iter().chain(["later"]);
        drop(rocksdb::DB::open_cf(&options, folder.path().join("db"), all).unwrap());
    }
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::Newer { found, .. } if found.contains("later")), "{error}");
}
#[tokio::test]
async fn damage_to_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), &clock()));
    let without = folder.path().join("FORMAT");
    fs::remove_file(&without).unwrap();
    assert!(matches!(refused(folder.path()), OpenError::Damaged { .. }));
    fs::write(&without, "something else").unwrap();
    assert!(matches!(refused(folder.path()), OpenError::Damaged { .. }));
    fs::write(&without, "potok log format 2\n").unwrap();
    fs::write(folder.path().join("db/CURRENT"), "MANIFEST-999999\n").unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Unreadable { .. }), "{error}");
}
#[tokio::test]
async fn a_backup_of_a_running_log_starts_with_everything_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("log"), &clock());
    let at = partition(&log, "kept").await;
    for i in 0..100 {
        append(&log, at, batch(&i.to_string(), 5000)).await;
    }
    let backup = folder.path().join("backup");
    log.checkpoint(&backup).unwrap();
    append(&log, at, batch("later", 0)).await;
    let again = log.checkpoint(&backup).unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
    let copied = open(&backup, &clock());
    assert_eq!(keys(&copied, at), (0..100).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(append(&copied, at, batch("own", 0)).await.get(), 100);
    assert_eq!(log.ends(at).unwrap().log_end.get(), 101);
    drop(copied);
    // a copy of the backup is one as well
    copy(&backup, &folder.path().join("moved"));
    assert_eq!(keys(&open(&folder.path().join("moved"), &clock()), at).len(), 101);
}

#[tokio::test]
async fn a_topic_without_a_retention_of_its_own_has_that_of_the_settings_at_every_start() {
    let folder = tempfile::tempdir().unwrap();
    let retention =
        |log: &RocksLog, name: &str| log.topic(&name.parse().unwrap()).unwrap().config.retention();
    let (ever, own) = (None, Some(Duration::from_secs(7)));
    for (retention_ms, expected) in [(0, ever), (5_000, Some(Duration::from_secs(5))), (0, ever)] {
        let log = open_with(Settings { retention_ms, ..settings(folder.path()) }, &clock());
        if log.topics().is_empty() {
            topic(&log, "plain", 1, &[]).await;
            topic(&log, "own", 1, &[("retention.ms", "7000")]).await;
        }
        assert_eq!((retention(&log, "plain"), retention(&log, "own")), (expected, own));
        assert_eq!(log.unset_config().retention(), expected);
        log.close().await.unwrap();
    }
}
