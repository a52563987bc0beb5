//! Numbers for Prometheus: this room's own are counted as things happen, the log's and the processors' are asked for when
//! somebody looks. Names begin with `potok_` and the room, units last.

use crate::app::App;
use crate::error::Refusal;
use potok_log::Health;
use potok_types::TopicName;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Error;
use std::time::Duration;

/// Upper bounds in seconds: from an answer out of memory to a long poll.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTopic {
    topic: String,
}

/// What this room counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
    produced_records: Family<OfTopic, Counter>,
    produced_bytes: Family<OfTopic, Counter>,
    consumed_records: Family<OfTopic, Counter>,
    consumed_bytes: Family<OfTopic, Counter>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            answered: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            produced_records: Family::default(),
            produced_bytes: Family::default(),
            consumed_records: Family::default(),
            consumed_bytes: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let http = self.registry.sub_registry_with_prefix("potok_http");
        http.register("requests", "Requests answered", self.answered.clone());
        http.register_with_unit(
            "request_duration",
            "Time to the head of the answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        http.register("connections", "Connections open", self.connections.clone());
        http.register("connections_refused", "Connections over the limit", self.connections_refused.clone());
        http.register("produced_records", "Records written", self.produced_records.clone());
        http.register_with_unit(
            "produced",
            "Bytes of records written",
            Unit::Bytes,
            self.produced_bytes.clone(),
        );
        http.register("consumed_records", "Records read", self.consumed_records.clone());
        http.register_with_unit(
            "consumed",
            "Bytes of records read",
            Unit::Bytes,
            self.consumed_bytes.clone(),
        );
    }
    /// A request was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let answered = Answered { method: method.to_owned(), route: route.to_owned(), status };
        self.answered.get_or_create(&answered).inc();
        self.seconds.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }
    /// Records go into the log.
    pub(crate) fn produced(&self, topic: &TopicName, records: usize, bytes: usize) {
        let topic = OfTopic { topic: topic.to_string() };
        self.produced_records.get_or_create(&topic).inc_by(records as u64);
        self.produced_bytes.get_or_create(&topic).inc_by(bytes as u64);
    }
    /// Records go to a client.
    pub(crate) fn consumed(&self, topic: &TopicName, records: u64, bytes: usize) {
        let topic = OfTopic { topic: topic.to_string() };
        self.consumed_records.get_or_create(&topic).inc_by(records);
        self.consumed_bytes.get_or_create(&topic).inc_by(bytes as u64);
    }
}

/// All numbers as text. Reads positions of groups, so it may wait for the disk.
pub(crate) fn text(app: &App) -> Result<String, Refusal> {
    let wrong = |error: Error| Refusal::Panic(format!("metrics cannot be written: {error}"));
    let mut text = String::new();
    for numbers in app.numbers.iter().map(AsRef::as_ref).chain([&app.metrics.registry]) {
        prometheus_client::encoding::text::encode_registry(&mut text, numbers).map_err(wrong)?;
    }
    let mut asked = Registry::default();
    asked.register_collector(Box::new(Asked(app.clone())));
    prometheus_client::encoding::text::encode(&mut text, &asked).map_err(wrong)?;
    Ok(text)
}

/// What is asked for when somebody looks.
#[derive(Debug)]
struct Asked(App);

impl prometheus_client::collector::Collector for Asked {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        process(&mut encoder)?;
        server(&self.0, &mut encoder)?;
        log(&self.0, &mut encoder)?;
        groups(&self.0, &mut encoder)?;
        tasks(&self.0, &mut encoder)
    }
}

type Labels<'a> = [(&'a str, String)];

/// One metric with a value for each set of labels.
fn family<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    values: impl IntoIterator<Item = (Vec<(&'a str, String)>, f64)>,
) -> Result<(), Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in values {
        let labels: &Labels<'_> = &labels;
        let family = metric.encode_family(&labels)?;
        match kind {
            MetricType::Counter => ConstCounter::new(value).encode(family)?,
            _ => ConstGauge::new(value).encode(family)?,
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
fn float(value: u64) -> f64 {
    value as f64
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result<(), Error> {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// What the kernel says of this process; nothing where it says nothing.
fn process(encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    if let Some(kib) = kib("VmRSS:") {
        gauge(encoder, "process_resident_memory_bytes", "Memory in use", float(kib * 1024))?;
    }
    if let Some(threads) = kib("Threads:") {
        gauge(encoder, "process_threads", "Threads", float(threads))?;
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        gauge(encoder, "process_open_fds", "File descriptors open", float(files.count() as u64))?;
    }
    Ok(())
}

fn server(app: &App, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let (bytes, tails) = app.limits.in_use(app.settings.tails_max);
    gauge(encoder, "potok_http_bodies_bytes", "Bytes of request bodies in memory", float(bytes as u64))?;
    gauge(encoder, "potok_http_tails", "Reads that wait for records", float(tails as u64))?;
    let good = if app.log.health() == Health::Good { 1.0 } else { 0.0 };
    gauge(encoder, "potok_log_writable", "1 while the log takes writes", good)
}

fn log(app: &App, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let topics = app.log.topics();
    let each = |value: &dyn Fn(potok_types::TopicPartition) -> u64| {
        let sum = |topic: &potok_log::Topic| float(topic.all_partitions().map(value).sum());
        topics.iter().map(|topic| (vec![("topic", topic.name.to_string())], sum(topic))).collect::<Vec<_>>()
    };
    let ends = |at| app.log.ends(at).unwrap_or_default();
    let appended = each(&|at| ends(at).log_end.get());
    family(
        encoder,
        "potok_log_appended_records",
        "Offsets given since the topic was made",
        MetricType::Counter,
        appended,
    )?;
    let kept = each(&|at| ends(at).log_end.since(ends(at).log_start));
    family(encoder, "potok_log_records", "Offsets from start to end", MetricType::Gauge, kept)?;
    let size = each(&|at| app.log.size(at).unwrap_or(0));
    family(encoder, "potok_log_size_bytes", "Bytes of record batches", MetricType::Gauge, size)?;
    let partitions = each(&|_| 1);
    family(encoder, "potok_log_partitions", "Partitions", MetricType::Gauge, partitions)
}

fn groups(app: &App, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let mut lags = Vec::new();
    // a store that cannot be read shows in /health, not here
    for group in app.log.groups().unwrap_or_default() {
        for (at, committed) in app.log.committed_all(&group).unwrap_or_default() {
            let (Some(topic), Ok(ends)) = (app.log.topic_numbered(at.topic), app.log.ends(at)) else {
                continue;
            };
            let lag = ends.high_watermark.since(committed.offset.max(ends.log_start));
            let labels = vec![
                ("group", group.clone()),
                ("topic", topic.name.to_string()),
                ("partition", at.partition.to_string()),
            ];
            lags.push((labels, float(lag)));
        }
    }
    family(
        encoder,
        "potok_group_lag_records",
        "Offsets between a group's position and the end",
        MetricType::Gauge,
        lags,
    )
}

/// Name, help, kind and value of a number of a task.
type OfTask = (&'static str, &'static str, MetricType, fn(&potok_processor::TaskStatus) -> f64);

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
const TASK_NUMBERS: &[OfTask] = &[
    ("potok_task_records_in", "Records taken in", MetricType::Counter, |task| task.records_in as f64),
    ("potok_task_records_out", "Records put out", MetricType::Counter, |task| task.records_out as f64),
    ("potok_task_in_bytes", "Bytes taken in", MetricType::Counter, |task| task.bytes_in as f64),
    ("potok_task_out_bytes", "Bytes put out", MetricType::Counter, |task| task.bytes_out as f64),
    ("potok_task_batches", "Calls of the guest", MetricType::Counter, |task| task.batches as f64),
    ("potok_task_refused_records", "Records refused", MetricType::Counter, |task| task.refused as f64),
    ("potok_task_dead_lettered_records", "Records dead-lettered", MetricType::Counter, |task| {
        task.dead_lettered as f64
    }),
    ("potok_task_guest_seconds", "Time in the guest", MetricType::Counter, |task| {
        task.guest_micros as f64 / 1e6
    }),
    ("potok_task_host_seconds", "Time in the host", MetricType::Counter, |task| {
        task.host_micros as f64 / 1e6
    }),
    ("potok_task_log_lines_dropped", "Log lines over the rate", MetricType::Counter, |task| {
        task.log_lines_dropped as f64
    }),
    ("potok_task_memory_bytes", "Memory of the instance", MetricType::Gauge, |task| task.memory_bytes as f64),
    ("potok_task_lag_records", "Records before the ends", MetricType::Gauge, |task| {
        task.positions.iter().map(|(_, _, lag)| *lag).sum::<u64>() as f64
    }),
];

fn tasks(app: &App, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let processors = app.processors.list();
    let mut of_tasks = Vec::new();
    for processor in &processors {
        for task in &processor.tasks {
            let partition = task.partition.to_string();
            of_tasks.push((
                vec![("processor", processor.deployment.name.to_string()), ("partition", partition)],
                task,
            ));
        }
    }
    for (name, help, kind, value) in TASK_NUMBERS {
        family(
            encoder,
            name,
            help,
            *kind,
            of_tasks.iter().map(|(labels, task)| (labels.clone(), value(task))),
        )?;
    }
    let with = |labels: &Vec<(&'static str, String)>, name: &'static str, value: String| {
        let mut labels = labels.clone();
        labels.push((name, value));
        labels
    };
    let failures = of_tasks.iter().flat_map(|(labels, task)| {
        task.failures.iter().map(|(kind, count)| (with(labels, "kind", kind.clone()), float(*count)))
    });
    family(encoder, "potok_task_failures", "Failures by kind", MetricType::Counter, failures)?;
    let states =
        of_tasks.iter().map(|(labels, task)| (with(labels, "state", state(task.state).to_owned()), 1.0));
    family(encoder, "potok_task_state", "1 for the state that the task is in", MetricType::Gauge, states)?;
    let own = of_tasks.iter().flat_map(|(labels, task)| {
        task.guest_metrics.iter().map(|(name, value)| (with(labels, "name", name.clone()), *value))
    });
    family(encoder, "potok_guest_metric", "Counters and gauges of the guest's own", MetricType::Gauge, own)
}

fn state(state: potok_processor::TaskState) -> &'static str {
    use potok_processor::TaskState;
    match state {
        TaskState::Starting => "starting",
        TaskState::Running => "running",
        TaskState::Retrying => "retrying",
        TaskState::Paused => "paused",
        TaskState::Stopped => "stopped",
    }
}
