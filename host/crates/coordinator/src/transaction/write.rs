//! Leave to write records of a transaction: checked before, and held until they are in the log.

use super::{Inner, Shared};
use crate::coordinator::Coordinator;
use crate::error::TransactionRefusal;
use potok_groups::{Identity, TransactionError};
use potok_types::TopicPartition;
use tokio::sync::OwnedRwLockWriteGuard;

/// While it is held, the transaction does not end. Drop it once the records are in the log, or refused.
#[derive(Debug)]
#[must_use = "the transaction may end as soon as this is dropped"]
pub struct WriteGuard {
    _held: Shared,
    refused: Vec<TopicPartition>,
}

impl WriteGuard {
    /// Whether records may go to this partition: it belongs to the open transaction.
    pub fn allows(&self, at: TopicPartition) -> bool {
        !self.refused.contains(&at)
    }
}

impl Coordinator {
    /// Asks for leave to write records of a transaction to these partitions. Partitions that were not added to it are added with
    /// `implicit` (KIP-890, Produce 12 and later), else refused one by one.
    pub async fn write_guard(
        &self,
        transactional_id: &str,
        who: Identity,
        partitions: &[TopicPartition],
        implicit: bool,
    ) -> Result<WriteGuard, TransactionRefusal> {
        let inner = &self.inner;
        let mut held = inner.shared(transactional_id).await?;
        let mut refused = not_part_of_it(&held, who, partitions)?;
        if implicit && !refused.is_empty() {
            drop(held);
            held = inner.add_then_share(transactional_id, who, &refused).await?;
            refused = not_part_of_it(&held, who, partitions)?;
        }
        Ok(WriteGuard { _held: held, refused })
    }
}

impl Inner {
    async fn add_then_share(
        &self,
        id: &str,
        who: Identity,
        partitions: &[TopicPartition],
    ) -> Result<Shared, TransactionRefusal> {
        let mut cell = self.alone(id).await?;
        self.add(&mut cell, who, partitions).await?;
        Ok(OwnedRwLockWriteGuard::downgrade(cell))
    }
}

fn not_part_of_it(
    held: &Shared,
    who: Identity,
    partitions: &[TopicPartition],
) -> Result<Vec<TopicPartition>, TransactionRefusal> {
    let transaction = held.known()?;
    let mut refused = Vec::new();
    for at in partitions {
        match transaction.may_write(who, *at) {
            Ok(()) => {}
            Err(TransactionError::UnknownPartition) => refused.push(*at),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}
