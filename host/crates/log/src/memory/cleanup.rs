//! Retention and compaction of the log in memory: whole batches leave from the front by age and size; of a compacted
//! topic the newest record of each key stays, with its offset. Nothing at or past the last stable offset is touched.

use super::Inner;
use super::partition::{Partition, UNPACKED_LEN_MAX};
use crate::config::TopicConfig;
use crate::error::StoreError;
use potok_types::{BatchError, BatchHeader, Offset, Record, RecordBatch, Timestamp};
use std::collections::HashMap;

impl Inner {
    /// Cleans every partition up.
    pub(super) fn clean_up(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for partition in self.partitions.values_mut() {
            let Some(topic) = self.topics.of_partition(partition.at) else { continue };
            let policy = topic.config.cleanup_policy();
            if policy.compact {
                partition.compact(&topic.config, now)?;
            }
            if policy.delete {
                partition.retain(&topic.config, now);
            }
        }
        Ok(())
    }
}

impl Partition {
    fn retain(&mut self, config: &TopicConfig, now: Timestamp) {
        let oldest = config.retention().map(|age| now.minus(age));
        let bytes_max = config.retention_bytes().unwrap_or(u64::MAX);
        let stable = self.ends().last_stable;
        let mut bytes = self.size();
        let mut before = self.ends().log_start;
        for batch in &self.batches {
            let header = batch.header();
            let expired = oldest.is_some_and(|oldest| header.max_timestamp < oldest);
            if !(expired || bytes > bytes_max) || header.next_offset() > stable {
                break;
            }
            bytes -= batch.len() as u64;
            before = header.next_offset();
        }
        self.trim(before);
    }

    fn compact(&mut self, config: &TopicConfig, now: Timestamp) -> Result<(), StoreError> {
        let stable = self.ends().last_stable;
        let clean = self.batches.partition_point(|batch| batch.header().next_offset() <= stable);
        let newest = self.newest(clean)?;
        let settled = now.minus(config.compaction_lag());
        let tombstones_from = now.minus(config.tombstone_retention());
        let mut kept = Vec::with_capacity(self.batches.len());
        for batch in &self.batches[..clean] {
            let stays = |record: &Record<'_>| {
                let key = record.key.unwrap_or_default();
                let superseded = newest.get(key).is_none_or(|newest| record.offset < *newest);
                let expired = record.value.is_none() && record.timestamp < tombstones_from;
                !((superseded || expired) && record.timestamp <= settled)
            };
            let left = self.compacted(batch, stays).map_err(|error| self.damaged(batch, &error))?;
            kept.extend(left);
        }
        kept.extend_from_slice(&self.batches[clean..]);
        self.batches = kept;
        Ok(())
    }
    fn compacted(
        &self,
        batch: &RecordBatch,
        stays: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<Option<RecordBatch>, BatchError> {
        if batch.header().control {
            return Ok(Some(batch.clone()));
        }
        if self.is_aborted(batch.header()) {
            return Ok(None);
        }
        batch.retain(UNPACKED_LEN_MAX, stays)
    }
    /// Offset of the newest record of each key in the first `clean` batches; what was aborted does not count.
    fn newest(&self, clean: usize) -> Result<HashMap<Vec<u8>, Offset>, StoreError> {
        let mut newest = HashMap::new();
        for batch in &self.batches[..clean] {
            if batch.header().control || self.is_aborted(batch.header()) {
                continue;
            }
            let mut note = || -> Result<(), BatchError> {
                for record in batch.open(UNPACKED_LEN_MAX)?.records() {
                    let record = record?;
                    newest.insert(record.key.unwrap_or_default().to_vec(), record.offset);
                }
                Ok(())
            };
            note().map_err(|error| self.damaged(batch, &error))?;
        }
        Ok(newest)
    }
    fn is_aborted(&self, header: &BatchHeader) -> bool {
        let Some((producer, _)) = header.producer.filter(|_| header.transactional) else { return false };
        self.aborted(header.base_offset, header.next_offset()).iter().any(|aborted| {
            aborted.producer == producer
                && (aborted.first_offset..aborted.last_offset).contains(&header.base_offset)
        })
    }
}
