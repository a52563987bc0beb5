//! The broker's configs by Kafka's names: what its settings say, what cannot be otherwise here, and some that are only kept, as
//! tools change them. Values come from the settings at the moment they are asked for.

use super::key::{Effect, Key, Kind};
use super::{DEFAULT, OF_BROKER, STATIC_BROKER, Shown};
use crate::call::Call;

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, effect: Effect::Fixed, doc, synonym: "" }
}
const fn kept(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, effect: Effect::Kept, doc, synonym: "" }
}

const HAS_SETTING: &str = "By the server's settings file.";

/// All of them, by name. An empty default is filled from the settings.
#[rustfmt::skip]
const KEYS: &[Key] = &[
    key("advertised.listeners", Kind::Text, "", HAS_SETTING),
    key("auto.create.topics.enable", Kind::Bool, "", HAS_SETTING),
    key("broker.id", Kind::Int, "0", "There is one node."),
    key("compression.type", Kind::Text, "producer", "Batches are kept as they were sent."),
    key("connections.max.idle.ms", Kind::Long, "", HAS_SETTING),
    key("default.replication.factor", Kind::Int, "1", "There is one node."),
    key("delete.topic.enable", Kind::Bool, "true", "Topics can be deleted."),
    key("fetch.max.bytes", Kind::Int, "", HAS_SETTING),
    key("group.consumer.heartbeat.interval.ms", Kind::Int, "", HAS_SETTING),
    key("group.consumer.session.timeout.ms", Kind::Int, "", HAS_SETTING),
    key("group.initial.rebalance.delay.ms", Kind::Int, "", HAS_SETTING),
    key("group.max.session.timeout.ms", Kind::Int, "", HAS_SETTING),
    key("group.max.size", Kind::Int, "", HAS_SETTING),
    key("group.min.session.timeout.ms", Kind::Int, "", HAS_SETTING),
    key("listeners", Kind::Text, "", HAS_SETTING),
    key("log.cleanup.policy", Kind::List, "delete", "Of topics that do not say; set it per topic."),
    kept("log.flush.interval.messages", Kind::Long, "9223372036854775807", "Kept, without effect: what wants acks=all is synced before it is answered, always."),
    kept("log.index.interval.bytes", Kind::Int, "4096", "Kept, without effect: every batch is indexed."),
    key("log.message.timestamp.type", Kind::Text, "CreateTime", "Of topics that do not say; set it per topic."),
    key("log.retention.bytes", Kind::Long, "-1", "Of topics that do not say; set it per topic."),
    key("log.retention.ms", Kind::Long, "604800000", "Of topics that do not say. By the server's settings file, or set it per topic."),
    kept("log.segment.bytes", Kind::Int, "1073741824", "Kept, without effect: there are no segments."),
    kept("log.segment.delete.delay.ms", Kind::Long, "60000", "Kept, without effect: there are no segments."),
    key("max.connections", Kind::Int, "", HAS_SETTING),
    key("message.max.bytes", Kind::Int, "1048588", "Of topics that do not say; set max.message.bytes per topic."),
    key("min.insync.replicas", Kind::Int, "1", "There is one node."),
    key("node.id", Kind::Int, "0", "There is one node."),
    key("num.partitions", Kind::Int, "", HAS_SETTING),
    key("offset.metadata.max.bytes", Kind::Int, "", HAS_SETTING),
    key("offsets.retention.minutes", Kind::Int, "", HAS_SETTING),
    key("process.roles", Kind::List, "broker,controller", "There is one node, which is both."),
    key("socket.request.max.bytes", Kind::Int, "", HAS_SETTING),
    key("transaction.max.timeout.ms", Kind::Int, "", HAS_SETTING),
    key("transactional.id.expiration.ms", Kind::Int, "", HAS_SETTING),
];

/// The config of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// All configs of the broker.
pub(super) fn all(call: &Call) -> impl Iterator<Item = Shown> {
    KEYS.iter().map(|key| {
        let set = call.broker.configs.get(key.name);
        let set = set.map(|value| (key.name, value, OF_BROKER));
        let setting = setting(call, key.name).map(|value| (key.name, value, STATIC_BROKER));
        let built_in = (key.name, key.default.to_owned(), DEFAULT);
        let is_kept = key.effect == Effect::Kept;
        let (_, value, source) = set.as_ref().or(setting.as_ref()).unwrap_or(&built_in).clone();
        let chain = set.into_iter().chain(setting).chain(Some(built_in).filter(|_| is_kept)).collect();
        Shown { name: key.name, value, source, read_only: !is_kept, kind: key.kind, doc: key.doc, chain }
    })
}

/// What the settings say; none for what has no setting.
fn setting(call: &Call, name: &str) -> Option<String> {
    let (kafka, groups) = (&call.broker.settings, call.broker.coordinator.settings());
    Some(match name {
        "advertised.listeners" => {
            let (host, port) = call.broker.address(&call.client);
            format!("PLAINTEXT://{host}:{port}")
        }
        "auto.create.topics.enable" => kafka.auto_create_topics.to_string(),
        "connections.max.idle.ms" => kafka.idle_timeout_ms.to_string(),
        "fetch.max.bytes" => kafka.fetch_bytes_max.to_string(),
        "group.consumer.heartbeat.interval.ms" => groups.consumer_heartbeat_interval_ms.to_string(),
        "group.consumer.session.timeout.ms" => groups.consumer_session_timeout_ms.to_string(),
        "group.initial.rebalance.delay.ms" => groups.initial_rebalance_delay_ms.to_string(),
        "group.max.session.timeout.ms" => groups.session_timeout_max_ms.to_string(),
        "group.max.size" => groups.members_max.to_string(),
        "group.min.session.timeout.ms" => groups.session_timeout_min_ms.to_string(),
        "listeners" => format!("PLAINTEXT://{}", call.client.local),
        "log.retention.ms" => call.broker.log.unset_config().by_settings("retention.ms")?.to_owned(),
        "max.connections" => kafka.connections_max.to_string(),
        "num.partitions" => kafka.partitions_default.to_string(),
        "offset.metadata.max.bytes" => groups.offset_metadata_len_max.to_string(),
        "offsets.retention.minutes" => groups.offsets_retention_minutes.to_string(),
        "socket.request.max.bytes" => kafka.request_bytes_max.to_string(),
        "transaction.max.timeout.ms" => groups.transaction_timeout_max_ms.to_string(),
        "transactional.id.expiration.ms" => groups.transactional_id_expiry_ms.to_string(),
        _ => return None,
    })
}

/// The configs of a consumer group: the same for all (KIP-848).
pub(super) fn of_group(call: &Call) -> Vec<Shown> {
    let groups = call.broker.coordinator.settings();
    let shown = |name, value: u64| Shown {
        name,
        value: value.to_string(),
        source: STATIC_BROKER,
        read_only: true,
        kind: Kind::Int,
        doc: HAS_SETTING,
        chain: vec![(name, value.to_string(), STATIC_BROKER)],
    };
    vec![
        shown("consumer.heartbeat.interval.ms", groups.consumer_heartbeat_interval_ms),
        shown("consumer.session.timeout.ms", groups.consumer_session_timeout_ms),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_rise_and_what_is_kept_has_a_legal_default() {
        assert!(KEYS.is_sorted_by_key(|key| key.name));
        assert!(
            KEYS.iter().filter(|key| key.effect == Effect::Kept).all(|key| key.check(key.default).is_ok())
        );
    }
}
