//! Keys of `meta`: named things.
//!
//! ```text
//! | kind u8 | name |   value: of the kind's own format
//! ```
//! Kinds below 128 are [`MetaKind`]'s, and belong to the rooms; those from 128 on are the log's own.

use crate::api::MetaKind;
use potok_types::TopicNumber;

const TOPIC: u8 = 128;
const COUNTER: u8 = 129;
const JOURNAL: u8 = 130;
const GOING: u8 = 131;

/// What the log counts on across starts. On disk as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::rocks) enum Counter {
    /// Number of the next topic.
    Topic = 0,
    /// First producer id that no run has taken.
    Producer = 1,
    /// Number of the next processor.
    Processor = 2,
    /// Leader epoch of the next start.
    Epoch = 3,
}

/// The key of a named thing.
pub(in crate::rocks) fn key(kind: MetaKind, name: &str) -> Vec<u8> {
    [&[kind as u8], name.as_bytes()].concat()
}
/// All keys of a kind begin so.
pub(in crate::rocks) fn prefix(kind: MetaKind) -> [u8; 1] {
    [kind as u8]
}
/// Name of a key.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<&str> {
    str::from_utf8(key.get(1..)?).ok()
}
/// The key of a topic.
pub(in crate::rocks) fn topic(number: TopicNumber) -> [u8; 5] {
    let mut key = [TOPIC; 5];
    key[1..].copy_from_slice(&number.0.to_be_bytes());
    key
}
/// All topics' keys begin so.
pub(in crate::rocks) const TOPICS: [u8; 1] = [TOPIC];
/// The key of a counter; its value is u64 BE.
pub(in crate::rocks) fn counter(counter: Counter) -> [u8; 2] {
    [COUNTER, counter as u8]
}
/// The key of how far the store has taken in the journal: [`crate::rocks::journal::Applied`].
pub(in crate::rocks) const APPLIED: [u8; 1] = [JOURNAL];
/// The key of a topic that was deleted and whose batches are being removed; its value is empty.
pub(in crate::rocks) fn going(number: TopicNumber) -> [u8; 5] {
    let mut key = [GOING; 5];
    key[1..].copy_from_slice(&number.0.to_be_bytes());
    key
}
/// All such keys begin so.
pub(in crate::rocks) const ALL_GOING: [u8; 1] = [GOING];
/// The topic of such a key.
pub(in crate::rocks) fn parse_going(key: &[u8]) -> Option<TopicNumber> {
    if key.len() == 5 { super::u32_at(key, 1).map(TopicNumber) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_mix_and_names_read_back() {
        let key = key(MetaKind::Processor, "größe");
        assert!(key.starts_with(&prefix(MetaKind::Processor)));
        assert_eq!(parse(&key), Some("größe"));
        assert!(topic(TopicNumber(255)) < topic(TopicNumber(256)));
        assert!(!counter(Counter::Epoch).starts_with(&TOPICS));
        assert!(
            going(TopicNumber(3)).starts_with(&ALL_GOING) && !going(TopicNumber(3)).starts_with(&APPLIED)
        );
        assert_eq!(parse_going(&going(TopicNumber(3))), Some(TopicNumber(3)));
    }
}
