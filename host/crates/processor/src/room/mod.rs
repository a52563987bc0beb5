//! The handle that others hold: deployments by name, their tasks, and the operations on them.
//! In come operations, out go tasks started and stopped and deployments kept in the log. Invariants: operations on one
//! processor happen one after another, each to its end even when its caller went away; a task of a new generation starts
//! only after the one before has ended; what is kept in the log is what runs.

mod entry;
mod operate;
mod reset;

use crate::api::{
    DeployError, DeploySpec, Deployment, LOGS_TOPIC, ProcessorError, ProcessorStatus, ResetTo, TaskFailure,
    TaskState,
};
use crate::budget::Budget;
use crate::deployment;
use crate::guest::Guests;
use crate::runtime::GuestThreads;
use crate::settings::{Settings, UNITS_BYTES_MAX};
use entry::Entry;
use futures::future::join_all;
use parking_lot::Mutex;
use potok_log::{CreateTopicError, Log, MetaKind, NewTopic, StoreError};
use potok_types::{Clock, Digest, ProcessorName, TopicName};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why the room did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The deployments could not be read.
    #[error("deployments cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A deployment does not decode.
    #[error("{0}")]
    Damaged(String),
    /// The guests' threads did not start.
    #[error("threads for guests did not start: {0}")]
    Threads(#[from] std::io::Error),
}

/// Why a wait for a processor to have nothing left to do ended without that.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DrainError {
    /// There is none.
    #[error("no processor {0}")]
    Unknown(ProcessorName),
    /// One of its tasks will not go on.
    #[error("task {partition} of processor {name} {what}")]
    NotRunning {
        /// The processor.
        name: ProcessorName,
        /// The task's partition.
        partition: u32,
        /// What it does instead, and why.
        what: String,
    },
}

/// The processors of this host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Processors {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    log: Arc<dyn Log>,
    guests: Arc<dyn Guests>,
    clock: Arc<dyn Clock>,
    threads: GuestThreads,
    cache: Arc<Budget>,
    units: Arc<Budget>,
    entries: Mutex<BTreeMap<ProcessorName, Arc<Entry>>>,
    /// One operation at a time on each name; only of names that one runs or waits on.
    turns: Mutex<BTreeMap<ProcessorName, Arc<tokio::sync::Mutex<()>>>>,
    /// Tasks run only between the start and the end of [`Processors::run`].
    running: AtomicBool,
    pulse: Arc<watch::Sender<u64>>,
}

impl Processors {
    /// Opens the room over a log whose deployments it reads; no task runs before [`Processors::run`].
    pub(crate) fn with_guests(
        settings: Settings,
        log: Arc<dyn Log>,
        guests: Arc<dyn Guests>,
        clock: Arc<dyn Clock>,
        threads: GuestThreads,
    ) -> Result<Processors, OpenError> {
        let mut entries = BTreeMap::new();
        for (name, bytes) in log.meta_all(MetaKind::Processor)? {
            let deployment = deployment::decode(&name, &bytes).map_err(OpenError::Damaged)?;
            entries.insert(deployment.name.clone(), Arc::new(Entry::new(deployment)));
        }
        let inner = Inner {
            cache: Budget::new(settings.state_cache_bytes),
            units: Budget::new(UNITS_BYTES_MAX),
            settings: Arc::new(settings),
            log,
            guests,
            clock,
            threads,
            entries: Mutex::new(entries),
            turns: Mutex::default(),
            running: AtomicBool::new(false),
            pulse: Arc::new(watch::Sender::new(0)),
        };
        Ok(Processors { inner: Arc::new(inner) })
    }

    /// Runs the tasks of all deployments until `stop`; returns when every task has ended with nothing in flight.
    pub async fn run(&self, stop: CancellationToken) {
        self.ensure_logs_topic().await;
        self.inner.running.store(true, Ordering::SeqCst);
        loop {
            join_all(self.names().into_iter().map(|name| {
                self.in_turn(name.clone(), move |room| async move { room.start_missing(&name) })
            }))
            .await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.inner.threads.waits().sleep(self.inner.settings.partitions_check()) => {}
            }
        }
        self.inner.running.store(false, Ordering::SeqCst);
        join_all(self.names().into_iter().map(|name| {
            self.in_turn(name.clone(), move |room| async move {
                if let Some(entry) = room.entry(&name) {
                    entry.stop().await;
                }
            })
        }))
        .await;
    }

    /// Deploys a module under a name, or deploys anew: position and state stay, the digest before is remembered.
    pub async fn deploy(&self, name: ProcessorName, spec: DeploySpec) -> Result<Deployment, DeployError> {
        self.ensure_logs_topic().await;
        let gone = || Err(DeployError::Log("the operation was broken off".into()));
        let operation =
            self.in_turn(name.clone(), move |room| async move { room.deploy_now(name, spec).await });
        operation.await.unwrap_or_else(gone)
    }
    /// Stops a processor's tasks until it is resumed; survives a restart of the host.
    pub async fn pause(&self, name: &ProcessorName) -> Result<(), ProcessorError> {
        self.operate(name, |room, name| async move { room.set_paused(&name, true).await }).await
    }
    /// Ends a pause.
    pub async fn resume(&self, name: &ProcessorName) -> Result<(), ProcessorError> {
        self.operate(name, |room, name| async move { room.set_paused(&name, false).await }).await
    }
    /// Stops all tasks and starts them anew: what stopped at a failure goes on.
    pub async fn restart(&self, name: &ProcessorName) -> Result<(), ProcessorError> {
        self.operate(name, |room, name| async move { room.restart_now(&name).await }).await
    }
    /// Removes a processor with its state, timers and positions. Its topics stay, the dead letters too.
    pub async fn delete(&self, name: &ProcessorName) -> Result<(), ProcessorError> {
        self.operate(name, |room, name| async move { room.delete_now(&name).await }).await
    }
    /// Moves a paused processor to another place in its inputs; its state and timers go unless they are kept.
    pub async fn reset(
        &self,
        name: &ProcessorName,
        to: ResetTo,
        keep_state: bool,
    ) -> Result<(), ProcessorError> {
        self.operate(name, move |room, name| async move { room.reset_now(&name, to, keep_state).await }).await
    }

    /// All processors by name.
    pub fn list(&self) -> Vec<ProcessorStatus> {
        let entries: Vec<_> = self.inner.entries.lock().values().cloned().collect();
        entries.iter().map(|entry| entry.status(&*self.inner.log)).collect()
    }
    /// One processor.
    pub fn status(&self, name: &ProcessorName) -> Result<ProcessorStatus, ProcessorError> {
        let entry = self.entry(name).ok_or_else(|| ProcessorError::Unknown(name.clone()))?;
        Ok(entry.status(&*self.inner.log))
    }
    /// A processor that reads or writes this topic.
    pub fn uses_topic(&self, topic: &TopicName) -> Option<ProcessorName> {
        let entries = self.inner.entries.lock();
        let uses = |spec: &DeploySpec| spec.inputs.contains(topic) || spec.outputs.contains(topic);
        entries.iter().find(|(_, entry)| uses(&entry.deployment().spec)).map(|(name, _)| name.clone())
    }
    /// A processor that runs this module.
    pub fn uses_module(&self, digest: Digest) -> Option<ProcessorName> {
        let entries = self.inner.entries.lock();
        entries.iter().find(|(_, entry)| entry.deployment().digest == digest).map(|(name, _)| name.clone())
    }
    /// Waits until every task of a processor stands at the end of its inputs with nothing in flight. Timers that are not
    /// due yet are not waited for; a task that retries is, for as long as it does.
    pub async fn drained(&self, name: &ProcessorName) -> Result<(), DrainError> {
        let mut pulse = self.inner.pulse.subscribe();
        loop {
            pulse.borrow_and_update();
            let entry = self.entry(name).ok_or_else(|| DrainError::Unknown(name.clone()))?;
            if self.is_drained(name, &entry)? {
                return Ok(());
            }
            // tasks tell of every change that counts; the sender lives as long as this handle
            let _ = pulse.changed().await;
        }
    }
    fn is_drained(&self, name: &ProcessorName, entry: &Entry) -> Result<bool, DrainError> {
        let boards = entry.boards();
        for (partition, board) in &boards {
            let what = match board.state() {
                TaskState::Stopped => {
                    let why = board.last_failure().map_or_else(String::new, |failure| failure.reason);
                    format!("has stopped: {why}")
                }
                TaskState::Paused => "is paused".to_owned(),
                TaskState::Starting | TaskState::Running | TaskState::Retrying => continue,
            };
            return Err(DrainError::NotRunning { name: name.clone(), partition: *partition, what });
        }
        let all_started = boards.len() == entry.partitions(&*self.inner.log);
        Ok(all_started && boards.iter().all(|(_, board)| board.is_drained(&*self.inner.log)))
    }

    /// Ends every task where it stands, as a crash would.
    #[cfg(test)]
    pub(crate) async fn crash(&self) {
        self.inner.running.store(false, Ordering::SeqCst);
        let entries: Vec<_> = self.inner.entries.lock().values().cloned().collect();
        join_all(entries.iter().map(|entry| entry.crash())).await;
    }
    fn entry(&self, name: &ProcessorName) -> Option<Arc<Entry>> {
        self.inner.entries.lock().get(name).cloned()
    }
    fn names(&self) -> Vec<ProcessorName> {
        self.inner.entries.lock().keys().cloned().collect()
    }
    /// Runs an operation on a thread of its own, after those before it on the same name. It goes on to its end even if the
    /// caller does not wait for it; none when it panicked.
    fn in_turn<T, F, O>(
        &self,
        name: ProcessorName,
        operation: O,
    ) -> impl Future<Output = Option<T>> + use<T, F, O>
    where
        T: Send + 'static,
        O: FnOnce(Processors) -> F + Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let room = self.clone();
        let turn = Turn::of(self.inner.clone(), name);
        let spawned = self.inner.threads.spawn(async move {
            let _now = turn.line.lock().await;
            operation(room).await
        });
        async move { spawned.await.ok() }
    }
    /// Names on which an operation runs or waits.
    #[cfg(test)]
    pub(crate) fn turns(&self) -> usize {
        self.inner.turns.lock().len()
    }
    async fn operate<F>(
        &self,
        name: &ProcessorName,
        operation: impl FnOnce(Processors, ProcessorName) -> F + Send + 'static,
    ) -> Result<(), ProcessorError>
    where
        F: Future<Output = Result<(), ProcessorError>> + Send + 'static,
    {
        let own = name.clone();
        let done = self.in_turn(name.clone(), move |room| operation(room, own)).await;
        done.unwrap_or_else(|| Err(ProcessorError::Log("the operation was broken off".into())))
    }
    /// Creates the topic of the guests' log lines. Without it lines are lost and nothing else is, so a failure is only told.
    async fn ensure_logs_topic(&self) {
        let Ok(name) = LOGS_TOPIC.parse::<TopicName>() else { return };
        if self.inner.log.topic(&name).is_some() {
            return;
        }
        let settings = &self.inner.settings;
        let config = vec![
            ("retention.ms".to_owned(), settings.logs_retention_ms.to_string()),
            ("retention.bytes".to_owned(), settings.logs_retention_bytes.to_string()),
        ];
        let topic = NewTopic { name, partitions: settings.logs_partitions.max(1), config };
        match self.inner.log.create_topic(topic).await {
            Ok(_) | Err(CreateTopicError::Exists(_)) => {}
            Err(error) => tracing::error!(%error, "the topic of the guests' log lines cannot be created"),
        }
    }
}

/// A place in the line of one name. The last one to go takes the line with it: a name that nothing is deployed under may be asked
/// for as well, and costs nothing afterwards.
struct Turn {
    room: Arc<Inner>,
    name: ProcessorName,
    line: Arc<tokio::sync::Mutex<()>>,
}

impl Turn {
    fn of(room: Arc<Inner>, name: ProcessorName) -> Turn {
        let line = room.turns.lock().entry(name.clone()).or_default().clone();
        Turn { room, name, line }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.room.turns.lock();
        // this one and the map's own: nobody waits, and nobody can come meanwhile
        if Arc::strong_count(&self.line) == 2 {
            turns.remove(&self.name);
        }
    }
}

/// The last failure of a task that panicked: a mistake of ours, told as any other failure.
fn panicked(at: potok_types::Timestamp) -> TaskFailure {
    let reason = "the task ended by a panic of the host: please report it; a restart goes on".to_owned();
    TaskFailure { at, kind: "panic".to_owned(), reason, record: None }
}
