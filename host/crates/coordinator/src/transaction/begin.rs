//! What comes before the end: who may write, and what belongs to the transaction.

use super::{Cell, Inner};
use crate::answers::{CommitRequest, OffsetRefusal, TxnCommitRequest};
use crate::coordinator::Coordinator;
use crate::error::TransactionRefusal;
use crate::settings::TRANSACTION_PARTITIONS_MAX;
use potok_groups::{Identity, Initialised, PendingOffset, Transaction, TransactionError};
use potok_log::Acks;
use potok_types::{ProducerEpoch, TopicPartition};
use std::time::Duration;

impl Coordinator {
    /// Gives a producer its identity (`InitProducerId`). With a transactional id, whoever had it before is fenced, and what it left
    /// open is aborted first. `claimed` is what the producer says that it is (KIP-360).
    pub async fn init_producer(
        &self,
        transactional_id: Option<&str>,
        timeout: Duration,
        claimed: Option<Identity>,
    ) -> Result<Identity, TransactionRefusal> {
        let inner = &self.inner;
        let Some(id) = transactional_id else {
            let producer = inner.log().next_producer_id().await?;
            return Ok(Identity { producer, epoch: ProducerEpoch(0) });
        };
        if timeout.is_zero() || timeout > inner.settings.transaction_timeout_max() {
            return Err(TransactionError::InvalidTimeout.into());
        }
        let mut cell = inner.lock_or_make(id).await?;
        inner.init(&mut cell, timeout, claimed).await
    }

    /// Partitions that the producer will write to (`AddPartitionsToTxn`).
    pub async fn add_partitions(
        &self,
        transactional_id: &str,
        who: Identity,
        partitions: &[TopicPartition],
    ) -> Result<(), TransactionRefusal> {
        let mut cell = self.inner.alone(transactional_id).await?;
        self.inner.add(&mut cell, who, partitions).await
    }

    /// Whether partitions belong to the open transaction (`AddPartitionsToTxn` that only verifies); one answer each.
    pub async fn verify_partitions(
        &self,
        transactional_id: &str,
        who: Identity,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactionRefusal> {
        let cell = self.inner.shared(transactional_id).await?;
        let transaction = cell.known()?;
        transaction.check(who)?;
        Ok(partitions.iter().map(|at| transaction.may_write(who, *at)).collect())
    }

    /// The transaction will commit offsets of a group (`AddOffsetsToTxn`).
    pub async fn add_offsets(
        &self,
        transactional_id: &str,
        who: Identity,
        group: &str,
    ) -> Result<(), TransactionRefusal> {
        self.inner.check_own_group(group)?;
        let mut cell = self.inner.alone(transactional_id).await?;
        let mut next = cell.known()?.clone();
        next.add_group(self.inner.time.now(), who, group)?;
        self.inner.put(&mut cell, next, Acks::Written).await
    }

    /// Offsets that count when the transaction commits (`TxnOffsetCommit`); each is answered by itself.
    pub async fn txn_commit_offsets(
        &self,
        request: TxnCommitRequest,
    ) -> Result<Vec<Result<(), OffsetRefusal>>, TransactionRefusal> {
        let inner = &self.inner;
        let TxnCommitRequest { transactional_id, who, commit, implicit } = request;
        inner.check_own_group(&commit.group)?;
        let mut cell = inner.alone(&transactional_id).await?;
        cell.known()?.check(who)?;
        // held until the offsets are pending: whoever takes the partitions over waits for them (KIP-447)
        let mut group = inner.lock(&commit.group).await?;
        let done = match inner.may_commit(&group, &commit, true) {
            Ok(()) => inner.stage(&mut cell, who, commit, implicit).await,
            Err(refusal) => Err(refusal.into()),
        };
        inner.settle(&mut group);
        done
    }
}

impl Inner {
    async fn init(
        &self,
        cell: &mut Cell,
        timeout: Duration,
        claimed: Option<Identity>,
    ) -> Result<Identity, TransactionRefusal> {
        let now = self.time.now();
        let known = cell.transaction.is_some();
        let mut next = match &cell.transaction {
            Some(transaction) => transaction.clone(),
            None => Transaction::new(self.log().next_producer_id().await?, timeout, now),
        };
        // an id that was forgotten knows nobody: what its producer says of itself means nothing
        let claimed = claimed.filter(|_| known);
        let mut fresh = None;
        loop {
            match next.init(now, timeout, claimed, fresh)? {
                Initialised::Done(identity) => {
                    self.put(cell, next, Acks::Synced).await?;
                    return Ok(identity);
                }
                Initialised::AbortFirst(ending) => {
                    self.finish(cell, &ending).await?;
                    next = cell.known()?.clone();
                }
                Initialised::NeedsProducerId => fresh = Some(self.log().next_producer_id().await?),
            }
        }
    }

    /// Offsets become pending.
    async fn stage(
        &self,
        cell: &mut Cell,
        who: Identity,
        commit: CommitRequest,
        implicit: bool,
    ) -> Result<Vec<Result<(), OffsetRefusal>>, TransactionRefusal> {
        let mut next = cell.known()?.clone();
        let checked: Vec<_> = commit.offsets.iter().map(|offset| self.check_offset(offset)).collect();
        let good = commit.offsets.into_iter().zip(&checked).filter(|(_, check)| check.is_ok());
        for (new, _) in good {
            let offset =
                PendingOffset { offset: new.offset, leader_epoch: new.leader_epoch, metadata: new.metadata };
            next.add_offset(self.time.now(), who, &commit.group, new.at, offset, implicit)?;
        }
        check_size(&next)?;
        self.put(cell, next, Acks::Written).await?;
        Ok(checked)
    }

    pub(super) async fn add(
        &self,
        cell: &mut Cell,
        who: Identity,
        partitions: &[TopicPartition],
    ) -> Result<(), TransactionRefusal> {
        let mut next = cell.known()?.clone();
        if next.add_partitions(self.time.now(), who, partitions.iter().copied())? {
            check_size(&next)?;
            self.put(cell, next, Acks::Written).await?;
        }
        Ok(())
    }
}

fn check_size(transaction: &Transaction) -> Result<(), TransactionRefusal> {
    let parts = transaction.partitions().len() + transaction.pending_offsets().count();
    if parts > TRANSACTION_PARTITIONS_MAX {
        return Err(TransactionRefusal::TooLarge(TRANSACTION_PARTITIONS_MAX));
    }
    Ok(())
}
