//! Records on their way to one output topic: each gets its partition, partitions get their batches.
//! In come what a guest forwarded or made, out go appends of a unit. Invariants: records of a partition keep the order in
//! which they were given; no batch is over the topic's `max.message.bytes`. What does not fit is refused beforehand
//! ([`Output::check_forward`], [`Output::check_fresh`]), so that writing itself cannot fail half way.

use potok_log::{Append, Topic};
use potok_plugin::Fresh;
use potok_types::{
    BATCH_HEADER_LEN, BatchBuilder, BatchError, Column, Compression, HeaderColumns, PartitionIndex,
    RecordColumns, Timestamp, TopicPartition, partition_for_key,
};
use std::sync::Arc;

/// Bytes at which a batch is closed: large batches cost the log least, and this one still is read in one guest call.
const BATCH_BYTES_TARGET: usize = 256 << 10;
/// Bytes that a record's framing can take beside its key, value and headers: varints of length, timestamp, offset, key
/// length, value length and header count (at most 10 each), and the attributes.
const RECORD_OVERHEAD_LEN: usize = 6 * 10 + 1;
/// The same for one header: two lengths.
const HEADER_OVERHEAD_LEN: usize = 2 * 10;

/// One output topic within the unit being built.
#[derive(Debug)]
pub(crate) struct Output {
    topic: Arc<Topic>,
    batch_len_max: usize,
    compact: bool,
    builders: Vec<Option<BatchBuilder>>,
    /// Partitions with an open batch.
    open: Vec<u32>,
    appends: Vec<Append>,
    /// Where records without a key go in this unit.
    keyless: u32,
    /// Whether they move on to the next partition with each unit.
    rotates: bool,
    /// Size of the last batch: room for the next.
    room: usize,
    bytes: usize,
    records: u64,
}

impl Output {
    /// An output as its topic is now. Records without a key stay in the partition of their task when the topic has as many
    /// partitions as the inputs, so that their order is kept end to end; else they go to one partition a unit, in turn.
    pub(crate) fn new(topic: Arc<Topic>, home: PartitionIndex, input_partitions: u32) -> Output {
        let count = topic.partitions.max(1);
        Output {
            batch_len_max: topic.config.batch_len_max(),
            compact: topic.config.cleanup_policy().compact,
            builders: (0..count).map(|_| None).collect(),
            open: Vec::new(),
            appends: Vec::new(),
            keyless: home.0 % count,
            rotates: count != input_partitions,
            room: 0,
            bytes: 0,
            records: 0,
            topic,
        }
    }
    /// The topic that it was made for.
    pub(crate) fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }
    /// Bytes so far in this unit.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
    /// Whether these input records can be written; a sentence when one cannot.
    pub(crate) fn check_forward(&self, records: &RecordColumns, indices: &[u32]) -> Result<(), String> {
        if self.needs_no_check(&records.keys, &records.values, records.headers.as_ref()) {
            return Ok(());
        }
        indices.iter().try_for_each(|i| {
            let i = *i as usize;
            let headers = records.headers.as_ref().map_or(0, |headers| headers_len(headers, i));
            self.check_record(i, records.keys.get(i), records.values.get(i), headers)
        })
    }
    /// Whether these new records can be written; a sentence when one cannot.
    pub(crate) fn check_fresh(&self, fresh: &Fresh) -> Result<(), String> {
        let count = self.topic.partitions;
        if let Some(wrong) = fresh.partitions.iter().find(|partition| **partition >= count) {
            return Err(format!("partition {wrong} of topic {}, which has {count}", self.topic.name));
        }
        if self.needs_no_check(&fresh.keys, &fresh.values, fresh.headers.as_ref()) {
            return Ok(());
        }
        (0..fresh.values.len()).try_for_each(|i| {
            let headers = fresh.headers.as_ref().map_or(0, |headers| headers_len(headers, i));
            self.check_record(i, fresh.keys.get(i), fresh.values.get(i), headers)
        })
    }
    /// All together fit into one batch and none lacks a key that it needs.
    fn needs_no_check(&self, keys: &Column, values: &Column, headers: Option<&HeaderColumns>) -> bool {
        let has_keys = !self.compact || keys.parts().2.is_empty();
        let bytes = keys.parts().0.len() + values.parts().0.len() + RECORD_OVERHEAD_LEN + BATCH_HEADER_LEN;
        has_keys && headers.is_none() && bytes <= self.batch_len_max
    }
    fn check_record(
        &self,
        i: usize,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: usize,
    ) -> Result<(), String> {
        if self.compact && key.is_none() {
            return Err(format!("record {i} has no key, and output topic {} is compacted", self.topic.name));
        }
        let len = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers;
        if !self.has_room_for(len) {
            let (name, max) = (&self.topic.name, self.batch_len_max);
            return Err(format!(
                "record {i} of {len} bytes is over max.message.bytes={max} of output topic {name}"
            ));
        }
        Ok(())
    }
    /// Whether a record of so many bytes (key, value, headers) fits into a batch of its own.
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        len + RECORD_OVERHEAD_LEN + BATCH_HEADER_LEN <= self.batch_len_max
    }
    /// Writes input records as they were.
    pub(crate) fn forward(&mut self, records: &RecordColumns, indices: &[u32]) -> Result<(), BatchError> {
        for i in indices {
            let i = *i as usize;
            let (key, value) = (records.keys.get(i), records.values.get(i));
            let to = self.partition_of(key);
            match &records.headers {
                None => self.push(to, records.timestamp(i), key, value)?,
                Some(headers) => {
                    self.push_with(to, records.timestamp(i), key, value, &header_list(headers, i))?
                }
            }
        }
        Ok(())
    }
    /// Writes new records.
    pub(crate) fn fresh(&mut self, fresh: &Fresh) -> Result<(), BatchError> {
        let timestamps = fresh.timestamps.as_chunks::<8>().0;
        for (i, ((key, value), at)) in fresh.keys.iter().zip(fresh.values.iter()).zip(timestamps).enumerate()
        {
            let timestamp = Timestamp(i64::from_le_bytes(*at));
            let to = fresh.partitions.get(i).map_or_else(|| self.partition_of(key), |partition| *partition);
            match &fresh.headers {
                None => self.push(to, timestamp, key, value)?,
                Some(headers) => self.push_with(to, timestamp, key, value, &header_list(headers, i))?,
            }
        }
        Ok(())
    }
    #[inline]
    fn partition_of(&self, key: Option<&[u8]>) -> u32 {
        match key {
            Some(_) if self.builders.len() == 1 => 0,
            Some(key) => partition_for_key(key, self.topic.partitions).0,
            None => self.keyless,
        }
    }
    #[inline]
    fn push(
        &mut self,
        to: u32,
        at: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), BatchError> {
        let len = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        self.builder(to, len)?.push(at, key, value, std::iter::empty());
        Ok(())
    }
    /// Adds one record with headers to a partition; it must fit ([`Output::has_room_for`]).
    pub(crate) fn push_with(
        &mut self,
        to: u32,
        at: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Result<(), BatchError> {
        let len = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + list_len(headers);
        self.builder(to, len)?.push(at, key, value, headers.iter().copied());
        Ok(())
    }
    /// The open batch of a partition, with room for a record of `len` bytes.
    #[inline]
    fn builder(&mut self, to: u32, len: usize) -> Result<&mut BatchBuilder, BatchError> {
        self.bytes += len;
        self.records += 1;
        let at = to as usize;
        let needed = len + RECORD_OVERHEAD_LEN;
        let limit = BATCH_BYTES_TARGET.min(self.batch_len_max);
        if self.builders[at].as_ref().is_some_and(|b| b.byte_len() + needed > limit && b.count() > 0) {
            self.close(to)?;
        }
        if self.builders[at].is_none() {
            self.open.push(to);
        }
        let room = self.room;
        Ok(self.builders[at].get_or_insert_with(|| BatchBuilder::with_capacity(Compression::None, room)))
    }
    fn close(&mut self, partition: u32) -> Result<(), BatchError> {
        let Some(builder) = self.builders[partition as usize].take() else { return Ok(()) };
        self.open.retain(|open| *open != partition);
        self.room = (builder.byte_len() + builder.byte_len() / 8).min(BATCH_BYTES_TARGET);
        if let Some(batch) = builder.build()? {
            let to = TopicPartition { topic: self.topic.number, partition: PartitionIndex(partition) };
            self.appends.push(Append { to, batch });
        }
        Ok(())
    }
    /// Closes the unit's batches and hands them over; says how many records and bytes of keys, values and headers they hold.
    pub(crate) fn finish(&mut self, into: &mut Vec<Append>) -> Result<(u64, u64), BatchError> {
        while let Some(partition) = self.open.last() {
            self.close(*partition)?;
        }
        into.append(&mut self.appends);
        if self.rotates {
            self.keyless = (self.keyless + 1) % u32::try_from(self.builders.len()).unwrap_or(1);
        }
        Ok((std::mem::take(&mut self.records), std::mem::take(&mut self.bytes) as u64))
    }
}

fn header_list(headers: &HeaderColumns, record: usize) -> Vec<(&[u8], Option<&[u8]>)> {
    headers.get(record).collect()
}
fn headers_len(headers: &HeaderColumns, record: usize) -> usize {
    headers.get(record).map(header_len).sum()
}
/// Bytes that these headers take in a batch, at most.
pub(crate) fn list_len(headers: &[(&[u8], Option<&[u8]>)]) -> usize {
    headers.iter().copied().map(header_len).sum()
}
fn header_len((name, value): (&[u8], Option<&[u8]>)) -> usize {
    name.len() + value.map_or(0, <[u8]>::len) + HEADER_OVERHEAD_LEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_log::TopicConfig;
    use potok_types::TopicNumber;

    fn output(partitions: u32, config: &[(&str, &str)]) -> Output {
        let mut topic_config = TopicConfig::default();
        let set: Vec<_> = config.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect();
        topic_config.apply(&set).unwrap();
        let topic = Topic {
            name: "out".parse().unwrap(),
            number: TopicNumber(7),
            id: [1; 16],
            partitions,
            config: topic_config,
        };
        Output::new(Arc::new(topic), PartitionIndex(1), 3)
    }
    fn fresh(records: &[(Option<&str>, &str)], partitions: Vec<u32>) -> Fresh {
        Fresh {
            timestamps: (0..records.len() as i64).flat_map(i64::to_le_bytes).collect(),
            keys: records.iter().map(|r| r.0.map(str::as_bytes)).collect(),
            values: records.iter().map(|r| Some(r.1.as_bytes())).collect(),
            headers: None,
            partitions,
        }
    }
    /// Values by partition, in order of the appends.
    fn finish(output: &mut Output) -> Vec<(u32, Vec<String>)> {
        let mut appends = Vec::new();
        output.finish(&mut appends).unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let mut all: Vec<_> = appends
            .iter()
            .map(|a| {
                let open = a.batch.open(1 << 20).unwrap();
                (a.to.partition.0, open.records().map(|r| text(r.unwrap().value)).collect())
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn keys_choose_as_kafkas_partitioner_and_guests_may_overrule_it() {
        let mut out = output(4, &[]);
        out.fresh(&fresh(&[(Some("foobar"), "k"), (None, "n1")], vec![])).unwrap();
        out.fresh(&fresh(&[(Some("foobar"), "named")], vec![3])).unwrap();
        let by_key = partition_for_key(b"foobar", 4).0;
        let all = finish(&mut out);
        assert!(all.iter().any(|(p, values)| *p == by_key && values.contains(&"k".to_owned())));
        assert!(all.iter().any(|(p, values)| *p == 3 && values.contains(&"named".to_owned())));
        out.fresh(&fresh(&[(None, "n2")], vec![])).unwrap();
        assert_eq!(finish(&mut out), vec![(2, vec!["n2".to_owned()])], "keyless records go round by units");
    }
    #[test]
    fn batches_stay_within_the_topics_limit_and_in_order() {
        let mut out = output(1, &[("max.message.bytes", "300")]);
        let values: Vec<String> = (0..20).map(|i| format!("{i:0>40}")).collect();
        let records: Vec<_> = values.iter().map(|v| (Some("k"), v.as_str())).collect();
        out.check_fresh(&fresh(&records, vec![])).unwrap();
        out.fresh(&fresh(&records, vec![])).unwrap();
        let mut appends = Vec::new();
        assert_eq!(out.finish(&mut appends).unwrap(), (20, 20 * 41));
        assert!(appends.len() > 4 && appends.iter().all(|a| a.batch.len() <= 300));
        let read: Vec<_> = appends
            .iter()
            .flat_map(|a| {
                let open = a.batch.open(1 << 20).unwrap();
                open.records()
                    .map(|r| String::from_utf8(r.unwrap().value.unwrap().to_vec()).unwrap())
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(read, values);
    }
    #[test]
    fn what_cannot_be_written_is_named_before_anything_is() {
        let out = output(2, &[("max.message.bytes", "300"), ("cleanup.policy", "compact")]);
        let reason = |f: Fresh| out.check_fresh(&f).unwrap_err();
        assert!(reason(fresh(&[(None, "v")], vec![])).contains("no key"));
        assert!(reason(fresh(&[(Some("k"), &"x".repeat(300))], vec![])).contains("max.message.bytes=300"));
        assert!(
            reason(fresh(&[(Some("k"), "v")], vec![2])).contains("partition 2 of topic out, which has 2")
        );
        let mut records = RecordColumns::default();
        records.push(potok_types::Offset::FIRST, Timestamp(0), None, Some(b"v"), std::iter::empty());
        assert!(out.check_forward(&records, &[0]).is_err());
    }
}
