//! All topic configs of Kafka 4.3, by name. What is [`Effect::Real`] is known to the log under the same name and default.

use super::key::{Effect, Key, Kind};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    Key { name: "cleanup.policy", kind: Kind::List, default: "delete", effect: Effect::Real, synonym: "log.cleanup.policy",
        doc: "What becomes of old records: delete, compact, or both with a comma." },
    Key { name: "compression.gzip.level", kind: Kind::Int, default: "-1", effect: Effect::Kept, synonym: "compression.gzip.level",
        doc: "Level of gzip where a broker compresses. This one keeps what producers compressed." },
    Key { name: "compression.lz4.level", kind: Kind::Int, default: "9", effect: Effect::Kept, synonym: "compression.lz4.level",
        doc: "Level of lz4 where a broker compresses. This one keeps what producers compressed." },
    Key { name: "compression.type", kind: Kind::Text, default: "producer", effect: Effect::Real, synonym: "compression.type",
        doc: "A codec's name, for clients that set one. Batches stay as their producers compressed them." },
    Key { name: "compression.zstd.level", kind: Kind::Int, default: "3", effect: Effect::Kept, synonym: "compression.zstd.level",
        doc: "Level of zstd where a broker compresses. This one keeps what producers compressed." },
    Key { name: "delete.retention.ms", kind: Kind::Long, default: "86400000", effect: Effect::Real, synonym: "log.cleaner.delete.retention.ms",
        doc: "How long compaction keeps a tombstone, in milliseconds." },
    Key { name: "file.delete.delay.ms", kind: Kind::Long, default: "60000", effect: Effect::Kept, synonym: "log.segment.delete.delay.ms",
        doc: "How long a deleted segment's file stays. There are no segments." },
    Key { name: "flush.messages", kind: Kind::Long, default: "9223372036854775807", effect: Effect::Kept, synonym: "log.flush.interval.messages",
        doc: "Records after which a broker syncs. Here what wants acks=all is synced before it is answered, always." },
    Key { name: "flush.ms", kind: Kind::Long, default: "9223372036854775807", effect: Effect::Kept, synonym: "log.flush.interval.ms",
        doc: "Time after which a broker syncs. Here what wants acks=all is synced before it is answered, always." },
    Key { name: "follower.replication.throttled.replicas", kind: Kind::List, default: "", effect: Effect::Kept, synonym: "",
        doc: "Replicas whose followers are throttled. There is one replica." },
    Key { name: "index.interval.bytes", kind: Kind::Int, default: "4096", effect: Effect::Kept, synonym: "log.index.interval.bytes",
        doc: "How densely a segment's offsets are indexed. Here every batch is." },
    Key { name: "leader.replication.throttled.replicas", kind: Kind::List, default: "", effect: Effect::Kept, synonym: "",
        doc: "Replicas whose leaders are throttled. There is one replica." },
    Key { name: "local.retention.bytes", kind: Kind::Long, default: "-2", effect: Effect::Fixed, synonym: "log.local.retention.bytes",
        doc: "Bytes that are kept besides remote storage. There is none." },
    Key { name: "local.retention.ms", kind: Kind::Long, default: "-2", effect: Effect::Fixed, synonym: "log.local.retention.ms",
        doc: "How long records are kept besides remote storage. There is none." },
    Key { name: "max.compaction.lag.ms", kind: Kind::Long, default: "9223372036854775807", effect: Effect::Kept, synonym: "log.cleaner.max.compaction.lag.ms",
        doc: "Latest time at which a record is compacted. Here compaction looks at every partition every few seconds." },
    Key { name: "max.message.bytes", kind: Kind::Int, default: "1048588", effect: Effect::Real, synonym: "message.max.bytes",
        doc: "Largest record batch, in bytes." },
    Key { name: "message.timestamp.after.max.ms", kind: Kind::Long, default: "3600000", effect: Effect::Kept, synonym: "log.message.timestamp.after.max.ms",
        doc: "How far in the future a record's timestamp may lie, in milliseconds, for what producers of this protocol send." },
    Key { name: "message.timestamp.before.max.ms", kind: Kind::Long, default: "9223372036854775807", effect: Effect::Fixed, synonym: "log.message.timestamp.before.max.ms",
        doc: "How far in the past a record's timestamp may lie. Here it may be any." },
    Key { name: "message.timestamp.type", kind: Kind::Text, default: "CreateTime", effect: Effect::Real, synonym: "log.message.timestamp.type",
        doc: "Whose clock sets timestamps: CreateTime or LogAppendTime." },
    Key { name: "min.cleanable.dirty.ratio", kind: Kind::Double, default: "0.5", effect: Effect::Real, synonym: "log.cleaner.min.cleanable.ratio",
        doc: "Share of a compacted partition that must be new before it is compacted again." },
    Key { name: "min.compaction.lag.ms", kind: Kind::Long, default: "0", effect: Effect::Real, synonym: "log.cleaner.min.compaction.lag.ms",
        doc: "A record younger than this is not compacted away, in milliseconds." },
    Key { name: "min.insync.replicas", kind: Kind::Int, default: "1", effect: Effect::Fixed, synonym: "min.insync.replicas",
        doc: "Replicas that must have a record before it is acknowledged. There is one." },
    Key { name: "preallocate", kind: Kind::Bool, default: "false", effect: Effect::Kept, synonym: "log.preallocate",
        doc: "Whether a segment's file is made at its full size. There are no segments." },
    Key { name: "remote.log.copy.disable", kind: Kind::Bool, default: "false", effect: Effect::Fixed, synonym: "",
        doc: "Whether nothing more is copied to remote storage. There is none." },
    Key { name: "remote.log.delete.on.disable", kind: Kind::Bool, default: "false", effect: Effect::Fixed, synonym: "",
        doc: "Whether what lies in remote storage is deleted with it. There is none." },
    Key { name: "remote.storage.enable", kind: Kind::Bool, default: "false", effect: Effect::Fixed, synonym: "",
        doc: "Whether old records move to remote storage. There is none." },
    Key { name: "retention.bytes", kind: Kind::Long, default: "-1", effect: Effect::Real, synonym: "log.retention.bytes",
        doc: "Bytes a partition keeps at most; -1 is without limit." },
    Key { name: "retention.ms", kind: Kind::Long, default: "604800000", effect: Effect::Real, synonym: "log.retention.ms",
        doc: "How long records are kept, in milliseconds; -1 is for ever." },
    Key { name: "segment.bytes", kind: Kind::Int, default: "1073741824", effect: Effect::Kept, synonym: "log.segment.bytes",
        doc: "Size of a segment's file. There are no segments: retention and compaction work on batches." },
    Key { name: "segment.index.bytes", kind: Kind::Int, default: "10485760", effect: Effect::Kept, synonym: "log.index.size.max.bytes",
        doc: "Size of a segment's index. There are no segments." },
    Key { name: "segment.jitter.ms", kind: Kind::Long, default: "0", effect: Effect::Kept, synonym: "log.roll.jitter.ms",
        doc: "How far the times at which segments end are spread. There are no segments." },
    Key { name: "segment.ms", kind: Kind::Long, default: "604800000", effect: Effect::Kept, synonym: "log.roll.ms",
        doc: "How long a segment is written to. There are no segments: retention and compaction work on batches." },
    Key { name: "unclean.leader.election.enable", kind: Kind::Bool, default: "false", effect: Effect::Kept, synonym: "unclean.leader.election.enable",
        doc: "Whether a replica that is behind may lead. There is one replica." },
];

/// What Kafka has built in as hours, under another name of the broker's.
const IN_HOURS: &[(&str, &str, &str)] = &[
    ("retention.ms", "log.retention.hours", "168"),
    ("segment.jitter.ms", "log.roll.jitter.hours", "0"),
    ("segment.ms", "log.roll.hours", "168"),
];

/// The broker's config that a topic's has its default from, and the value of that.
pub(super) fn built_in(key: &Key) -> (&'static str, &'static str) {
    let in_hours = IN_HOURS.iter().find(|(name, ..)| *name == key.name);
    in_hours.map_or((key.synonym, key.default), |(_, synonym, value)| (*synonym, *value))
}

/// The config of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_log::TopicConfig;

    #[test]
    fn the_log_knows_what_is_real_and_keeps_what_is_kept() {
        let named = |effect| KEYS.iter().filter(move |key| key.effect == effect);
        let real: Vec<_> = named(Effect::Real).map(|key| (key.name, key.default)).collect();
        let known: Vec<_> = TopicConfig::KEYS.iter().map(|key| (key.name, key.default)).collect();
        assert_eq!(real, known);
        assert_eq!(named(Effect::Kept).map(|key| key.name).collect::<Vec<_>>(), TopicConfig::KEPT);
        assert!(KEYS.is_sorted_by_key(|key| key.name));
    }
    #[test]
    fn hours_are_the_default_in_another_unit() {
        for (name, _, hours) in IN_HOURS {
            let millis = hours.parse::<u64>().unwrap() * 3_600_000;
            assert_eq!(find(name).map(|key| key.default), Some(millis.to_string().as_str()), "{name}");
        }
    }
    #[test]
    fn every_default_is_legal() {
        for key in KEYS {
            assert!(key.check(key.default).is_ok(), "{}", key.name);
        }
    }
    #[test]
    fn values_of_the_wrong_kind_and_what_cannot_be_are_refused() {
        for (name, value) in [
            ("segment.bytes", "1e3"),
            ("preallocate", "yes"),
            ("min.insync.replicas", "2"),
            ("segment.ms", ""),
        ] {
            assert!(find(name).unwrap().check(value).is_err(), "{name}={value}");
        }
    }
}
