//! What a crash leaves: everything that was answered, and of the rest a part from the front, unit by unit.

use super::{append, batch, clock, copy, journal, keys, open, partition, settings, topic};
use crate::api::{
    Acks, Append, CommittedOffset, Log, OffsetChange, OffsetCommit, StateChange, StateStore, TaskKey,
    TimerChange, TimerClock, TimerEntry, Unit,
};
use crate::contract::START;
use crate::rocks::{OpenError, RocksLog};
use bytes::Bytes;
use potok_types::{Clock, Column, Offset, PartitionIndex, Timestamp, TopicPartition};
use std::fs;
use std::sync::Arc;

const TASK: TaskKey = TaskKey { processor: 1, partition: PartitionIndex(0) };
const STORE: StateStore = StateStore { task: TASK, store: 0 };

fn column(item: &str) -> Column {
    [Some(item.as_bytes())].into_iter().collect()
}
/// A unit that writes its number everywhere.
fn unit(number: u64, at: [TopicPartition; 2]) -> Unit {
    let text = number.to_string();
    let offset = CommittedOffset {
        offset: Offset::new(number).unwrap(),
        leader_epoch: None,
        metadata: String::new(),
        committed_at: START,
    };
    let time = Timestamp(number.cast_signed());
    let timer = TimerEntry {
        clock: TimerClock::Event,
        at: time,
        key: Bytes::from("t"),
        payload: Bytes::from(text.clone()),
    };
    Unit {
        appends: at.map(|to| Append { to, batch: batch(&text, 700) }).into(),
        state: vec![StateChange { store: STORE, keys: column("k"), values: column(&text) }],
        timers: vec![TimerChange::Set(TASK, timer)],
        offsets: vec![OffsetCommit { group: "g".into(), at: at[0], change: OffsetChange::Set(offset) }],
        ..Unit::default()
    }
}
/// How many units a log holds, after checking that all parts of them agree.
fn units_held(log: &RocksLog, at: [TopicPartition; 2]) -> u64 {
    let expected = |count: u64| (1..=count).map(|i| i.to_string()).collect::<Vec<_>>();
    let held = log.ends(at[0]).unwrap().log_end.get();
    assert_eq!(keys(log, at[0]), expected(held));
    assert_eq!(keys(log, at[1]), expected(held));
    let state = log.state_get(STORE, &column("k")).unwrap();
    let position = log.committed("g", at[0]).unwrap().map(|committed| committed.offset.get());
    let timers = log.timers_due(TASK, TimerClock::Event, Timestamp(i64::MAX), 10).unwrap();
    if held == 0 {
        assert_eq!((state.get(0), position, timers.len()), (None, None, 0));
    } else {
        assert_eq!(state.get(0), Some(held.to_string().as_bytes()));
        assert_eq!(position, Some(held));
        assert_eq!(timers.len(), 1, "a timer that moved lies in one place");
        assert_eq!(timers[0].payload, held.to_string().as_bytes());
    }
    held
}

#[tokio::test]
async fn whatever_a_crash_cuts_off_units_are_whole_and_a_prefix() {
    const UNITS: u64 = 30;
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("log"), &clock());
    let all: Vec<_> = topic(&log, "both", 2, &[]).await.all_partitions().collect();
    let at = [all[0], all[1]];
    let mut ends = vec![fs::metadata(&journal(&folder.path().join("log"))[0]).unwrap().len()];
    for number in 1..=UNITS {
        log.commit(unit(number, at), Acks::Written).await.unwrap();
        ends.push(fs::metadata(&journal(&folder.path().join("log"))[0]).unwrap().len());
    }
    assert_eq!(journal(&folder.path().join("log")).len(), 1, "one segment holds it all");
    // a unit is acknowledged only when its bytes are in the file: each cut tells how many were
    let mut cuts: Vec<u64> = ends.clone();
    cuts.extend(
        ends.windows(2).flat_map(|pair| [pair[0] + 1, pair[0] + 7, (pair[0] + pair[1]) / 2, pair[1] - 1]),
    );
    for cut in cuts {
        let crashed = folder.path().join("crashed");
        copy(&folder.path().join("log"), &crashed);
        let file = &journal(&crashed)[0];
        fs::OpenOptions::new().write(true).open(file).unwrap().set_len(cut).unwrap();
        let again = open(&crashed, &clock());
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        assert_eq!(units_held(&again, at), whole, "cut at {cut} of {ends:?}");
        again.commit(unit(whole + 1, at), Acks::Synced).await.unwrap();
        assert_eq!(units_held(&again, at), whole + 1);
        drop(again);
        fs::remove_dir_all(&crashed).unwrap();
    }
}
#[tokio::test]
async fn damage_inside_the_journal_is_no_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("log"), &clock());
    let at = partition(&log, "kept").await;
    let mut middle = 0;
    for i in 0..20 {
        append(&log, at, batch(&i.to_string(), 3000)).await;
        if i == 9 {
            middle = fs::metadata(&journal(&folder.path().join("log"))[0]).unwrap().len();
        }
    }
    let crashed = folder.path().join("crashed");
    copy(&folder.path().join("log"), &crashed);
    let file = &journal(&crashed)[0];
    let mut bytes = fs::read(file).unwrap();
    // the last of the tenth one's changes
    bytes[usize::try_from(middle).unwrap() - 1] ^= 1;
    fs::write(file, bytes).unwrap();
    let refused = RocksLog::open(settings(&crashed), clock() as Arc<dyn Clock>).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("accept_damaged_journal"), "{refused}");
    let accepting = crate::rocks::Settings { accept_damaged_journal: true, ..settings(&crashed) };
    let log = RocksLog::open(accepting, clock() as Arc<dyn Clock>).unwrap();
    assert_eq!(keys(&log, at), (0..9).map(|i| i.to_string()).collect::<Vec<_>>());
    append(&log, at, batch("9", 3000)).await;
    drop(log);
    assert_eq!(keys(&open(&crashed, &clock()), at).len(), 10, "it goes on from there");
}
#[tokio::test]
async fn a_hole_between_two_segments_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tune =
        |folder: &std::path::Path| crate::rocks::Settings { segment_bytes: 100_000, ..settings(folder) };
    let log = super::open_with(tune(&folder.path().join("log")), &clock());
    let at = partition(&log, "kept").await;
    while journal(&folder.path().join("log")).len() < 2 {
        append(&log, at, batch("x", 10_000)).await;
    }
    append(&log, at, batch("last", 0)).await;
    let crashed = folder.path().join("crashed");
    copy(&folder.path().join("log"), &crashed);
    let first = &journal(&crashed)[0];
    let len = fs::metadata(first).unwrap().len();
    fs::OpenOptions::new().write(true).open(first).unwrap().set_len(len - 5000).unwrap();
    let refused = RocksLog::open(tune(&crashed), clock() as Arc<dyn Clock>).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
}
#[tokio::test]
async fn what_is_in_files_and_what_the_journal_has_beyond_them_is_one_log() {
    let folder = tempfile::tempdir().unwrap();
    // so small that memory goes to files every few units, and segments end as often
    let tune = |folder: &std::path::Path| crate::rocks::Settings {
        memtable_bytes: 8 << 10,
        segment_bytes: 20_000,
        ..settings(folder)
    };
    let log = super::open_with(tune(&folder.path().join("log")), &clock());
    let all: Vec<_> = topic(&log, "both", 2, &[]).await.all_partitions().collect();
    let at = [all[0], all[1]];
    for number in 1..=200 {
        log.commit(unit(number, at), Acks::Written).await.unwrap();
        if number % 20 == 0 {
            log.run_maintenance().await.unwrap();
        }
        if number % 7 == 0 {
            let crashed = folder.path().join("crashed");
            copy_running(&log, &folder.path().join("log"), &crashed);
            assert_eq!(units_held(&super::open_with(tune(&crashed), &clock()), at), number);
            fs::remove_dir_all(&crashed).unwrap();
        }
    }
}
/// Copies a running log as a kill would leave it: files must not change while they are copied, or it is no copy of one moment.
fn copy_running(log: &RocksLog, from: &std::path::Path, to: &std::path::Path) {
    assert!(log.shared.store.is_flushed());
    log.shared.store.db().disable_file_deletions().unwrap();
    copy(from, to);
    log.shared.store.db().enable_file_deletions().unwrap();
}
#[tokio::test]
async fn a_log_that_was_dropped_and_one_that_was_closed_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let at = partition(&log, "kept").await;
    append(&log, at, batch("dropped", 0)).await;
    drop(log);
    let log = open(folder.path(), &clock());
    append(&log, at, batch("closed", 0)).await;
    log.close().await.unwrap();
    log.close().await.unwrap();
    assert_eq!(keys(&log, at), ["dropped", "closed"], "a closed log can be read");
    let refused =
        log.append(vec![Append { to: at, batch: batch("late", 0) }], Acks::Written).await.pop().unwrap();
    assert!(refused.unwrap_err().to_string().contains("closed"));
    drop(log);
    assert_eq!(keys(&open(folder.path(), &clock()), at), ["dropped", "closed"]);
}
#[tokio::test]
async fn synced_and_written_appends_from_many_callers_all_hold() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("log"), &clock());
    let all: Vec<_> = topic(&log, "many", 4, &[]).await.all_partitions().collect();
    let callers = all.iter().flat_map(|at| [(*at, Acks::Synced), (*at, Acks::Written)]).map(|(to, acks)| {
        let log = log.clone();
        tokio::spawn(async move {
            for i in 0..50 {
                log.append(vec![Append { to, batch: batch(&i.to_string(), 100) }], acks)
                    .await
                    .pop()
                    .unwrap()
                    .unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    copy(&folder.path().join("log"), &folder.path().join("crashed"));
    let crashed = open(&folder.path().join("crashed"), &clock());
    for at in all {
        assert_eq!(keys(&crashed, at).len(), 100);
        assert_eq!(crashed.size(at).unwrap(), log.size(at).unwrap());
    }
}
