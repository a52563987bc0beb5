//! A task as the log has it: topics, positions, stream time, and an instance of its module.

use super::commit::stream_time_in;
use super::timers::Timers;
use super::unit::UnitBuilder;
use super::wait::Sweep;
use super::{Failure, Halt, Task, TaskContext};
use crate::api::{LOGS_TOPIC, group_of};
use crate::backoff::Backoff;
use crate::board::Position;
use crate::dead_letter::Letterhead;
use crate::guest::MakeError;
use crate::input::{Input, InputError};
use crate::lines::Lines;
use crate::order::Idle;
use crate::output::Output;
use crate::port::Port;
use crate::state::{KeyedState, StateFault};
use potok_log::{StoreError, TaskKey, Topic};
use potok_plugin::{CallError, Grant, TaskSetup};
use potok_types::{Offset, Timestamp, TopicName, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Task {
    /// Reads what the log holds; no instance yet.
    pub(super) fn load(ctx: &TaskContext) -> Result<Task, Halt> {
        let deployment = &ctx.deployment;
        let group = group_of(&deployment.name);
        let (inputs, stream_time) = load_inputs(ctx, &group)?;
        let partitions = inputs.first().map_or(1, |input| input.topic.partitions);
        let outputs = deployment
            .spec
            .outputs
            .iter()
            .map(|name| output(ctx, name, partitions))
            .collect::<Result<_, _>>()?;
        let key = TaskKey { processor: deployment.number, partition: ctx.partition };
        let now = ctx.clock.now();
        let stores = &ctx.module.description.stores;
        let state = KeyedState::new(key, stores, &ctx.cache);
        let lines = if deployment.spec.inputs.iter().any(|input| input.as_str() == LOGS_TOPIC) {
            Lines::none(ctx.partition, deployment.digest, now)
        } else {
            Lines::new(ctx.partition, deployment.digest, deployment.spec.log_lines_per_second, now)
        };
        let port = Port::new(ctx.log.clone(), key, ctx.board.clone(), granted_secrets(ctx), state, lines);
        let position = |i: &Input| Position { topic: i.topic.name.clone(), at: i.at, next: i.position() };
        ctx.board.set_positions(inputs.iter().map(position).collect(), stream_time);
        Ok(Task {
            key,
            group,
            letterhead: Letterhead {
                processor: deployment.name.to_string(),
                module: deployment.digest.to_string(),
                partition: ctx.partition,
            },
            idle: Idle::new(ctx.settings.join_idle(), inputs.len()),
            inputs,
            outputs,
            dead_letters: None,
            sweep: Sweep::new(port.ttl_min(), ctx.clock.monotonic()),
            port: Arc::new(port),
            guest: None,
            timers: Timers::new(key),
            stream_time,
            unit: UnitBuilder::new(1, ctx.units.clone()),
            flight: None,
            backoff: Backoff::new(&ctx.settings),
            cap: None,
            in_guest: Duration::ZERO,
            in_commit: Duration::ZERO,
            progressed: false,
            ctx: ctx.clone(),
        })
    }
    /// Makes an instance and opens it, when there is none.
    pub(super) async fn ensure_guest(&mut self) -> Result<(), Halt> {
        if self.guest.is_some() {
            return Ok(());
        }
        let port: Arc<dyn potok_plugin::TaskPort> = self.port.clone();
        let mut guest =
            self.ctx.guests.make(&self.ctx.deployment, port).await.map_err(|error| match error {
                MakeError::Passing(reason) => Halt::Redo(Failure::new("open", reason)),
                MakeError::Final(reason) => Halt::Stopped(Failure::new("open", reason)),
            })?;
        let setup = TaskSetup {
            config: self.ctx.deployment.spec.config.to_string(),
            partition: self.ctx.partition.0,
            partitions: self.inputs.first().map_or(1, |input| input.topic.partitions),
        };
        self.port.begin(self.ctx.clock.now(), self.stream_time);
        let began = self.ctx.clock.monotonic();
        let opened = guest.open(&setup).await;
        self.in_guest += self.ctx.clock.monotonic().saturating_sub(began);
        if let Err(halt) = judge_open(opened, self.port.take_fault()) {
            self.port.discard();
            return Err(halt);
        }
        self.take_changes();
        self.guest = Some(guest);
        self.set_running();
        Ok(())
    }
    /// What the call changed goes into the unit being built; answers its bytes.
    pub(super) fn take_changes(&mut self) -> usize {
        let (timers, bytes) = self.port.accept(self.unit.number);
        self.timers.changed(&timers);
        if bytes > 0 || !timers.is_empty() {
            self.unit.touch();
        }
        self.unit.timers.extend(timers);
        bytes
    }
    pub(super) fn input_halt(&self, error: InputError) -> Halt {
        let failure = Failure::new("log", error.to_string());
        match error {
            InputError::Store(_) => Halt::Redo(failure),
            InputError::Deleted(_) | InputError::Corrupt { .. } | InputError::Ahead { .. } => {
                Halt::Stopped(failure)
            }
        }
    }
}

fn judge_open(opened: Result<(), CallError>, fault: Option<StateFault>) -> Result<(), Halt> {
    match (opened, fault) {
        (_, Some(StateFault::Host(reason))) => Err(Halt::Redo(Failure::new("log", reason))),
        (_, Some(StateFault::Guest(reason))) => Err(Halt::Stopped(Failure::new("open", reason))),
        (Ok(()), None) => Ok(()),
        (Err(CallError::Retry(reason)), None) => Err(Halt::Redo(Failure::new("retry", reason))),
        (Err(CallError::Host(reason)), None) => Err(Halt::Redo(Failure::new("log", reason))),
        (Err(error), None) => Err(Halt::Stopped(Failure::new("open", format!("open: {error}")))),
    }
}

fn load_inputs(ctx: &TaskContext, group: &str) -> Result<(Vec<Input>, Option<Timestamp>), Halt> {
    let mut stream_time = None;
    let mut inputs = Vec::new();
    for name in &ctx.deployment.spec.inputs {
        let gone = || Halt::Stopped(Failure::new("log", InputError::Deleted(name.to_string()).to_string()));
        let topic = ctx.log.topic(name).ok_or_else(gone)?;
        let at = topic.partition(ctx.partition).ok_or_else(gone)?;
        let watch = ctx.log.watch(at).map_err(|_| gone())?;
        let committed = ctx.log.committed(group, at).map_err(store_halt)?;
        // a partition without a position is new: all of it is unread
        let next = committed.as_ref().map_or(Offset::FIRST, |committed| committed.offset);
        check_position(ctx, &topic, at, next)?;
        stream_time = stream_time.max(committed.and_then(|committed| stream_time_in(&committed.metadata)));
        inputs.push(Input::new(topic, at, watch, next));
    }
    Ok((inputs, stream_time))
}

/// A position behind the end was made on another log, or by hand.
fn check_position(ctx: &TaskContext, topic: &Topic, at: TopicPartition, next: Offset) -> Result<(), Halt> {
    let end = ctx.log.ends(at).map_or(next, |ends| ends.high_watermark);
    if next <= end {
        return Ok(());
    }
    let error = InputError::Ahead { topic: topic.name.to_string(), position: next.get(), end: end.get() };
    Err(Halt::Stopped(Failure::new("log", error.to_string())))
}

/// What is damaged stays so; whatever else the store says may pass, or ends with the process.
pub(super) fn store_halt(error: StoreError) -> Halt {
    let failure = Failure::new("log", error.to_string());
    match error {
        StoreError::Corrupt { .. } => Halt::Stopped(failure),
        StoreError::Io(_)
        | StoreError::DiskFull { .. }
        | StoreError::WritesRefused(_)
        | StoreError::Closed => Halt::Redo(failure),
    }
}

fn output(ctx: &TaskContext, name: &TopicName, input_partitions: u32) -> Result<Output, Halt> {
    let topic = ctx.log.topic(name).ok_or_else(|| output_gone(name))?;
    Ok(Output::new(topic, ctx.partition, input_partitions))
}

pub(super) fn output_gone(name: &TopicName) -> Halt {
    let reason =
        format!("output topic {name} was deleted: create it again and restart, or deploy with another");
    Halt::Stopped(Failure::new("log", reason))
}

/// Whether a topic was altered, deleted or made anew since an output looked at it.
pub(super) fn refreshed(ctx: &TaskContext, output: &Output) -> Option<Option<Arc<Topic>>> {
    let now = ctx.log.topic(&output.topic().name);
    let same = |now: &Arc<Topic>| Arc::ptr_eq(now, output.topic()) || now == output.topic();
    if now.as_ref().is_some_and(same) { None } else { Some(now) }
}

fn granted_secrets(ctx: &TaskContext) -> BTreeMap<String, String> {
    let granted = ctx.deployment.spec.grants.iter().filter_map(|grant| match grant {
        Grant::Secret(name) => ctx.settings.secrets.get_key_value(name),
        Grant::Tcp(_) | Grant::Http(_) | Grant::Directory { .. } | Grant::Database(_) => None,
    });
    granted.map(|(name, secret)| (name.clone(), secret.clone())).collect()
}
