//! One running processor: a store, the guest in it, and the calls that the processor room makes on it.
//! Batches go in as borrowed columns, checked outcomes come out. After a trap, a passed deadline, a broken contract, or a
//! call that its caller dropped half way, the instance answers nothing any more: make a fresh one.

use crate::api::{CallError, Due, InstanceSettings, Outcome, TaskSetup, TimerClock};
use crate::bindings::processor::ProcessorPlugin;
use crate::bindings::processor::exports::potok::plugin::processor::{Guest, Task};
use crate::bindings::records::{Batch, ColumnParam, Failure, HeadersParam, Outcome as RawOutcome};
use crate::bindings::timers::{Clock, TimerParam};
use crate::call::{Fault, Pace};
use crate::engine::Engine;
use crate::host::Host;
use crate::limits::{REASON_LEN_MAX, cut};
use crate::outcome::Asked;
use potok_types::{Column, RecordColumns};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;

/// A processor's instance. Calls take it by `&mut`: they never overlap.
pub struct Instance {
    store: Store<Host>,
    plugin: ProcessorPlugin,
    pace: Arc<Pace>,
    settings: InstanceSettings,
    outputs: u32,
    /// False from the start of a call until it ended well.
    usable: bool,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("memory_bytes", &self.memory_bytes())
            .field("usable", &self.usable)
            .finish_non_exhaustive()
    }
}

/// A store for one instance under these settings, its pace set.
pub(crate) fn store(engine: &Engine, host: Host, settings: &InstanceSettings) -> (Store<Host>, Arc<Pace>) {
    let mut store = Store::new(engine.wasmtime(), host);
    store.limiter(|host| &mut host.memory);
    store.set_hostcall_fuel(settings.output_bytes_max);
    store.set_max_component_handles(crate::limits::HANDLES_MAX);
    store.set_epoch_deadline(1);
    let pace = Arc::new(Pace::by(engine.ticks()));
    pace.set_on(&mut store);
    (store, pace)
}

impl Instance {
    pub(crate) fn new(
        store: Store<Host>,
        plugin: ProcessorPlugin,
        pace: Arc<Pace>,
        settings: InstanceSettings,
        outputs: u32,
    ) -> Instance {
        Instance { store, plugin, pace, settings, outputs, usable: true }
    }
    /// Tells the guest its task; once, before anything else. What the guest answers as an error is [`CallError::Broken`].
    pub async fn open(&mut self, setup: &TaskSetup) -> Result<(), CallError> {
        let task = Task { config: &setup.config, partition: setup.partition, partitions: setup.partitions };
        let answer = self.call(async |guest, store| guest.call_open(store, task).await).await?;
        answer.map_err(|reason| CallError::Broken(cut(reason, REASON_LEN_MAX)))
    }
    /// Hands over records of one partition of input number `input`; at least one.
    pub async fn process(
        &mut self,
        input: u32,
        partition: u32,
        records: &RecordColumns,
    ) -> Result<Outcome, CallError> {
        let batch = batch(input, partition, records);
        let answer = self.call(async |guest, store| guest.call_process(store, batch).await).await?;
        self.outcome(answer, Asked { records: records.len(), outputs: self.outputs, forwards: true })
    }
    /// Hands over timers that are due, in order of time; at least one.
    pub async fn on_timers(&mut self, due: &[Due]) -> Result<Outcome, CallError> {
        let timers: Vec<TimerParam<'_>> = due.iter().map(timer).collect();
        let answer = self.call(async |guest, store| guest.call_on_timers(store, &timers).await).await?;
        self.outcome(answer, Asked { records: due.len(), outputs: self.outputs, forwards: false })
    }
    /// Lets the guest go in good order. Whatever it does is of no consequence any more.
    pub async fn close(&mut self) {
        if let Err(error) = self.call(async |guest, store| guest.call_close(store).await).await {
            tracing::debug!(%error, "guest failed while closing");
        }
        self.usable = false;
    }
    /// Bytes of the instance's linear memory.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.bytes
    }
    /// Whether the instance should give way to a fresh one before the next batch: its memory passed `replace_at_bytes`, or it
    /// is of no use any more.
    pub fn wants_replacement(&self) -> bool {
        !self.usable || self.memory_bytes() > self.settings.replace_at_bytes
    }

    /// One call under the deadline; whatever ends it otherwise than well leaves the instance of no use.
    async fn call<R>(
        &mut self,
        on: impl AsyncFnOnce(&Guest, &mut Store<Host>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        if !std::mem::replace(&mut self.usable, false) {
            return Err(CallError::Trap("the instance ended in an earlier call".into()));
        }
        let deadline = self.settings.deadline();
        self.store.data_mut().begin_call();
        self.store.set_epoch_deadline(1);
        self.pace.begin(deadline);
        let guest = self.plugin.potok_plugin_processor();
        let result = self.pace.drive(deadline, on(guest, &mut self.store)).await;
        match result {
            Ok(answer) => {
                self.usable = true;
                Ok(answer)
            }
            Err(error) => Err(self.fault(deadline).classify(&error)),
        }
    }
    fn fault(&self, deadline: Duration) -> Fault {
        let refused = self.store.data().memory.refused;
        Fault {
            deadline,
            memory_refused: refused.then_some(self.settings.memory_bytes_max),
            output_bytes_max: self.settings.output_bytes_max,
        }
    }
    fn outcome(&mut self, answer: Result<RawOutcome, Failure>, asked: Asked) -> Result<Outcome, CallError> {
        let checked = match answer {
            Ok(raw) => asked.check(raw),
            Err(Failure::Retry(reason)) => Err(CallError::Retry(cut(reason, REASON_LEN_MAX))),
            Err(Failure::Broken(reason)) => Err(CallError::Broken(cut(reason, REASON_LEN_MAX))),
        };
        self.usable = checked.as_ref().err().is_none_or(CallError::instance_survives);
        checked
    }
}

fn batch(input: u32, partition: u32, records: &RecordColumns) -> Batch<'_> {
    Batch {
        input,
        partition,
        offsets: &records.offsets,
        timestamps: &records.timestamps,
        keys: column(&records.keys),
        values: column(&records.values),
        headers: records.headers.as_ref().map(|headers| {
            let (ends, names, values) = headers.parts();
            HeadersParam { ends, names: column(names), values: column(values) }
        }),
    }
}
fn column(column: &Column) -> ColumnParam<'_> {
    let (data, ends, nulls) = column.parts();
    ColumnParam { data, ends, nulls }
}
fn timer(due: &Due) -> TimerParam<'_> {
    let clock = match due.clock {
        TimerClock::Event => Clock::Event,
        TimerClock::Wall => Clock::Wall,
    };
    TimerParam { clock, at: due.at.0, key: &due.key, payload: &due.payload }
}

const _: () = {
    const fn can_move_between_threads<T: Send>() {}
    can_move_between_threads::<Instance>();
};
