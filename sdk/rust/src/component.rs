//! The component's exports over a [`Runner`]: what `processor!` expands to calls these.
//! In: the bindings' types. Out: the same. Invariant: columns are moved, never copied; a panic's words reach the host before the trap.

use crate::bindings::exports::potok::plugin::processor::Task as WireTask;
use crate::bindings::potok::plugin::{about, records, timers};
use crate::column::{Column, HeaderColumns};
use crate::describe::{Description, Grant};
use crate::logging::Level;
use crate::outcome::{Body, Emission, Fresh, Outcome, Refused};
use crate::processor::{BatchProcessor, Task};
use crate::record::Batch;
use crate::runner::{CallFailure, Runner};
use crate::time::Timestamp;
use crate::timer::{Clock, Timer};
use std::cell::RefCell;
use std::thread::LocalKey;

/// Where a component keeps its processor.
#[derive(Debug)]
pub struct Slot<P>(RefCell<Option<Runner<P>>>);

impl<P> Slot<P> {
    /// With no processor yet.
    #[expect(clippy::new_without_default, reason = "a thread-local needs a const")]
    pub const fn new() -> Slot<P> {
        Slot(RefCell::new(None))
    }
}

pub fn describe<P: BatchProcessor>() -> about::Description {
    report_panics();
    P::describe().into()
}
pub fn open<P: BatchProcessor>(slot: &'static LocalKey<Slot<P>>, task: WireTask) -> Result<(), String> {
    report_panics();
    let place = Task { partition: task.partition, partitions: task.partitions };
    let runner = Runner::open(&task.config, place)?;
    slot.with(|slot| slot.0.replace(Some(runner)));
    Ok(())
}
pub fn process<P: BatchProcessor>(
    slot: &'static LocalKey<Slot<P>>,
    batch: records::Batch,
) -> Result<records::Outcome, records::Failure> {
    let batch = Batch::from(batch);
    with(slot, |runner| runner.process(&batch)).map(records::Outcome::from).map_err(records::Failure::from)
}
pub fn on_timers<P: BatchProcessor>(
    slot: &'static LocalKey<Slot<P>>,
    due: Vec<timers::Timer>,
) -> Result<records::Outcome, records::Failure> {
    let due: Vec<Timer> = due.into_iter().map(Timer::from).collect();
    with(slot, |runner| runner.on_timers(&due)).map(records::Outcome::from).map_err(records::Failure::from)
}
pub fn close<P: BatchProcessor>(slot: &'static LocalKey<Slot<P>>) {
    if let Some(mut runner) = slot.with(|slot| slot.0.take()) {
        runner.close();
    }
}

fn with<P: BatchProcessor, T>(slot: &'static LocalKey<Slot<P>>, call: impl FnOnce(&mut Runner<P>) -> T) -> T {
    slot.with(|slot| match &mut *slot.0.borrow_mut() {
        Some(runner) => call(runner),
        None => panic!("the host called before `open`"),
    })
}

/// A panic ends the instance; its words go to the log first.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| crate::host::log(Level::Error, &panic.to_string())));
}

impl From<records::Batch> for Batch {
    fn from(batch: records::Batch) -> Batch {
        Batch {
            input: batch.input,
            partition: batch.partition,
            offsets: batch.offsets,
            timestamps: batch.timestamps,
            keys: batch.keys.into(),
            values: batch.values.into(),
            headers: batch.headers.map(|headers| HeaderColumns {
                ends: headers.ends,
                names: headers.names.into(),
                values: headers.values.into(),
            }),
        }
    }
}
impl From<timers::Timer> for Timer {
    fn from(timer: timers::Timer) -> Timer {
        let clock = match timer.clock {
            timers::Clock::Event => Clock::Event,
            timers::Clock::Wall => Clock::Wall,
        };
        Timer { clock, at: Timestamp(timer.at), key: timer.key, payload: timer.payload }
    }
}
impl From<Outcome> for records::Outcome {
    fn from(outcome: Outcome) -> records::Outcome {
        records::Outcome {
            covered: outcome.covered,
            emitted: outcome.emitted.into_iter().map(records::Emission::from).collect(),
            refused: outcome
                .refused
                .into_iter()
                .map(|Refused { index, reason }| records::Refused { index, reason })
                .collect(),
            wait: outcome.wait,
        }
    }
}
impl From<Emission> for records::Emission {
    fn from(Emission { output, body }: Emission) -> records::Emission {
        let body = match body {
            Body::Forward(indices) => records::Body::Forward(indices),
            Body::Fresh(fresh) => records::Body::Fresh(fresh.into()),
        };
        records::Emission { output, body }
    }
}
impl From<Fresh> for records::FreshRecords {
    fn from(fresh: Fresh) -> records::FreshRecords {
        let headers = fresh.headers.map(|headers| records::Headers {
            ends: headers.ends,
            names: headers.names.into(),
            values: headers.values.into(),
        });
        records::FreshRecords {
            timestamps: fresh.timestamps,
            keys: Column::into(fresh.keys),
            values: Column::into(fresh.values),
            headers,
            partitions: fresh.partitions,
        }
    }
}
impl From<CallFailure> for records::Failure {
    fn from(failure: CallFailure) -> records::Failure {
        match failure {
            CallFailure::Retry(reason) => records::Failure::Retry(reason),
            CallFailure::Broken(reason) => records::Failure::Broken(reason),
        }
    }
}
impl From<Description> for about::Description {
    fn from(description: Description) -> about::Description {
        let ports = |ports: Vec<(String, String)>| {
            ports.into_iter().map(|(name, summary)| about::Port { name, summary }).collect()
        };
        let stores = description.stores.into_iter().map(|(name, ttl)| about::StoreSpec {
            name,
            ttl_ms: ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
        });
        about::Description {
            name: description.name,
            version: description.version,
            summary: description.summary,
            config_schema: description.config_schema,
            inputs: ports(description.inputs),
            outputs: ports(description.outputs),
            stores: stores.collect(),
            state_version: description.state_version,
            wants: description.wants.into_iter().map(about::Grant::from).collect(),
        }
    }
}
impl From<Grant> for about::Grant {
    fn from(grant: Grant) -> about::Grant {
        match grant {
            Grant::Tcp(address) => about::Grant::Tcp(address),
            Grant::Http(prefix) => about::Grant::Http(prefix),
            Grant::Directory { name, write } => about::Grant::Directory(about::Directory { name, write }),
            Grant::Secret(name) => about::Grant::Secret(name),
            Grant::Database(name) => about::Grant::Database(name),
        }
    }
}
