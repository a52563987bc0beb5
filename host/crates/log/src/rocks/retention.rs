//! Retention by age and size: what is too old or too much leaves from the front of a partition. In come a partition and its
//! topic's configs, out go trims by way of the writer. Invariant: nothing at or behind the last stable offset leaves, and
//! the writer is asked only when there is something to take.

use super::partition::Partition;
use super::shared::Shared;
use super::trim::{self, Trim, first_not_older};
use crate::config::TopicConfig;
use crate::error::{DeleteRecordsError, StoreError};
use std::sync::Arc;

/// Applies both limits.
pub(super) async fn retain(
    shared: &Shared,
    partition: &Arc<Partition>,
    config: &TopicConfig,
) -> Result<(), StoreError> {
    if let Some(age) = config.retention() {
        let limit = shared.clock.now().minus(age);
        let ends = partition.ends();
        if ends.log_start < ends.last_stable
            && first_not_older(shared, partition.at, limit)?.is_none_or(|first| first > ends.log_start)
        {
            take(shared, partition, Trim::Older(limit)).await?;
        }
    }
    if let Some(bytes_max) = config.retention_bytes()
        && partition.tail.lock().bytes > bytes_max
    {
        take(shared, partition, Trim::DownTo(bytes_max)).await?;
    }
    Ok(())
}

async fn take(shared: &Shared, partition: &Arc<Partition>, what: Trim) -> Result<(), StoreError> {
    let before = partition.ends().log_start;
    match trim::trim(shared, partition.at, what).await {
        Ok(start) => {
            if start > before {
                tracing::debug!(partition = %partition.at, from = before.get(), to = start.get(), "retention removed records");
            }
            Ok(())
        }
        // deleted in the meantime
        Err(DeleteRecordsError::UnknownPartition(_)) => Ok(()),
        Err(DeleteRecordsError::OutOfRange { .. }) => Ok(()),
        Err(DeleteRecordsError::Store(error)) => Err(error),
    }
}
