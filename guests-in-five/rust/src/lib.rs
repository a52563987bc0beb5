//! The Rust guest on raw bindings: a filter that forwards by index, or a keyed count, as its configuration says.
//! In: batches as columns. Out: indices, or counts as fresh records; the same as the guests in the other four languages.
//! `tests/tests/five_languages.rs` holds the rules that all five keep. What a plugin's author writes is `sdk/rust`.

use std::cell::RefCell;
use std::collections::HashMap;

#[expect(unsafe_code, reason = "generated: what the canonical ABI needs")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "processor-plugin", generate_all });
    use super::Guest;
    export!(Guest);
}

use bindings::exports::potok::plugin::processor::{Guest as Processor, Task};
use bindings::potok::plugin::about::{Description, Port, StoreSpec};
use bindings::potok::plugin::logging::{self, Level};
use bindings::potok::plugin::records::{
    Batch, Body, Column, Emission, Failure, FreshRecords, Outcome, Refused,
};
use bindings::potok::plugin::state::Store;
use bindings::potok::plugin::timers::{self, Clock, Timer};

/// A key's first record sets a timer this much later, in milliseconds.
const FIRST_SEEN_TIMER_MS: i64 = 60_000;

const SCHEMA: &str =
    r#"{"type":"object","properties":{"mode":{"enum":["filter","count"]}},"required":["mode"]}"#;

enum Mode {
    Filter,
    Count(Store),
}

thread_local! {
    static MODE: RefCell<Option<Mode>> = const { RefCell::new(None) };
}

struct Guest;

impl Processor for Guest {
    fn describe() -> Description {
        let port = |name: &str, summary: &str| Port { name: name.into(), summary: summary.into() };
        Description {
            name: "five-rust".into(),
            version: "0.1.0".into(),
            summary: "Filters by index, or counts by key, on raw bindings".into(),
            config_schema: SCHEMA.into(),
            inputs: vec![port("in", "Any records")],
            outputs: vec![
                port("kept", "Records with a value of even length"),
                port("counts", "Records of each key so far"),
            ],
            stores: vec![StoreSpec { name: "counts".into(), ttl_ms: None }],
            state_version: 1,
            wants: vec![],
        }
    }

    fn open(task: Task) -> Result<(), String> {
        let mode = if task.config.contains("\"filter\"") {
            Mode::Filter
        } else if task.config.contains("\"count\"") {
            Mode::Count(Store::open("counts").map_err(|error| format!("{error:?}"))?)
        } else {
            return Err("`mode` is neither `filter` nor `count`".into());
        };
        logging::log(Level::Info, "rust guest is open");
        MODE.with_borrow_mut(|slot| *slot = Some(mode));
        Ok(())
    }

    fn process(records: Batch) -> Result<Outcome, Failure> {
        MODE.with_borrow(|mode| match mode {
            Some(Mode::Filter) => Ok(filter(&records)),
            Some(Mode::Count(store)) => count(store, &records),
            None => Err(Failure::Broken("process before open".into())),
        })
    }

    fn on_timers(due: Vec<Timer>) -> Result<Outcome, Failure> {
        let mut fresh = Fresh::default();
        for timer in &due {
            fresh.push(&timer.at.to_le_bytes(), &timer.key, &timer.payload);
        }
        Ok(outcome(due.len(), fresh.emission(), vec![]))
    }

    fn close() {
        MODE.with_borrow_mut(|slot| *slot = None);
    }
}

fn outcome(covered: usize, emitted: Option<Emission>, refused: Vec<Refused>) -> Outcome {
    let covered = u32::try_from(covered).unwrap_or(u32::MAX);
    Outcome { covered, emitted: emitted.into_iter().collect(), refused, wait: None }
}

fn is_null(column: &Column, index: usize) -> bool {
    column.nulls.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Where each item lies in `column.data`.
fn items(column: &Column) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let ends = column.ends.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    ends.scan(0, |start, end| Some(std::mem::replace(start, end)..end))
}

fn refusal(index: u32, reason: &str) -> Refused {
    Refused { index, reason: reason.into() }
}

fn filter(records: &Batch) -> Outcome {
    let (mut kept, mut refused, mut covered) = (Vec::with_capacity(records.offsets.len() / 2), Vec::new(), 0);
    for (index, range) in items(&records.values).enumerate() {
        if is_null(&records.values, index) {
            refused.push(refusal(covered, "no value"));
        } else if range.len() % 2 == 0 {
            kept.extend_from_slice(&covered.to_le_bytes());
        }
        covered += 1;
    }
    let emission = (!kept.is_empty()).then_some(Emission { output: 0, body: Body::Forward(kept) });
    outcome(covered as usize, emission, refused)
}

/// Records to be, in columns.
#[derive(Default)]
struct Fresh {
    timestamps: Vec<u8>,
    keys: Items,
    values: Items,
}

#[derive(Default)]
struct Items {
    data: Vec<u8>,
    ends: Vec<u8>,
}

impl Items {
    fn push(&mut self, item: &[u8]) {
        self.data.extend_from_slice(item);
        let end = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        self.ends.extend_from_slice(&end.to_le_bytes());
    }
    fn column(self) -> Column {
        Column { data: self.data, ends: self.ends, nulls: vec![] }
    }
}

impl Fresh {
    fn push(&mut self, timestamp: &[u8], key: &[u8], value: &[u8]) {
        self.timestamps.extend_from_slice(timestamp);
        self.keys.push(key);
        self.values.push(value);
    }
    fn emission(self) -> Option<Emission> {
        let Fresh { timestamps, keys, values } = self;
        if timestamps.is_empty() {
            return None;
        }
        let (keys, values) = (keys.column(), values.column());
        let fresh = FreshRecords { timestamps, keys, values, headers: None, partitions: vec![] };
        Some(Emission { output: 1, body: Body::Fresh(fresh) })
    }
}

/// What one batch says of one key.
struct Tally<'a> {
    key: &'a [u8],
    records: u64,
    first: &'a [u8; 8],
    last: &'a [u8; 8],
}

/// Each key of the batch, in the order of its first record, and who has none.
fn tally(records: &Batch) -> (Vec<Tally<'_>>, Vec<Refused>, usize) {
    let (mut tallies, mut refused, mut places) = (Vec::<Tally>::new(), Vec::new(), HashMap::new());
    let timestamps = records.timestamps.as_chunks::<8>().0;
    for ((index, range), timestamp) in (0..).zip(items(&records.keys)).zip(timestamps) {
        if is_null(&records.keys, index as usize) {
            refused.push(refusal(index, "no key"));
            continue;
        }
        let key = &records.keys.data[range];
        let place = *places.entry(key).or_insert_with(|| {
            tallies.push(Tally { key, records: 0, first: timestamp, last: timestamp });
            tallies.len() - 1
        });
        tallies[place].records += 1;
        tallies[place].last = timestamp;
    }
    (tallies, refused, timestamps.len())
}

fn count(store: &Store, records: &Batch) -> Result<Outcome, Failure> {
    let (tallies, refused, covered) = tally(records);
    if tallies.is_empty() {
        return Ok(outcome(covered, None, refused));
    }
    let broken = |error| Failure::Broken(format!("{error:?}"));
    let mut keys = Items::default();
    tallies.iter().for_each(|tally| keys.push(tally.key));
    let keys = keys.column();
    let before = store.get_many(&keys).map_err(broken)?;
    let mut fresh = Fresh::default();
    for ((index, tally), range) in tallies.iter().enumerate().zip(items(&before)) {
        let known = before.data[range].try_into().map_or(0, u64::from_le_bytes);
        if is_null(&before, index) {
            let at = i64::from_le_bytes(*tally.first) + FIRST_SEEN_TIMER_MS;
            timers::set(&Timer {
                clock: Clock::Event,
                at,
                key: tally.key.to_vec(),
                payload: b"first".to_vec(),
            });
        }
        fresh.push(tally.last, tally.key, &(known + tally.records).to_le_bytes());
    }
    let values = Column { data: fresh.values.data.clone(), ends: fresh.values.ends.clone(), nulls: vec![] };
    store.put_many(&keys, &values).map_err(broken)?;
    Ok(outcome(covered, fresh.emission(), refused))
}
