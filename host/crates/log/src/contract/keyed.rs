//! Promises about what units keep beside records: state, timers, groups' offsets, named things.

use super::*;
use crate::api::{
    CommittedOffset, KeyRange, MetaChange, MetaKind, OffsetChange, OffsetCommit, TimerChange, TimerClock,
    TimerEntry,
};
use crate::seeded::Seeded;
use std::collections::BTreeMap;

async fn put(log: &Arc<dyn Log>, store: StateStore, entries: &[(&str, Option<&str>)]) {
    commit(log, Unit { state: vec![puts(store, entries)], ..Unit::default() }).await;
}
fn range(start: Option<&str>, end: Option<&str>, backwards: bool) -> KeyRange {
    KeyRange { start: start.map(bytes), end: end.map(bytes), backwards }
}
fn scan(log: &Arc<dyn Log>, store: StateStore, range: &KeyRange, limit: usize) -> (Vec<String>, bool) {
    let (entries, more) = log.state_scan(store, range, limit).unwrap();
    (entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()).collect(), more)
}

pub async fn state_is_put_replaced_and_deleted(harness: &impl Harness) {
    let log = harness.open().await;
    let store = store(1, 0, 0);
    assert_eq!(gets(&log, store, &["a"]), [None]);
    put(&log, store, &[("a", Some("1")), ("b", Some("2")), ("a", Some("3"))]).await;
    assert_eq!(gets(&log, store, &["b", "a", "c", "a"]), [some("2"), some("3"), None, some("3")]);
    let changes =
        vec![puts(store, &[("a", None), ("b", Some("4"))]), puts(store, &[("a", Some("5")), ("b", None)])];
    commit(&log, Unit { state: changes, ..Unit::default() }).await;
    assert_eq!(gets(&log, store, &["a", "b"]), [some("5"), None], "changes apply in order");
    put(&log, store, &[("never", None)]).await;
    assert!(gets(&log, store, &[]).is_empty());
}

pub async fn state_is_cleared_before_it_is_changed(harness: &impl Harness) {
    let log = harness.open().await;
    let (cleared, other) = (store(1, 0, 0), store(1, 0, 1));
    put(&log, cleared, &[("", Some("0")), ("a", Some("1")), ("b", Some("2"))]).await;
    put(&log, other, &[("", Some("kept"))]).await;
    let state = vec![puts(cleared, &[("b", Some("3"))])];
    commit(&log, Unit { state, state_clears: vec![cleared], ..Unit::default() }).await;
    assert_eq!(gets(&log, cleared, &["", "a", "b"]), [None, None, some("3")]);
    assert_eq!(gets(&log, other, &[""]), [some("kept")]);
}

pub async fn stores_do_not_see_each_other(harness: &impl Harness) {
    let log = harness.open().await;
    let stores = [
        store(1, 0, 0),
        store(1, 0, 1),
        store(1, 1, 0),
        store(2, 0, 0),
        store(256, 0, 0),
        store(1, 0, u32::MAX),
    ];
    for (i, store) in stores.into_iter().enumerate() {
        put(&log, store, &[("same", Some(&i.to_string())), ("", Some("first")), ("\u{ff}", Some("last"))])
            .await;
    }
    for (i, store) in stores.into_iter().enumerate() {
        assert_eq!(gets(&log, store, &["same"]), [some(&i.to_string())]);
        for backwards in [false, true] {
            assert_eq!(scan(&log, store, &range(None, None, backwards), 100).0.len(), 3, "{store:?}");
        }
    }
    commit(&log, Unit { state_clears: vec![stores[0]], ..Unit::default() }).await;
    for store in &stores[1..] {
        assert_eq!(scan(&log, *store, &KeyRange::default(), 100).0.len(), 3, "{store:?}");
    }
    assert!(scan(&log, stores[0], &KeyRange::default(), 100).0.is_empty());
}

pub async fn a_missing_key_and_an_empty_value_differ(harness: &impl Harness) {
    let log = harness.open().await;
    let store = store(1, 0, 0);
    put(&log, store, &[("empty", Some("")), ("", Some("of the empty key"))]).await;
    assert_eq!(gets(&log, store, &["empty", "missing", ""]), [some(""), None, some("of the empty key")]);
}

pub async fn a_scan_goes_both_ways_in_byte_order(harness: &impl Harness) {
    let log = harness.open().await;
    let store = store(1, 0, 0);
    put(&log, store, &["b", "a", "ab", "", "z", "a\0"].map(|key| (key, Some("v")))).await;
    let forward = ["", "a", "a\0", "ab", "b", "z"];
    assert_eq!(
        scan(&log, store, &range(None, None, false), 100),
        (forward.map(String::from).to_vec(), false)
    );
    let mut backward = forward;
    backward.reverse();
    assert_eq!(
        scan(&log, store, &range(None, None, true), 100),
        (backward.map(String::from).to_vec(), false)
    );
    for (start, end, expected) in [
        (Some("a"), Some("b"), &["a", "a\0", "ab"][..]),
        (Some("a\0"), None, &["a\0", "ab", "b", "z"]),
        (None, Some("a"), &[""]),
        (Some("b"), Some("b"), &[]),
        (Some("z"), Some("a"), &[]),
        (Some("zz"), None, &[]),
    ] {
        let mut found = scan(&log, store, &range(start, end, false), 100);
        assert_eq!(
            found,
            (expected.iter().map(|key| key.to_string()).collect(), false),
            "{start:?} to {end:?}"
        );
        found.0.reverse();
        assert_eq!(scan(&log, store, &range(start, end, true), 100), found, "{start:?} to {end:?} backwards");
    }
}

pub async fn a_scan_pages_and_says_whether_more_lie_beyond(harness: &impl Harness) {
    let log = harness.open().await;
    let store = store(1, 0, 0);
    put(&log, store, &["a", "b", "c", "d"].map(|key| (key, Some("v")))).await;
    let page = |start, end, backwards, limit| scan(&log, store, &range(start, end, backwards), limit);
    let keys = |keys: &[&str]| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
    assert_eq!(page(None, None, false, 3), (keys(&["a", "b", "c"]), true));
    assert_eq!(page(None, None, false, 4), (keys(&["a", "b", "c", "d"]), false));
    assert_eq!(
        page(None, Some("c"), false, 2),
        (keys(&["a", "b"]), false),
        "what lies behind the range is not in it"
    );
    assert_eq!(page(Some("b"), None, true, 2), (keys(&["d", "c"]), true));
    assert_eq!(page(Some("b"), None, true, 3), (keys(&["d", "c", "b"]), false));
    assert_eq!(page(None, None, false, 0), (keys(&[]), true));
    assert_eq!(page(Some("e"), None, false, 0), (keys(&[]), false));
}

/// Random changes and scans against a sorted map. Keys are short, so that they collide and are each other's prefixes.
pub async fn a_scan_agrees_with_a_model(harness: &impl Harness) {
    let log = harness.open().await;
    for seed in 0..6 {
        let mut seeded = Seeded::new(seed);
        let store = store(7, u32::try_from(seed).unwrap(), 3);
        let mut model = BTreeMap::new();
        let key = |seeded: &mut Seeded| -> String {
            let len = seeded.below(3);
            (0..len).map(|_| ['\0', 'a', 'b', '\u{7f}'][seeded.below(4)]).collect()
        };
        for step in 0..40 {
            let (name, value) = (key(&mut seeded), format!("{step}"));
            let value = (!seeded.one_in(4)).then_some(value);
            put(&log, store, &[(&name, value.as_deref())]).await;
            match value {
                Some(value) => model.insert(name, value),
                None => model.remove(&name),
            };
            let bound = |seeded: &mut Seeded| (!seeded.one_in(3)).then(|| key(seeded));
            let (start, end, backwards) = (bound(&mut seeded), bound(&mut seeded), seeded.one_in(2));
            let limit = seeded.below(6);
            let inside = |name: &&String| {
                start.as_ref().is_none_or(|start| *name >= start)
                    && end.as_ref().is_none_or(|end| *name < end)
            };
            let mut expected: Vec<String> = model.keys().filter(inside).cloned().collect();
            if backwards {
                expected.reverse();
            }
            let more = expected.len() > limit;
            expected.truncate(limit);
            let range = range(start.as_deref(), end.as_deref(), backwards);
            assert_eq!(
                scan(&log, store, &range, limit),
                (expected, more),
                "seed {seed} step {step} {range:?}"
            );
        }
    }
}

fn timer(clock: TimerClock, at: i64, key: &str) -> TimerEntry {
    TimerEntry { clock, at: Timestamp(at), key: bytes(key), payload: bytes(&format!("{key}@{at}")) }
}
async fn set(log: &Arc<dyn Log>, task: TaskKey, timers: Vec<TimerEntry>) {
    let timers = timers.into_iter().map(|timer| TimerChange::Set(task, timer)).collect();
    commit(log, Unit { timers, ..Unit::default() }).await;
}
fn due(log: &Arc<dyn Log>, task: TaskKey, clock: TimerClock, now: i64, limit: usize) -> Vec<String> {
    let due = log.timers_due(task, clock, Timestamp(now), limit).unwrap();
    assert!(due.iter().all(|timer| timer.clock == clock && timer.at.0 <= now));
    due.iter().map(|timer| String::from_utf8_lossy(&timer.payload).into_owned()).collect()
}

pub async fn timers_come_in_order_of_time_then_key(harness: &impl Harness) {
    let log = harness.open().await;
    let task = task(1, 0);
    let event = TimerClock::Event;
    assert_eq!(log.timer_next(task, event).unwrap(), None);
    let times = [(20, "a"), (-5, "z"), (10, "c"), (10, "b"), (10, ""), (256, "d"), (255, "e")];
    set(&log, task, times.map(|(at, key)| timer(event, at, key)).to_vec()).await;
    assert_eq!(log.timer_next(task, event).unwrap(), Some(Timestamp(-5)), "times before 1970 come first");
    assert!(due(&log, task, event, -6, 10).is_empty());
    assert_eq!(due(&log, task, event, 10, 10), ["z@-5", "@10", "b@10", "c@10"]);
    assert_eq!(due(&log, task, event, 10, 2), ["z@-5", "@10"]);
    assert_eq!(due(&log, task, event, i64::MAX, 10)[4..], ["a@20", "e@255", "d@256"]);
    assert!(due(&log, task, event, i64::MAX, 0).is_empty());
}

pub async fn a_timer_is_moved_cancelled_and_cleared(harness: &impl Harness) {
    let log = harness.open().await;
    let task = task(1, 0);
    let wall = TimerClock::Wall;
    set(&log, task, vec![timer(wall, 10, "a"), timer(wall, 20, "b"), timer(wall, 30, "c")]).await;
    set(&log, task, vec![timer(wall, 40, "a"), timer(wall, 15, "c"), timer(wall, 25, "c")]).await;
    assert_eq!(due(&log, task, wall, 100, 10), ["b@20", "c@25", "a@40"], "each key has one timer");
    let cancels = ["b", "never"].map(|key| TimerChange::Cancel(task, wall, bytes(key))).to_vec();
    commit(&log, Unit { timers: cancels, ..Unit::default() }).await;
    assert_eq!(due(&log, task, wall, 100, 10), ["c@25", "a@40"]);
    let mixed = vec![
        TimerChange::Set(task, timer(wall, 1, "gone")),
        TimerChange::Clear(task),
        TimerChange::Set(task, timer(wall, 2, "a")),
        TimerChange::Set(task, timer(wall, 3, "x")),
        TimerChange::Cancel(task, wall, bytes("x")),
    ];
    commit(&log, Unit { timers: mixed, ..Unit::default() }).await;
    assert_eq!(due(&log, task, wall, 100, 10), ["a@2"], "changes apply in order");
    assert_eq!(log.timer_next(task, wall).unwrap(), Some(Timestamp(2)));
}

pub async fn timers_of_other_clocks_and_tasks_stay(harness: &impl Harness) {
    let log = harness.open().await;
    let (event, wall) = (TimerClock::Event, TimerClock::Wall);
    let (one, two, three) = (task(1, 0), task(1, 1), task(2, 0));
    for task in [one, two, three] {
        set(&log, task, vec![timer(event, 10, "a"), timer(wall, 10, "a"), timer(wall, 5, "w")]).await;
    }
    let cancel = vec![TimerChange::Cancel(one, event, bytes("a"))];
    commit(&log, Unit { timers: cancel, ..Unit::default() }).await;
    assert!(due(&log, one, event, 100, 10).is_empty());
    assert_eq!(due(&log, one, wall, 100, 10), ["w@5", "a@10"]);
    commit(&log, Unit { timers: vec![TimerChange::Clear(one)], ..Unit::default() }).await;
    assert!(due(&log, one, wall, 100, 10).is_empty());
    for task in [two, three] {
        assert_eq!(
            (due(&log, task, event, 100, 10).len(), due(&log, task, wall, 100, 10).len()),
            (1, 2),
            "{task:?}"
        );
    }
}

fn committed(raw: u64, metadata: &str) -> CommittedOffset {
    let leader_epoch = (raw % 2 == 1).then_some(potok_types::LeaderEpoch(3));
    CommittedOffset { offset: offset(raw), leader_epoch, metadata: metadata.into(), committed_at: START }
}
async fn commit_offset(log: &Arc<dyn Log>, group: &str, at: TopicPartition, change: OffsetChange) {
    let offsets = vec![OffsetCommit { group: group.into(), at, change }];
    commit(log, Unit { offsets, ..Unit::default() }).await;
}

pub async fn offsets_are_committed_replaced_and_removed(harness: &impl Harness) {
    let log = harness.open().await;
    let topic = topic(&log, "events", 2, &[]).await;
    let (left, right) = (at(&topic, 0), at(&topic, 1));
    assert_eq!(log.committed("g", left).unwrap(), None);
    assert!(log.groups().unwrap().is_empty());
    commit_offset(&log, "g", left, OffsetChange::Set(committed(5, "first"))).await;
    commit_offset(&log, "g", left, OffsetChange::Set(committed(4, "back, ü"))).await;
    commit_offset(&log, "g", right, OffsetChange::Set(committed(0, ""))).await;
    assert_eq!(log.committed("g", left).unwrap(), Some(committed(4, "back, ü")));
    let both = vec![(left, committed(4, "back, ü")), (right, committed(0, ""))];
    assert_eq!(log.committed_all("g").unwrap(), both);
    commit_offset(&log, "g", left, OffsetChange::Remove).await;
    commit_offset(&log, "g", left, OffsetChange::Remove).await;
    assert_eq!(log.committed("g", left).unwrap(), None);
    assert_eq!(log.committed_all("g").unwrap(), both[1..]);
    commit_offset(&log, "g", right, OffsetChange::Remove).await;
    assert!(log.groups().unwrap().is_empty(), "a group without an offset is listed");
}

pub async fn groups_whose_names_begin_alike_stay_apart(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    let names = ["", "a", "a\0", "a\0\u{1}", "ab", "b", "ü"];
    for (i, name) in (1..).zip(names) {
        commit_offset(&log, name, at, OffsetChange::Set(committed(i, name))).await;
    }
    let mut groups = log.groups().unwrap();
    groups.sort();
    assert_eq!(groups, names);
    for (i, name) in (1..).zip(names) {
        assert_eq!(log.committed_all(name).unwrap(), [(at, committed(i, name))], "{name:?}");
    }
    commit_offset(&log, "a", at, OffsetChange::Remove).await;
    assert_eq!(log.groups().unwrap().len(), names.len() - 1);
    assert_eq!(log.committed("a\0", at).unwrap(), Some(committed(3, "a\0")));
}

pub async fn offsets_go_with_their_topic(harness: &impl Harness) {
    let log = harness.open().await;
    let gone = topic(&log, "gone", 1, &[]).await;
    let stays = at(&*topic(&log, "stays", 1, &[]).await, 0);
    commit_offset(&log, "only", at(&gone, 0), OffsetChange::Set(committed(1, ""))).await;
    for place in [at(&gone, 0), stays] {
        commit_offset(&log, "both", place, OffsetChange::Set(committed(2, ""))).await;
    }
    log.delete_topic(&gone.name).await.unwrap();
    assert_eq!(log.groups().unwrap(), ["both"]);
    assert_eq!(log.committed_all("both").unwrap(), [(stays, committed(2, ""))]);
    assert_eq!(log.committed("both", at(&gone, 0)).unwrap(), None);
    // forgetting what is gone is no error
    commit_offset(&log, "both", at(&gone, 0), OffsetChange::Remove).await;
}

pub async fn named_things_are_kept_by_kind_and_name(harness: &impl Harness) {
    let log = harness.open().await;
    let change = |kind, name: &str, value: Option<&str>| MetaChange {
        kind,
        name: name.into(),
        value: value.map(bytes),
    };
    let (module, group) = (MetaKind::Module, MetaKind::Group);
    let set =
        [(module, "b", "1"), (module, "a", "2"), (group, "a", "3"), (module, "ab", ""), (module, "", "4")];
    let meta = set.into_iter().map(|(kind, name, value)| change(kind, name, Some(value))).collect();
    commit(&log, Unit { meta, ..Unit::default() }).await;
    let names = |kind| log.meta_all(kind).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(module), ["", "a", "ab", "b"]);
    assert_eq!(log.meta_all(group).unwrap(), [("a".to_owned(), bytes("3"))]);
    assert_eq!(log.meta_get(module, "ab").unwrap(), Some(bytes("")));
    let meta = vec![change(module, "a", None), change(module, "b", Some("5")), change(module, "never", None)];
    commit(&log, Unit { meta, ..Unit::default() }).await;
    assert_eq!(names(module), ["", "ab", "b"]);
    assert_eq!(log.meta_get(module, "b").unwrap(), Some(bytes("5")));
    assert_eq!(log.meta_get(group, "a").unwrap(), Some(bytes("3")));
}
