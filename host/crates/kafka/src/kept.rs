//! Things that clients set and that this server keeps whole under one name: in memory, and as JSON in the log, so that they are there
//! after a start. In come changes, one after the other, out goes what is. Invariant: what is told is durable, and a change that was
//! not written has changed nothing.

use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use parking_lot::RwLock;
use potok_log::{Acks, CommitError, Log, MetaChange, MetaKind, StoreError, Unit};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of all that is kept under one name, as each change writes it whole: thousands of quotas or of users.
const LEN_MAX: usize = 1 << 20;

/// One such thing.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    name: &'static str,
    is: RwLock<T>,
    /// Held while a change is written, so that changes are in the log in the order in which they hold.
    changing: tokio::sync::Mutex<()>,
}

impl<T: Clone + Default + PartialEq + Serialize + DeserializeOwned> Kept<T> {
    /// Reads what was kept.
    pub(crate) fn open(log: &dyn Log, name: &'static str) -> Result<Kept<T>, StoreError> {
        let damaged = |error: serde_json::Error| StoreError::Corrupt {
            at: format!("what the cluster keeps as {name}"),
            reason: error.to_string(),
        };
        let is = match log.meta_get(MetaKind::Cluster, name)? {
            Some(kept) => serde_json::from_slice(&kept).map_err(damaged)?,
            None => T::default(),
        };
        Ok(Kept { name, is: RwLock::new(is), changing: tokio::sync::Mutex::default() })
    }
    /// Looks at it as it is.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.is.read())
    }
    /// Does `change` to a copy, which takes the place of what is once it is written.
    pub(crate) async fn change<R>(
        &self,
        log: &dyn Log,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Refusal> {
        let _alone = self.changing.lock().await;
        let before = self.is.read().clone();
        let mut next = before.clone();
        let told = change(&mut next);
        if next == before {
            return Ok(told);
        }
        let value = serde_json::to_vec(&next)
            .map_err(|error| Refusal::new(Code::UnknownServerError, error.to_string()))?;
        if value.len() > LEN_MAX {
            let message = format!("all of them would take {} bytes; {LEN_MAX} are the limit", value.len());
            return Err(Refusal::new(Code::PolicyViolation, message));
        }
        let name = self.name.to_owned();
        let meta = vec![MetaChange { kind: MetaKind::Cluster, name, value: Some(value.into()) }];
        match log.commit(Unit { meta, ..Unit::default() }, Acks::Synced).await {
            Ok(_) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(error @ (CommitError::Append { .. } | CommitError::UnknownPartition(_))) => {
                return Err(Refusal::new(Code::UnknownServerError, error.to_string()));
            }
        }
        *self.is.write() = next;
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_log::MemoryLog;
    use potok_types::SystemClock;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_is_changed_is_there_after_a_start_and_what_is_too_much_is_not() {
        let log: Arc<dyn Log> = MemoryLog::new(SystemClock::shared());
        let kept = Kept::<Vec<String>>::open(&*log, "names").unwrap();
        assert_eq!(kept.change(&*log, |names| names.push("a".to_owned())).await.ok(), Some(()));
        let refused = kept.change(&*log, |names| names.push("b".repeat(LEN_MAX))).await;
        assert_eq!(refused.map_err(|refusal| refusal.code), Err(Code::PolicyViolation));
        kept.look(|names| assert_eq!(names, &["a"]));
        Kept::<Vec<String>>::open(&*log, "names").unwrap().look(|names| assert_eq!(names, &["a"]));
        assert!(Kept::<Vec<u8>>::open(&*log, "names").is_err(), "what does not read is not forgotten");
    }
}
