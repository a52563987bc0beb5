//! The journal by itself: what is appended is replayed, and what a crash leaves of it is told apart from damage.

use super::entry::{Boot, HEADER_LEN, Header};
use super::{Applied, Journal, JournalError, Position, Replay};
use crate::rocks::Settings;
use potok_types::{BatchBuilder, Compression, LeaderEpoch, Offset, RecordBatch, Timestamp};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn settings(segment_bytes: u64) -> Settings {
    Settings { segment_bytes, ..Settings::default() }
}
/// Replays the journal of a folder. Answers it, and the changes as text.
fn replay(
    folder: &Path,
    applied: Applied,
    settings: &Settings,
) -> Result<(Journal, Vec<String>), JournalError> {
    let mut changes = Vec::new();
    let journal = Replay::new(folder, applied, settings).run(|bytes| {
        changes.push(String::from_utf8_lossy(bytes).into_owned());
        Ok(())
    })?;
    Ok((journal, changes))
}
fn opened(folder: &Path) -> (Journal, Vec<String>) {
    replay(folder, Applied::default(), &settings(1 << 20)).unwrap()
}
fn batch(len: usize) -> RecordBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(Timestamp(1), None, Some(&vec![7; len]), std::iter::empty());
    builder.build().unwrap().unwrap().place(Offset::FIRST, LeaderEpoch(0))
}
/// Appends an entry. Answers where its batch lies and where it ends.
fn append(journal: &Journal, changes: &str, batch: &RecordBatch) -> (Position, Position) {
    let next = journal.next().unwrap();
    journal.append(changes.as_bytes(), &[batch.bytes()]).unwrap();
    (next.batches(), journal.end())
}
fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|i| i.to_string()).collect()
}
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
/// Makes it look as if the machine had started anew since a file was written.
fn written_before_the_machines_last_start(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let header = Header::decode(&bytes).unwrap();
    let other = Header { boot: Some(Boot::other()), ..header };
    bytes[..HEADER_LEN].copy_from_slice(&other.encode());
    fs::write(file, bytes).unwrap();
}
fn change(file: &Path, at: u64, change: impl Fn(&mut u8)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes[usize::try_from(at).unwrap()]);
    fs::write(file, bytes).unwrap();
}
fn cut(file: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(len).unwrap();
}

#[test]
fn what_is_appended_is_read_and_replayed_over_segments() {
    let folder = tempfile::tempdir().unwrap();
    let small = settings(2000);
    let (journal, _) = replay(folder.path(), Applied::default(), &small).unwrap();
    let one = batch(700);
    let mut middle = Applied::default();
    for i in 0..10 {
        let (from, end) = append(&journal, &i.to_string(), &one);
        let segment = journal.segments()[&from.segment].clone();
        assert_eq!(&segment.read(from.at, one.len()).unwrap(), one.bytes());
        if i == 4 {
            middle = Applied { to: end, sequence: 5 };
        }
    }
    assert!(files(folder.path()).len() >= 4, "segments end where the settings say");
    drop(journal);
    assert_eq!(replay(folder.path(), Applied::default(), &small).unwrap().1, numbers(10));
    assert_eq!(replay(folder.path(), middle, &small).unwrap().1, numbers(10)[5..]);
    let (journal, changes) = replay(folder.path(), Applied::default(), &small).unwrap();
    assert_eq!(changes, numbers(10), "a replay changes nothing");
    append(&journal, "10", &one);
    drop(journal);
    assert_eq!(opened(folder.path()).1, numbers(11));
}
/// A journal of three entries: its file, and where the second and the third end.
struct Three {
    file: PathBuf,
    bytes: Vec<u8>,
    whole: Position,
    end: Position,
}
fn three(folder: &Path) -> Three {
    let (journal, _) = opened(folder);
    append(&journal, "0", &batch(10));
    let (_, whole) = append(&journal, "1", &batch(10));
    let (_, end) = append(&journal, "2", &batch(10));
    drop(journal);
    let file = files(folder).remove(0);
    let bytes = fs::read(&file).unwrap();
    Three { file, bytes, whole, end }
}
#[test]
fn a_writer_that_was_killed_leaves_one_entry_cut_off_and_that_goes() {
    let folder = tempfile::tempdir().unwrap();
    let Three { file, bytes, whole, end } = three(folder.path());
    for len in [whole.at + 1, whole.at + 39, whole.at + 41, end.at - 1] {
        fs::write(&file, &bytes).unwrap();
        cut(&file, len);
        let (journal, changes) = opened(folder.path());
        assert_eq!(changes, numbers(2), "cut at {len}");
        append(&journal, "2", &batch(10));
        drop(journal);
        assert_eq!(opened(folder.path()).1, numbers(3));
        files(folder.path())[1..].iter().for_each(|file| fs::remove_file(file).unwrap());
    }
}
#[test]
fn while_the_machine_was_up_any_other_change_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let Three { file, bytes, whole, end } = three(folder.path());
    // magic, sequence, a length, the changes
    for at in [whole.at, whole.at + 10, whole.at + 29, end.at - 1] {
        fs::write(&file, &bytes).unwrap();
        change(&file, at, |byte| *byte ^= 1);
        let error = replay(folder.path(), Applied::default(), &settings(1 << 20)).map(drop).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { at, .. } if at == whole.at), "byte {at}: {error}");
        let accepting = Settings { accept_damaged_journal: true, ..settings(1 << 20) };
        let (_, changes) = replay(folder.path(), Applied::default(), &accepting).unwrap();
        assert_eq!(changes, numbers(2), "byte {at}");
        files(folder.path())[1..].iter().for_each(|file| fs::remove_file(file).unwrap());
    }
}
#[test]
fn a_file_that_is_missing_or_too_short_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let small = settings(500);
    let (journal, _) = replay(folder.path(), Applied::default(), &small).unwrap();
    for i in 0..3 {
        append(&journal, &i.to_string(), &batch(600));
    }
    let applied = Applied { to: journal.end(), sequence: 3 };
    drop(journal);
    let all = files(folder.path());
    let refused = |applied, what: &str| {
        let error = replay(folder.path(), applied, &small).map(drop).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{what}: {error}");
    };
    let kept = fs::read(&all[1]).unwrap();
    fs::remove_file(&all[1]).unwrap();
    refused(Applied::default(), "one in the middle");
    fs::write(&all[1], &kept).unwrap();
    cut(&all[1], kept.len() as u64 - 1);
    refused(Applied::default(), "cut, and others follow");
    fs::write(&all[1], &kept).unwrap();
    cut(&all[2], applied.to.at - 1);
    refused(applied, "shorter than what was taken in");
    // accepted, it is started from more than once
    let accepting = Settings { accept_damaged_journal: true, ..settings(500) };
    let (journal, _) = replay(folder.path(), applied, &accepting).unwrap();
    append(&journal, "3", &batch(10));
    drop(journal);
    for tuned in [&accepting, &small] {
        assert_eq!(
            replay(folder.path(), applied, tuned).unwrap().1,
            ["3"],
            "what was dropped is dropped once"
        );
    }
    fs::remove_file(&all[2]).unwrap();
    refused(applied, "what was taken in last");
}
#[test]
fn after_a_power_failure_everything_behind_the_first_hole_goes_unless_it_was_synced() {
    // what is not whole, and whether the journal was synced behind it
    for (hole, synced) in [("changes", false), ("batch", false), ("zeros", false), ("changes", true)] {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = opened(folder.path());
        append(&journal, "0", &batch(600));
        journal.sync().unwrap();
        append(&journal, "1", &batch(600));
        let (from, end) = append(&journal, "2", &batch(600));
        if synced {
            journal.sync().unwrap();
        }
        append(&journal, "3", &batch(600));
        drop(journal);
        let file = files(folder.path()).remove(0);
        match hole {
            "changes" => change(&file, end.at - 1, |byte| *byte ^= 1),
            "batch" => change(&file, from.at + 300, |byte| *byte ^= 1),
            _ => (from.at - 40..end.at).for_each(|at| change(&file, at, |byte| *byte = 0)),
        }
        written_before_the_machines_last_start(&file);
        match replay(folder.path(), Applied::default(), &settings(1 << 20)) {
            Ok((journal, changes)) if !synced => {
                assert_eq!(changes, numbers(2), "{hole}");
                append(&journal, "2", &batch(10));
                drop(journal);
                assert_eq!(opened(folder.path()).1, numbers(3), "{hole}");
            }
            Err(JournalError::Damaged { .. }) if synced => {}
            other => panic!("{hole}, synced {synced}: {:?}", other.map(|(_, changes)| changes)),
        }
    }
}
#[test]
fn after_a_power_failure_a_file_may_be_short_though_another_follows() {
    let folder = tempfile::tempdir().unwrap();
    let small = settings(500);
    let (journal, _) = replay(folder.path(), Applied::default(), &small).unwrap();
    for i in 0..3 {
        append(&journal, &i.to_string(), &batch(600));
    }
    drop(journal);
    let all = files(folder.path());
    cut(&all[1], 100);
    all.iter().for_each(|file| written_before_the_machines_last_start(file));
    let (journal, changes) = replay(folder.path(), Applied::default(), &small).unwrap();
    assert_eq!(changes, numbers(1));
    append(&journal, "1", &batch(600));
    drop(journal);
    assert_eq!(opened(folder.path()).1, numbers(2));
}
#[test]
fn a_segment_that_was_just_begun_goes_and_one_whose_header_was_changed_is_damage() {
    for blank in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let small = settings(500);
        let (journal, _) = replay(folder.path(), Applied::default(), &small).unwrap();
        append(&journal, "0", &batch(600));
        append(&journal, "1", &batch(600));
        drop(journal);
        let last = files(folder.path()).remove(1);
        if blank {
            let len = fs::metadata(&last).unwrap().len();
            fs::write(&last, vec![0; usize::try_from(len).unwrap()]).unwrap();
        } else {
            change(&last, 20, |byte| *byte ^= 1);
        }
        match replay(folder.path(), Applied::default(), &small) {
            Ok((_, changes)) if blank => assert_eq!(changes, numbers(1)),
            Err(JournalError::Damaged { at: 0, .. }) if !blank => {}
            other => panic!("blank {blank}: {:?}", other.map(|(_, changes)| changes)),
        }
    }
}
#[test]
fn a_record_that_looks_like_an_entry_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = opened(folder.path());
    append(&journal, "0", &batch(10));
    let (_, whole) = append(&journal, "1", &batch(10));
    journal.sync().unwrap();
    append(&journal, "2", &batch(10));
    drop(journal);
    // an entry of another journal that says that everything was synced
    let bytes = fs::read(files(folder.path()).remove(0)).unwrap();
    let stolen = &bytes[usize::try_from(whole.at).unwrap()..];
    let other = tempfile::tempdir().unwrap();
    let (journal, _) = opened(other.path());
    let (_, whole) = append(&journal, "0", &batch(10));
    let next = journal.next().unwrap();
    journal.append(b"1", &[stolen]).unwrap();
    assert_eq!(next.at, whole);
    drop(journal);
    let file = files(other.path()).remove(0);
    change(&file, whole.at + 4, |byte| *byte ^= 1);
    written_before_the_machines_last_start(&file);
    assert_eq!(opened(other.path()).1, numbers(1));
}
#[test]
fn a_copy_holds_what_was_there_and_goes_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let small = settings(500);
    let (journal, _) = replay(&folder.path().join("a"), Applied::default(), &small).unwrap();
    for i in 0..3 {
        append(&journal, &i.to_string(), &batch(300));
    }
    journal.copy_to(&folder.path().join("b")).unwrap();
    append(&journal, "3", &batch(300));
    let (copy, changes) = replay(&folder.path().join("b"), Applied::default(), &small).unwrap();
    assert_eq!(changes, numbers(3));
    append(&copy, "mine", &batch(300));
    drop((journal, copy));
    assert_eq!(replay(&folder.path().join("a"), Applied::default(), &small).unwrap().1, numbers(4));
}
#[test]
fn a_segment_that_was_taken_away_is_read_by_those_who_hold_it() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = opened(folder.path());
    let one = batch(100);
    let (from, _) = append(&journal, "0", &one);
    journal.seal().unwrap();
    journal.seal().unwrap();
    let held = journal.segments();
    journal.remove(&[from.segment]).unwrap();
    assert!(!journal.segments().contains_key(&from.segment));
    assert_eq!(&held[&from.segment].read(from.at, one.len()).unwrap(), one.bytes());
    assert_eq!(files(folder.path()).len(), 1, "an empty segment is not ended");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_becomes_of_its_bytes_a_prefix_is_replayed_or_the_damage_is_named(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..8), 0..4),
        len in any::<Option<(prop::sample::Index, prop::sample::Index)>>(),
        anew in any::<bool>(),
        accept_damaged_journal in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let small = settings(1500);
        let (journal, _) = replay(folder.path(), Applied::default(), &small).unwrap();
        for i in 0..8 {
            append(&journal, &i.to_string(), &batch(300));
            if i == 3 {
                journal.sync().unwrap();
            }
        }
        drop(journal);
        let all = files(folder.path());
        if anew {
            all.iter().for_each(|file| written_before_the_machines_last_start(file));
        }
        let is_flipped = !flips.is_empty();
        for (file, at, bit) in flips {
            let file = file.get(&all);
            let at = at.index(usize::try_from(fs::metadata(file).unwrap().len()).unwrap());
            change(file, at as u64, |byte| *byte ^= 1 << bit);
        }
        if let Some((file, len)) = len {
            let file = file.get(&all);
            cut(file, len.index(usize::try_from(fs::metadata(file).unwrap().len()).unwrap()) as u64);
        }
        let tuned = Settings { accept_damaged_journal, ..small };
        match replay(folder.path(), Applied::default(), &tuned) {
            Ok((journal, changes)) => {
                prop_assert_eq!(&changes, &numbers(changes.len()));
                // What is gone was not synced, or may go. Of two misfortunes at once, a byte turned over and the power gone with
                // every entry that knew of the sync, nobody can tell.
                prop_assert!(changes.len() >= 4 || accept_damaged_journal || is_flipped, "{:?}", changes);
                append(&journal, &changes.len().to_string(), &batch(300));
                drop(journal);
                let (_, again) = replay(folder.path(), Applied::default(), &tuned).unwrap();
                prop_assert_eq!(again, numbers(changes.len() + 1));
            }
            Err(JournalError::Damaged { .. }) => prop_assert!(!accept_damaged_journal),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
