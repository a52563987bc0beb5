//! What a start reads: topics, and one scan over what every partition knows of itself. No batch is read, so that a thousand
//! partitions cost milliseconds. In comes the open store, out goes the catalog.
//! Invariant: since every write is atomic, these entries and the batches agree whatever cut the last run off.

use super::cleaning::Cleaning;
use super::keys::partitions::{Entry, parse, parse_offset_value};
use super::keys::{meta, successor};
use super::partition::Tail;
use super::store::{Family, Store, corrupt, corrupt_entry};
use super::topics::{Catalog, decode};
use crate::api::{AbortedTransaction, Topic};
use crate::config::TopicConfig;
use crate::error::StoreError;
use crate::transactions::Transactions;
use potok_types::{LeaderEpoch, Offset, PartitionIndex, TopicNumber, TopicPartition};
use std::collections::HashMap;
use std::sync::Arc;

type Tails = HashMap<TopicNumber, HashMap<PartitionIndex, Tail>>;

/// Entries of one partition, as they come.
#[derive(Debug, Default)]
struct Found {
    tail: Tail,
    epochs: Vec<(LeaderEpoch, Offset)>,
    open: Vec<Offset>,
    aborted: Vec<AbortedTransaction>,
    cleaning: Cleaning,
}

impl Found {
    fn take(&mut self, at: TopicPartition, entry: Entry, value: &[u8]) -> Result<(), StoreError> {
        let wrong = || corrupt(Family::Partitions, at, "an entry");
        let offset = || parse_offset_value(value).ok_or_else(wrong);
        match entry {
            Entry::Itself => self.tail = Tail::decode(value).ok_or_else(wrong)?,
            Entry::Cleaning => self.cleaning = Cleaning::decode(value).ok_or_else(wrong)?,
            Entry::Epoch(epoch) => self.epochs.push((epoch, offset()?)),
            Entry::Open(_) => self.open.push(offset()?),
            Entry::Aborted(last_offset, producer) => {
                self.aborted.push(AbortedTransaction { producer, first_offset: offset()?, last_offset });
            }
        }
        Ok(())
    }
    fn into_tail(self) -> Tail {
        let transactions = Transactions::restored(self.open, self.aborted);
        Tail { epochs: self.epochs, transactions, cleaning: self.cleaning, ..self.tail }
    }
}

/// The catalog as the last run left it, under settings that keep records for so many milliseconds.
pub(super) fn catalog(store: &Store, retention_ms: u64) -> Result<Catalog, StoreError> {
    let mut tails = tails(store)?;
    let mut catalog = Catalog::with(TopicConfig::default().in_log(retention_ms));
    store.scan(Family::Meta, (&meta::TOPICS, &successor(&meta::TOPICS)), |_, value| {
        let topic = decode(value)?;
        let topic = Topic { config: topic.config.in_log(retention_ms), ..topic };
        let number = topic.number;
        catalog.put(Arc::new(topic), tails.remove(&number).unwrap_or_default());
        Ok(true)
    })?;
    Ok(catalog)
}

fn tails(store: &Store) -> Result<Tails, StoreError> {
    let mut tails = Tails::new();
    let mut now: Option<(TopicPartition, Found)> = None;
    let mut put = |(at, found): (TopicPartition, Found)| {
        tails.entry(at.topic).or_default().insert(at.partition, found.into_tail());
    };
    store.scan(Family::Partitions, (&[], &successor(&[u8::MAX])), |key, value| {
        let (at, entry) = parse(key).ok_or_else(|| corrupt_entry(Family::Partitions, "a key"))?;
        if now.as_ref().is_none_or(|(before, _)| *before != at)
            && let Some(done) = now.replace((at, Found::default()))
        {
            put(done);
        }
        now.as_mut().map_or(Ok(()), |(_, found)| found.take(at, entry, value))?;
        Ok(true)
    })?;
    now.into_iter().for_each(put);
    Ok(tails)
}
