//! Configs of the broker that clients have set: kept in the log as lines of `name=value`, so that they are there after a start.

use parking_lot::RwLock;
use potok_log::{Acks, CommitError, Log, MetaChange, MetaKind, StoreError, Unit};
use std::collections::BTreeMap;

/// Under which they are kept.
const NAME: &str = "broker-configs";

/// What was set, by name.
#[derive(Debug, Default)]
pub(crate) struct BrokerConfigs {
    set: RwLock<BTreeMap<String, String>>,
    /// Held while a change is written, so that changes are in the log in the order in which they hold.
    changing: tokio::sync::Mutex<()>,
}

impl BrokerConfigs {
    /// Reads what was kept.
    pub(crate) fn open(log: &dyn Log) -> Result<BrokerConfigs, StoreError> {
        let kept = log.meta_get(MetaKind::Cluster, NAME)?.unwrap_or_default();
        let kept = String::from_utf8_lossy(&kept);
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let set = RwLock::new(kept.lines().filter_map(pair).collect());
        Ok(BrokerConfigs { set, changing: tokio::sync::Mutex::default() })
    }
    /// What was set for `name`.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.set.read().get(name).cloned()
    }
    /// The names of all that was set.
    pub(super) fn names(&self) -> Vec<String> {
        self.set.read().keys().cloned().collect()
    }
    /// Sets, and unsets with `None`. Durable, and told, once it returns.
    pub(super) async fn change(
        &self,
        log: &dyn Log,
        changes: &[(String, Option<String>)],
    ) -> Result<(), CommitError> {
        let _alone = self.changing.lock().await;
        let mut next = self.set.read().clone();
        for (name, value) in changes {
            match value {
                Some(value) => next.insert(name.clone(), value.trim().to_owned()),
                None => next.remove(name),
            };
        }
        let lines: String = next.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let meta =
            vec![MetaChange { kind: MetaKind::Cluster, name: NAME.to_owned(), value: Some(lines.into()) }];
        log.commit(Unit { meta, ..Unit::default() }, Acks::Synced).await?;
        *self.set.write() = next;
        Ok(())
    }
}
