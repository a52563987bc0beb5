//! One output's records of one call: first those forwarded by index, then new ones as columns.
//! In: forwarded indices, new records. Out: bodies in the order of sending. Invariant: a forwarded record that follows a new one is copied,
//! so that an output has one run of indices at most; columns of one body have one length.

use crate::column::HeaderColumns;
use crate::outcome::{Body, Emission, Fresh};
use crate::record::{Batch, Record};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Port {
    /// n u32, little-endian.
    forward: Vec<u8>,
    /// A new body begins where naming partitions begins or ends.
    fresh: Vec<Fresh>,
    /// The record that `mark` belongs to.
    marked: usize,
    mark: Mark,
}

/// Where a record began.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    forward: usize,
    bodies: usize,
    records: usize,
}

const NO_RECORD: usize = usize::MAX;

impl Default for Port {
    fn default() -> Port {
        Port { forward: Vec::new(), fresh: Vec::new(), marked: NO_RECORD, mark: Mark::default() }
    }
}

impl Port {
    /// Remembers where record `index` began, at its first use of the port.
    #[inline]
    pub(super) fn mark(&mut self, index: usize) {
        if self.marked != index {
            self.marked = index;
            let records = self.fresh.last().map_or(0, Fresh::len);
            self.mark = Mark { forward: self.forward.len(), bodies: self.fresh.len(), records };
        }
    }
    /// Cuts back to where record `index` began, if it came here at all.
    pub(super) fn undo(&mut self, index: usize) {
        if self.marked != index {
            return;
        }
        self.forward.truncate(self.mark.forward);
        self.fresh.truncate(self.mark.bodies);
        if let Some(last) = self.fresh.last_mut() {
            last.truncate(self.mark.records);
        }
        self.marked = NO_RECORD;
    }
    #[inline]
    pub(super) fn forward(&mut self, batch: &Batch, index: usize) {
        if self.fresh.is_empty() {
            self.forward.extend_from_slice(&super::wire(index).to_le_bytes());
        } else {
            self.copy(batch.get(index));
        }
    }
    #[cold]
    fn copy(&mut self, record: Record<'_>) {
        let fresh = self.fresh(false, None);
        fresh.values.push(record.value());
        let headers: Vec<_> = record.headers().collect();
        finish(fresh, record.key(), record.timestamp(), None, &headers);
    }
    /// The body that takes the next new record; of a batch, with room for what is left of it.
    #[inline]
    pub(super) fn fresh(&mut self, names_partition: bool, at: Option<(&Batch, usize)>) -> &mut Fresh {
        let fits = self
            .fresh
            .last()
            .is_some_and(|last| last.partitions.is_empty() != names_partition || last.len() == 0);
        if !fits {
            self.fresh.push(at.map_or_else(Fresh::default, |(batch, index)| with_room(batch, index)));
        }
        let last = self.fresh.len() - 1;
        &mut self.fresh[last]
    }
    pub(super) fn emit(self, output: u32, into: &mut Vec<Emission>) {
        if !self.forward.is_empty() {
            into.push(Emission { output, body: Body::Forward(self.forward) });
        }
        for fresh in self.fresh {
            if fresh.len() > 0 {
                into.push(Emission { output, body: Body::Fresh(fresh) });
            }
        }
    }
}

/// Room for as many records as the batch has from `index` on, none larger than their mean.
fn with_room(batch: &Batch, index: usize) -> Fresh {
    let left = batch.len() - index;
    let share = |bytes: usize| bytes / batch.len() * left;
    let mut fresh = Fresh::default();
    fresh.timestamps.reserve(8 * left);
    fresh.keys.ends.reserve(4 * left);
    fresh.keys.data.reserve(share(batch.keys.data.len()));
    fresh.values.ends.reserve(4 * left);
    fresh.values.data.reserve(share(batch.values.data.len()));
    fresh
}

/// Adds what belongs to a record beside its value.
#[inline]
pub(super) fn finish(
    fresh: &mut Fresh,
    key: Option<&[u8]>,
    timestamp: Timestamp,
    partition: Option<u32>,
    headers: &[(&[u8], Option<&[u8]>)],
) {
    if !headers.is_empty() || fresh.headers.is_some() {
        let before = fresh.len();
        let columns = fresh.headers.get_or_insert_with(|| HeaderColumns::of_none(before));
        columns.push(headers.iter().copied());
    }
    fresh.keys.push(key);
    if let Some(partition) = partition {
        fresh.partitions.extend_from_slice(&partition.to_le_bytes());
    }
    fresh.timestamps.extend_from_slice(&timestamp.0.to_le_bytes());
}
