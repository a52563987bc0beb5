//! The end of a transaction: markers in all its partitions, its offsets, and the transaction's own state are ONE unit. There is nothing
//! half done that a crash could leave behind, and so no second phase that would have to go on after a restart.

use super::{Cell, Inner, change};
use crate::coordinator::Coordinator;
use crate::error::{TransactionRefusal, store_failure};
use potok_groups::{Ending, Identity, PendingOffset};
use potok_log::{
    Acks, Append, AppendError, CommitError, CommittedOffset, Marker, OffsetChange, OffsetCommit, StoreError,
    Unit,
};
use potok_types::TopicPartition;
use std::collections::{BTreeSet, HashSet};

/// Term of the coordinator in the markers: there is one, for ever.
const COORDINATOR_EPOCH: i32 = 0;

impl Coordinator {
    /// Commits or aborts the open transaction (`EndTxn`); answers who may write from here on. On disk when it returns, as records with
    /// `acks=all` are. With `bumps` (KIP-890) the producer's epoch moves on.
    pub async fn end_transaction(
        &self,
        transactional_id: &str,
        who: Identity,
        commit: bool,
        bumps: bool,
    ) -> Result<Identity, TransactionRefusal> {
        let inner = &self.inner;
        let mut cell = inner.alone(transactional_id).await?;
        let transaction = cell.known()?;
        let fresh = match bumps && transaction.needs_producer_id() {
            true => Some(inner.log().next_producer_id().await?),
            false => None,
        };
        if let Some(ending) = transaction.end(who, commit, bumps, fresh)? {
            inner.finish(&mut cell, &ending).await?;
        }
        Ok(cell.known()?.identity())
    }
}

impl Inner {
    /// Writes the end, and puts what follows in place. The groups whose offsets it commits are held meanwhile, so that nobody forgets an
    /// offset between the look at what is pending and the write.
    pub(super) async fn finish(&self, cell: &mut Cell, ending: &Ending) -> Result<(), TransactionRefusal> {
        let names: BTreeSet<&str> = ending.offsets.iter().map(|(group, _, _)| group.as_str()).collect();
        let mut groups = Vec::with_capacity(names.len());
        // by name, so that no two transactions wait for each other
        for name in names {
            groups.push(self.lock_anyway(name).await);
        }
        let done = self.write_end(cell, ending).await;
        groups.iter_mut().for_each(|group| self.settle(group));
        done
    }

    /// A partition that was deleted needs no marker; neither does one in which a newer epoch of the producer writes already.
    async fn write_end(&self, cell: &mut Cell, ending: &Ending) -> Result<(), TransactionRefusal> {
        let mut next = cell.known()?.clone();
        next.ended(self.time.now(), ending);
        let mut skipped = HashSet::new();
        loop {
            let markers: Vec<TopicPartition> = ending
                .partitions
                .iter()
                .copied()
                .filter(|at| !skipped.contains(at) && self.exists(*at))
                .collect();
            let unit = Unit {
                appends: markers.iter().map(|at| self.marker(ending, *at)).collect::<Result<_, _>>()?,
                offsets: self.offsets(ending),
                meta: vec![change(&cell.id, &next)?],
                ..Unit::default()
            };
            match self.log().commit(unit, Acks::Synced).await {
                Ok(_) => break,
                // deleted since it was looked at: the next look finds that
                Err(CommitError::UnknownPartition(gone)) if !self.exists(gone.0) => {}
                Err(CommitError::Append { error: AppendError::UnknownPartition(gone), .. })
                    if !self.exists(gone.0) => {}
                Err(CommitError::Append { index, error: error @ AppendError::Fenced { .. } }) => {
                    tracing::warn!(transactional_id = cell.id, %error, "transactions: a partition gets no marker");
                    skipped.extend(markers.get(index).copied());
                }
                Err(error) => return Err(store_failure(error).into()),
            }
        }
        self.replace(cell, next);
        Ok(())
    }

    fn exists(&self, at: TopicPartition) -> bool {
        self.log().ends(at).is_ok()
    }
    fn marker(&self, ending: &Ending, to: TopicPartition) -> Result<Append, StoreError> {
        let marker = if ending.commit { Marker::Commit } else { Marker::Abort };
        let now = self.components.clock.now();
        let batch = marker.batch(ending.producer, ending.epoch, COORDINATOR_EPOCH, now);
        Ok(Append { to, batch: batch.map_err(|error| StoreError::Io(error.to_string().into()))? })
    }
    fn offsets(&self, ending: &Ending) -> Vec<OffsetCommit> {
        let committed_at = self.components.clock.now();
        let commit = |(group, at, pending): &(String, TopicPartition, PendingOffset)| OffsetCommit {
            group: group.clone(),
            at: *at,
            change: OffsetChange::Set(CommittedOffset {
                offset: pending.offset,
                leader_epoch: pending.leader_epoch,
                metadata: pending.metadata.clone(),
                committed_at,
            }),
        };
        ending.offsets.iter().filter(|(_, at, _)| self.exists(*at)).map(commit).collect()
    }
}
