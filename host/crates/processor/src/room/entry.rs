//! One processor: its deployment, its boards, its running tasks.

use super::{Inner, panicked};
use crate::api::{Deployment, ProcessorStatus, TaskFailure, TaskState, group_of};
use crate::board::{Board, Position};
use crate::task::{self, TaskContext};
use futures::FutureExt;
use parking_lot::Mutex;
use potok_log::Log;
use potok_plugin::ModuleInfo;
use potok_types::{Offset, PartitionIndex, TopicName};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A processor that is deployed.
#[derive(Debug)]
pub(super) struct Entry {
    deployment: Mutex<Arc<Deployment>>,
    boards: Mutex<BTreeMap<u32, Arc<Board>>>,
    tasks: Mutex<BTreeMap<u32, Running>>,
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Entry {
    pub(super) fn new(deployment: Deployment) -> Entry {
        Entry {
            deployment: Mutex::new(Arc::new(deployment)),
            boards: Mutex::default(),
            tasks: Mutex::default(),
        }
    }
    pub(super) fn deployment(&self) -> Arc<Deployment> {
        self.deployment.lock().clone()
    }
    pub(super) fn set_deployment(&self, deployment: Deployment) {
        *self.deployment.lock() = Arc::new(deployment);
    }
    pub(super) fn boards(&self) -> Vec<(u32, Arc<Board>)> {
        self.boards.lock().iter().map(|(partition, board)| (*partition, board.clone())).collect()
    }
    /// Partitions that all inputs have.
    pub(super) fn partitions(&self, log: &dyn Log) -> usize {
        self.partition_counts(log).iter().map(|(_, count)| *count).min().unwrap_or(0) as usize
    }
    /// How many partitions each input has; 0 where it is gone.
    fn partition_counts(&self, log: &dyn Log) -> Vec<(TopicName, u32)> {
        let deployment = self.deployment();
        let count = |input: &TopicName| log.topic(input).map_or(0, |topic| topic.partitions);
        deployment.spec.inputs.iter().map(|input| (input.clone(), count(input))).collect()
    }
    /// Partitions that only some inputs have are nobody's: shown as stopped, so that what lies in them is not passed over in silence.
    fn show_unjoined(&self, room: &Inner) {
        let counts = self.partition_counts(&*room.log);
        let joined = counts.iter().map(|(_, count)| *count).min().unwrap_or(0);
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        if joined == 0 || joined == most {
            return;
        }
        let each: Vec<_> = counts.iter().map(|(topic, count)| format!("{topic} has {count}")).collect();
        let reason = format!(
            "partitions are joined by number and the inputs have not the same ({}): give each as many, and it starts",
            each.join(", ")
        );
        let failure = TaskFailure { at: room.clock.now(), kind: "open".to_owned(), reason, record: None };
        (joined..most).for_each(|partition| self.stop_shown(partition, &failure));
    }
    /// Starts a task for every partition that has none.
    pub(super) fn start_missing(&self, room: &Inner, module: &Arc<ModuleInfo>) {
        let deployment = self.deployment();
        let partitions = u32::try_from(self.partitions(&*room.log)).unwrap_or(u32::MAX);
        let mut tasks = self.tasks.lock();
        for partition in
            (0..partitions).filter(|partition| !tasks.contains_key(partition)).collect::<Vec<_>>()
        {
            let board = self.board(partition);
            let stop = CancellationToken::new();
            let ctx = TaskContext {
                settings: room.settings.clone(),
                log: room.log.clone(),
                guests: room.guests.clone(),
                clock: room.clock.clone(),
                waits: room.threads.waits(),
                deployment: deployment.clone(),
                module: module.clone(),
                partition: PartitionIndex(partition),
                board: board.clone(),
                cache: room.cache.clone(),
                units: room.units.clone(),
                stop: stop.clone(),
                pulse: room.pulse.clone(),
            };
            tasks.insert(partition, Running { stop, ended: room.threads.host(run_caught(ctx)) });
        }
        drop(tasks);
        self.show_unjoined(room);
    }
    fn board(&self, partition: u32) -> Arc<Board> {
        let make = || Arc::new(Board::new(PartitionIndex(partition), TaskState::Starting));
        self.boards.lock().entry(partition).or_insert_with(make).clone()
    }
    /// Asks every task to stop and waits until the last has ended, with nothing in flight.
    pub(super) async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.values().for_each(|task| task.stop.cancel());
        for (_, task) in tasks {
            // a panic was caught inside; an abort does not happen
            let _ = task.ended.await;
        }
    }
    /// Ends every task where it stands, as a crash would.
    #[cfg(test)]
    pub(super) async fn crash(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for (_, task) in tasks {
            task.ended.abort();
            let _ = task.ended.await;
        }
    }
    /// Shows every task as paused, at the position that the log has.
    pub(super) fn show_paused(&self, log: &dyn Log) {
        let partitions = u32::try_from(self.partitions(log)).unwrap_or(u32::MAX);
        for partition in 0..partitions {
            let board = self.board(partition);
            board.set_positions(self.positions(log, PartitionIndex(partition)), None);
            board.set_state(TaskState::Paused);
        }
    }
    fn positions(&self, log: &dyn Log, partition: PartitionIndex) -> Vec<Position> {
        let deployment = self.deployment();
        let group = group_of(&deployment.name);
        let inputs = deployment.spec.inputs.iter().filter_map(|name| log.topic(name));
        let position = |topic: Arc<potok_log::Topic>| {
            let at = topic.partition(partition)?;
            let next =
                log.committed(&group, at).ok().flatten().map_or(Offset::FIRST, |committed| committed.offset);
            Some(Position { topic: topic.name.clone(), at, next })
        };
        inputs.filter_map(position).collect()
    }
    pub(super) fn status(&self, log: &dyn Log) -> ProcessorStatus {
        let tasks = self.boards().iter().map(|(_, board)| board.status(log)).collect();
        ProcessorStatus { deployment: (*self.deployment()).clone(), tasks }
    }
    /// Shows every partition's task as stopped for a reason that concerns all of them.
    pub(super) fn show_stopped(&self, log: &dyn Log, failure: &TaskFailure) {
        let partitions = u32::try_from(self.partitions(log)).unwrap_or(u32::MAX).max(1);
        (0..partitions).for_each(|partition| self.stop_shown(partition, failure));
    }
    fn stop_shown(&self, partition: u32, failure: &TaskFailure) {
        let board = self.board(partition);
        if board.state() != TaskState::Stopped {
            board.failed(failure.clone(), 1);
            board.set_state(TaskState::Stopped);
        }
    }
}

/// A task whose panic stops it as any other failure does.
async fn run_caught(ctx: TaskContext) {
    let (board, clock, stop, seen) = (ctx.board.clone(), ctx.clock.clone(), ctx.stop.clone(), ctx.clone());
    if AssertUnwindSafe(task::run(ctx)).catch_unwind().await.is_err() {
        board.failed(panicked(clock.now()), 1);
        board.set_state(TaskState::Stopped);
        seen.pulse();
        stop.cancelled().await;
    }
}
