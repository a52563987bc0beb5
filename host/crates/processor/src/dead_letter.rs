//! A refused record as it is kept: key, value, timestamp and headers as they were, and headers that say why it is here.
//!
//! | header | value |
//! | --- | --- |
//! | `potok.error.topic`, `.partition`, `.offset` | where the record lies; of a timer: `.timer` (`event` or `wall`) and `.at` |
//! | `potok.error.processor`, `.module` | the processor's name, the module's digest |
//! | `potok.error.kind` | `refused`, `trap`, `deadline`, `memory`, `contract` or `broken` |
//! | `potok.error.reason` | a sentence |

use crate::lines::cut;
use crate::output::{Output, list_len};
use crate::settings::REASON_LEN_MAX;
use potok_log::TimerEntry;
use potok_types::{BatchError, Offset, PartitionIndex, RecordColumns, TopicName};

/// Which task refuses, with the words that every one of its dead letters carries.
#[derive(Debug)]
pub(crate) struct Letterhead {
    pub(crate) processor: String,
    pub(crate) module: String,
    pub(crate) partition: PartitionIndex,
}

/// Why a record is refused.
#[derive(Clone, Debug)]
pub(crate) struct Blame {
    pub(crate) kind: &'static str,
    pub(crate) reason: String,
}

impl Blame {
    /// What became of the record, in words, with what went wrong where the module did not refuse it by itself.
    pub(crate) fn verdict(&self) -> String {
        if self.kind == "refused" { "refused".to_owned() } else { format!("refused ({})", self.kind) }
    }
}

/// One letter, ready to be written.
#[derive(Debug)]
pub(crate) struct Letter<'a> {
    pub(crate) timestamp: potok_types::Timestamp,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// The record's own, then ours.
    headers: Vec<(&'a [u8], Option<&'a [u8]>)>,
    ours: Vec<(&'static str, String)>,
}

impl<'a> Letter<'a> {
    /// The letter of record `index` of a batch.
    pub(crate) fn of_record(
        head: &Letterhead,
        blame: &Blame,
        topic: &TopicName,
        records: &'a RecordColumns,
        index: usize,
    ) -> Letter<'a> {
        let offset: Offset = records.offset(index);
        let mut ours = vec![
            ("potok.error.topic", topic.to_string()),
            ("potok.error.partition", head.partition.to_string()),
            ("potok.error.offset", offset.to_string()),
        ];
        ours.extend(common(head, blame));
        Letter {
            timestamp: records.timestamp(index),
            key: records.keys.get(index),
            value: records.values.get(index),
            headers: records.headers.iter().flat_map(|headers| headers.get(index)).collect(),
            ours,
        }
    }
    /// The letter of a timer: its payload.
    pub(crate) fn of_timer(head: &Letterhead, blame: &Blame, timer: &'a TimerEntry) -> Letter<'a> {
        let clock = match timer.clock {
            potok_log::TimerClock::Event => "event",
            potok_log::TimerClock::Wall => "wall",
        };
        let mut ours = vec![
            ("potok.error.partition", head.partition.to_string()),
            ("potok.error.timer", clock.to_owned()),
            ("potok.error.at", timer.at.0.to_string()),
        ];
        ours.extend(common(head, blame));
        let (key, value) = (Some(&*timer.key), Some(&*timer.payload));
        Letter { timestamp: timer.at, key, value, headers: Vec::new(), ours }
    }
    /// Bytes of key, value and headers.
    pub(crate) fn len(&self) -> usize {
        let own = self
            .ours
            .iter()
            .map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())))
            .collect::<Vec<_>>();
        let bytes = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        bytes(self.key) + bytes(self.value) + list_len(&self.headers) + list_len(&own)
    }
    /// Writes it to a partition of the dead-letter topic.
    pub(crate) fn write(&self, to: &mut Output, partition: u32) -> Result<(), BatchError> {
        let mut headers = self.headers.clone();
        headers.extend(self.ours.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))));
        to.push_with(partition, self.timestamp, self.key, self.value, &headers)
    }
}

fn common(head: &Letterhead, blame: &Blame) -> [(&'static str, String); 4] {
    let mut reason = blame.reason.clone();
    cut(&mut reason, REASON_LEN_MAX);
    [
        ("potok.error.processor", head.processor.clone()),
        ("potok.error.module", head.module.clone()),
        ("potok.error.kind", blame.kind.to_owned()),
        ("potok.error.reason", reason),
    ]
}
