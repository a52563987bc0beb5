//! The name of the cluster, by which clients tell one from another (`Metadata`, `DescribeCluster`). Made once, kept in the log.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use potok_log::{Acks, CommitError, Log, MetaChange, MetaKind, StoreError, Unit};

/// Under which it is kept.
const NAME: &str = "id";

/// This cluster's id: 128 random bits as 22 characters, as Kafka writes its own. Durable before it is answered.
pub async fn cluster_id(log: &dyn Log) -> Result<String, StoreError> {
    if let Some(kept) = log.meta_get(MetaKind::Cluster, NAME)? {
        return Ok(String::from_utf8_lossy(&kept).into_owned());
    }
    let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let value = Some(id.clone().into());
    let meta = vec![MetaChange { kind: MetaKind::Cluster, name: NAME.to_owned(), value }];
    match log.commit(Unit { meta, ..Unit::default() }, Acks::Synced).await {
        Ok(_) => Ok(id),
        Err(CommitError::Store(error)) => Err(error),
        // it appends nothing and names no partition
        Err(error @ (CommitError::Append { .. } | CommitError::UnknownPartition(_))) => {
            Err(StoreError::Io(error.to_string().into()))
        }
    }
}
