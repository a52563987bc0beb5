//! What this room counts: requests, time and bytes of each API, connections and why they ended. In come events, out go numbers
//! in a registry that somebody else writes out. Names begin with `potok_kafka`, units last.
//! Every API that is served has its numbers from the start: nothing grows, and counting takes no lock.

use crate::advertise::SERVED;
use crate::broker::Broker;
use kafka_protocol::messages::ApiKey;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds in seconds: from an answer out of memory to a long poll.
const SECONDS: [f64; 12] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 30.0];

/// An API by its name in Kafka's documents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(i16);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match ApiKey::try_from(self.0) {
            Ok(key) => write!(encoder, "{key:?}"),
            Err(()) => write!(encoder, "{}", self.0),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfApi {
    api: Name,
}

/// The numbers of one API.
#[derive(Debug)]
struct Numbers {
    requests: Counter,
    seconds: Histogram,
    request_bytes: Counter,
    answer_bytes: Counter,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// By API key; none where it is not served.
    apis: Vec<Option<Numbers>>,
    /// Connections open.
    pub(crate) connections: Gauge,
    /// Connections over the limit.
    pub(crate) connections_refused: Counter,
    /// Connections closed for what came over them.
    pub(crate) connections_faulty: Counter,
    /// Connections closed because nothing moved for long: their client took nothing, or said nothing in the middle of a request,
    /// or there was no room for what it said.
    pub(crate) connections_stalled: Counter,
    /// Connections closed after idling for long.
    pub(crate) connections_idled: Counter,
}

impl Metrics {
    /// All numbers, in `registry` too.
    pub(crate) fn new(registry: &mut Registry) -> Metrics {
        let requests = Family::<OfApi, Counter>::default();
        let (request_bytes, answer_bytes) = (requests_like(), requests_like());
        let seconds = Family::<OfApi, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        let mut metrics = Metrics::default();
        for (key, _, _) in SERVED {
            let (index, api) = (*key as usize, OfApi { api: Name(*key as i16) });
            metrics.apis.resize_with(metrics.apis.len().max(index + 1), || None);
            metrics.apis[index] = Some(Numbers {
                requests: requests.get_or_create(&api).clone(),
                seconds: seconds.get_or_create(&api).clone(),
                request_bytes: request_bytes.get_or_create(&api).clone(),
                answer_bytes: answer_bytes.get_or_create(&api).clone(),
            });
        }
        let kafka = registry.sub_registry_with_prefix("potok_kafka");
        kafka.register("requests", "Requests answered", requests);
        let help = "Time from a request to its answer";
        kafka.register_with_unit("request_duration", help, Unit::Seconds, seconds);
        kafka.register_with_unit("request", "Bytes of requests", Unit::Bytes, request_bytes);
        kafka.register_with_unit("answer", "Bytes of answers", Unit::Bytes, answer_bytes);
        kafka.register("connections", "Connections open", metrics.connections.clone());
        for (name, help, counter) in [
            ("connections_refused", "Connections over the limit", &metrics.connections_refused),
            ("connections_faulty", "Connections closed for what they sent", &metrics.connections_faulty),
            ("connections_stalled", "Connections closed because nothing moved", &metrics.connections_stalled),
            ("connections_idled", "Connections closed for idling", &metrics.connections_idled),
        ] {
            kafka.register(name, help, counter.clone());
        }
        metrics
    }
    /// A request was answered, or needed no answer.
    pub(crate) fn answered(&self, key: ApiKey, took: Duration, request_len: usize, answer_len: usize) {
        let Some(Some(numbers)) = self.apis.get(key as usize) else { return };
        numbers.requests.inc();
        numbers.seconds.observe(took.as_secs_f64());
        numbers.request_bytes.inc_by(request_len as u64);
        numbers.answer_bytes.inc_by(answer_len as u64);
    }
}

/// What is held at this moment, read when somebody asks.
#[derive(Debug)]
pub(crate) struct Holding(pub(crate) Arc<Broker>);

impl Collector for Holding {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Holding(broker) = self;
        for (name, help, unit, value) in [
            ("fetch_sessions", "Fetch sessions remembered", None, broker.sessions.len()),
            ("requests_held", "Bytes of requests in memory", Some(&Unit::Bytes), broker.room.in_use()),
            ("requests_waiting", "Requests that wait for room in memory", None, broker.room.waiting()),
            ("answers_held", "Bytes of answers in memory", Some(&Unit::Bytes), broker.budget.used()),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("potok_kafka_{name}");
            gauge.encode(encoder.encode_descriptor(&name, help, unit, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn requests_like() -> Family<OfApi, Counter> {
    Family::default()
}
