//! What every handler has at hand: the rooms' doors, the settings, the bounds, the metrics.

use crate::checkpoint::Checkpoint;
use crate::error::Refusal;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rates::Rates;
use crate::{Components, Settings};
use potok_coordinator::Coordinator;
use potok_log::{Log, Topic};
use potok_plugin::Plugins;
use potok_processor::Processors;
use potok_types::{Clock, PartitionIndex, Timestamp, TopicName, TopicPartition};
use prometheus_client::registry::Registry;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::CancellationToken;

/// Shared by all requests.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) coordinator: Coordinator,
    pub(crate) plugins: Plugins,
    pub(crate) processors: Processors,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) checkpoint: Option<Arc<dyn Checkpoint>>,
    pub(crate) numbers: Vec<Arc<Registry>>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) rates: Rates,
    pub(crate) started_at: Timestamp,
    /// Cancelled when the server is told to stop: whoever waits answers at once.
    pub(crate) stop: CancellationToken,
    /// Modules' names and digests are changed one request at a time.
    pub(crate) naming: tokio::sync::Mutex<()>,
    sticky: AtomicU32,
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(settings: Settings, components: Components) -> App {
        let Components { log, coordinator, plugins, processors, clock, checkpoint, numbers } = components;
        App(Arc::new(Shared {
            limits: Limits::new(&settings),
            metrics: Metrics::default(),
            rates: Rates::default(),
            started_at: clock.now(),
            stop: CancellationToken::new(),
            naming: tokio::sync::Mutex::default(),
            sticky: AtomicU32::new(0),
            settings,
            log,
            coordinator,
            plugins,
            processors,
            clock,
            checkpoint,
            numbers,
        }))
    }
    /// The topic of this name.
    pub(crate) fn topic(&self, name: &TopicName) -> Result<Arc<Topic>, Refusal> {
        self.log.topic(name).ok_or_else(|| Refusal::UnknownTopic(name.clone()))
    }
    /// The next of the turns that records without a key take through the partitions.
    pub(crate) fn turn(&self) -> u32 {
        self.sticky.fetch_add(1, Ordering::Relaxed)
    }
}

/// Partition `index` of `topic`, or the words that there is none.
pub(crate) fn partition(topic: &Topic, index: u32) -> Result<TopicPartition, Refusal> {
    topic.partition(PartitionIndex(index)).ok_or_else(|| Refusal::UnknownPartition {
        topic: topic.name.clone(),
        partition: index,
        partitions: topic.partitions,
    })
}
