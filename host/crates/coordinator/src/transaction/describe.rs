//! Transactions as their administrators see them.

use super::check_id;
use crate::answers::TransactionDescription;
use crate::coordinator::Coordinator;
use crate::error::TransactionRefusal;
use crate::topics::compile;
use potok_groups::Transaction;

impl Coordinator {
    /// A transactional id as it is.
    pub async fn describe_transaction(&self, id: &str) -> Result<TransactionDescription, TransactionRefusal> {
        check_id(id)?;
        let unknown = || TransactionRefusal::Unknown(id.to_owned());
        let cell = self.inner.shared(id).await.map_err(|_| unknown())?;
        cell.transaction.as_ref().map(|t| description(id, t)).ok_or_else(unknown)
    }
    /// All transactional ids, by name, or those whose whole name matches a pattern.
    pub async fn list_transactions(
        &self,
        pattern: Option<&str>,
    ) -> Result<Vec<TransactionDescription>, TransactionRefusal> {
        let pattern =
            pattern.map(|text| compile(text).ok_or(TransactionRefusal::InvalidRegex)).transpose()?;
        let asked = |id: &&String| pattern.as_ref().is_none_or(|pattern| pattern.is_match(id));
        let mut ids: Vec<String> =
            self.inner.transactions.by_id.lock().keys().filter(asked).cloned().collect();
        ids.sort_unstable();
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            // one that has just been forgotten is none
            all.extend(self.describe_transaction(&id).await.ok());
        }
        Ok(all)
    }
}

fn description(id: &str, transaction: &Transaction) -> TransactionDescription {
    TransactionDescription {
        transactional_id: id.to_owned(),
        state: transaction.state_name(),
        identity: transaction.identity(),
        timeout: transaction.timeout(),
        started_at: transaction.started_at(),
        partitions: transaction.partitions().collect(),
    }
}
