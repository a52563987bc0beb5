//! What consumers tell each other through a classic group (KIP-429, `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`):
//! opaque to a classic group, read to show who has what and to make it a group of KIP-848, and written for members that are given their
//! partitions by the server.
//! In come bytes of strangers, out go names and numbers, or nothing when they are something else.

use bytes::{BufMut, Bytes, BytesMut};

/// Version written; every consumer reads it, and passes over what newer ones add.
const VERSION: i16 = 1;

/// The first version whose members say what they own.
const OWNED_FROM: i16 = 1;
/// The first version whose members say where they are.
const RACK_FROM: i16 = 3;

/// Partitions by topic.
pub type ByTopic = Vec<(String, Vec<u32>)>;

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// What it reads.
    pub topics: Vec<String>,
    /// What it has and means to keep; nothing of a member that gives all up before it joins.
    pub owned: ByTopic,
    /// Where it is.
    pub rack: Option<String>,
}

/// What a member says of itself. What an older version does not have is empty, also where the version is claimed and its fields are
/// not there, as some clients write it.
pub fn read_subscription(metadata: &[u8]) -> Option<Subscription> {
    let mut from = Reader(metadata);
    let version = from.version()?;
    let topics = from.array(Reader::string)?;
    let mut subscription = Subscription { topics, ..Subscription::default() };
    if from.0.is_empty() {
        return Some(subscription);
    }
    from.skip_bytes()?;
    if version >= OWNED_FROM && !from.0.is_empty() {
        subscription.owned = from.partitions()?;
    }
    if version >= RACK_FROM && !from.0.is_empty() {
        from.i32()?; // its generation
        subscription.rack = from.nullable_string()?;
    }
    Some(subscription)
}
/// Topics that a member subscribes to.
pub fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut from = Reader(metadata);
    from.version()?;
    from.array(Reader::string)
}
/// Partitions that a member was given.
pub fn assigned_partitions(assignment: &[u8]) -> Option<ByTopic> {
    if assignment.is_empty() {
        return Some(Vec::new());
    }
    let mut from = Reader(assignment);
    from.version()?;
    from.partitions()
}
/// What a member subscribes to and owns, as the leader reads it.
pub fn subscription(topics: &[String], owned: &[(String, Vec<u32>)]) -> Bytes {
    let mut to = BytesMut::new();
    to.put_i16(VERSION);
    put_len(&mut to, topics.len());
    topics.iter().for_each(|topic| put_string(&mut to, topic));
    to.put_i32(-1); // user data
    put_partitions(&mut to, owned);
    to.freeze()
}
/// What a leader gives a member.
pub fn assignment(partitions: &[(String, Vec<u32>)]) -> Bytes {
    let mut to = BytesMut::new();
    to.put_i16(VERSION);
    put_partitions(&mut to, partitions);
    to.put_i32(-1); // user data
    to.freeze()
}

fn put_partitions(to: &mut BytesMut, partitions: &[(String, Vec<u32>)]) {
    put_len(to, partitions.len());
    for (topic, indexes) in partitions {
        put_string(to, topic);
        put_len(to, indexes.len());
        indexes.iter().for_each(|index| to.put_u32(*index));
    }
}
fn put_len(to: &mut BytesMut, len: usize) {
    to.put_i32(i32::try_from(len).unwrap_or(i32::MAX));
}
/// A topic's name has 249 bytes at most.
fn put_string(to: &mut BytesMut, text: &str) {
    to.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    to.put_slice(text.as_bytes());
}

/// Takes from the front; none when there is too little. Nothing is taken by what a length claims.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
    fn i16(&mut self) -> Option<i16> {
        self.take(2)?.first_chunk().map(|bytes| i16::from_be_bytes(*bytes))
    }
    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
    }
    fn version(&mut self) -> Option<i16> {
        self.i16().filter(|version| *version >= 0)
    }
    fn string(&mut self) -> Option<String> {
        let len = usize::try_from(self.i16()?).ok()?;
        str::from_utf8(self.take(len)?).ok().map(str::to_owned)
    }
    fn nullable_string(&mut self) -> Option<Option<String>> {
        if self.0.starts_with(&(-1_i16).to_be_bytes()) {
            self.i16()?;
            return Some(None);
        }
        self.string().map(Some)
    }
    fn skip_bytes(&mut self) -> Option<()> {
        let len = usize::try_from(self.i32()?.max(0)).ok()?;
        self.take(len).map(|_| ())
    }
    fn partitions(&mut self) -> Option<ByTopic> {
        self.array(|from| Some((from.string()?, from.array(|from| u32::try_from(from.i32()?).ok())?)))
    }
    fn array<T>(&mut self, mut one: impl FnMut(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        (0..self.i32()?.max(0)).map(|_| one(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_cut_bytes_are_nothing() {
        let (topics, parts) = (vec!["a".to_owned(), "b".to_owned()], vec![("a".to_owned(), vec![0, 7])]);
        let bytes = subscription(&topics, &parts);
        assert_eq!(subscribed_topics(&bytes), Some(topics.clone()));
        let said = Subscription { topics: topics.clone(), owned: parts.clone(), rack: None };
        assert_eq!(read_subscription(&bytes), Some(said.clone()));
        let third = [&[0, 3], &bytes[2..], &[0, 0, 0, 9, 0, 1, b'r']].concat();
        assert_eq!(
            read_subscription(&third),
            Some(Subscription { rack: Some("r".to_owned()), ..said.clone() })
        );
        let no_rack = [&[0, 3], &bytes[2..], &[0, 0, 0, 9, 255, 255]].concat();
        assert_eq!(read_subscription(&no_rack), Some(said));
        let only_topics = Subscription { topics, ..Subscription::default() };
        assert_eq!(read_subscription(&subscription(&only_topics.topics, &[])), Some(only_topics));
        for cut in [1, 5, 9, bytes.len() - 1, bytes.len() - 7] {
            assert_eq!(read_subscription(&bytes[..cut]), None, "{cut}");
        }
        let given = assignment(&parts);
        assert_eq!(assigned_partitions(&given), Some(parts));
        for cut in 1..given.len() - 4 {
            assert_eq!(assigned_partitions(&given[..cut]), None, "{cut}");
        }
        assert_eq!(assigned_partitions(&[]), Some(vec![]));
        assert_eq!(subscribed_topics(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None, "a claim takes no memory");
    }
}
