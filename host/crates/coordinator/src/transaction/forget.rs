//! Transactional ids that are forgotten: those that nobody has used for long, and, where there is no room for another, those that were
//! unused for longest. Whoever was forgotten and comes again is told to begin anew (`InitProducerId`).
//! Invariant: an id with an open transaction, or one that somebody is at, is never forgotten; and nobody here waits for such a one.

use super::{Alone, Cell, Inner};
use crate::error::{TransactionRefusal, store_failure};
use crate::settings::{FORGOTTEN_AT_ONCE, TRANSACTIONAL_IDS_MAX};
use potok_groups::{Transaction, TransactionState};
use potok_log::{Acks, MetaChange, MetaKind, Unit};
use potok_types::Timestamp;
use std::sync::Arc;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

impl Cell {
    /// Since when nobody has used it: the dawn of time for one that nobody was ever given, none while its transaction is open.
    fn unused_since(&self) -> Option<Timestamp> {
        let is_open = |t: &Transaction| t.state() == TransactionState::Ongoing;
        match &self.transaction {
            Some(transaction) if is_open(transaction) => None,
            Some(transaction) => Some(transaction.updated_at()),
            None => Some(Timestamp(i64::MIN)),
        }
    }
}

/// The id, locked to be forgotten: unless somebody is at it, or has used it since.
fn unused(cell: &Arc<RwLock<Cell>>, before: Timestamp) -> Option<Alone> {
    let cell = Arc::clone(cell).try_write_owned().ok()?;
    let is_unused = !cell.gone && cell.unused_since().is_some_and(|since| since < before);
    is_unused.then_some(cell)
}

impl Inner {
    fn all_ids(&self) -> Vec<Arc<RwLock<Cell>>> {
        self.transactions.by_id.lock().values().cloned().collect()
    }

    /// Forgets ids that were not used for `transactional.id.expiration.ms`, and those that nobody was ever given.
    pub(crate) async fn sweep_transactions(
        &self,
        stop: &CancellationToken,
    ) -> Result<(), TransactionRefusal> {
        let before = self.time.now().minus(self.settings.transactional_id_expiry());
        for cell in self.all_ids() {
            if stop.is_cancelled() {
                break;
            }
            if let Some(cell) = unused(&cell, before) {
                self.forget(vec![cell]).await?;
            }
        }
        Ok(())
    }

    /// Makes room for another id: those that were unused for longest go.
    pub(super) async fn make_room(&self) -> Result<(), TransactionRefusal> {
        let _one_at_a_time = self.transactions.making_room.lock().await;
        let all = self.all_ids();
        if all.len() < TRANSACTIONAL_IDS_MAX {
            return Ok(()); // whoever was here before has made room for this one, too
        }
        let since = |cell: Arc<RwLock<Cell>>| {
            let since = cell.try_read().ok()?.unused_since()?;
            Some((since, cell))
        };
        let mut idle: Vec<_> = all.into_iter().filter_map(since).collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        let forever = Timestamp(i64::MAX);
        let longest: Vec<Alone> =
            idle.iter().filter_map(|(_, cell)| unused(cell, forever)).take(FORGOTTEN_AT_ONCE).collect();
        if longest.is_empty() {
            return Err(TransactionRefusal::TooMany(TRANSACTIONAL_IDS_MAX));
        }
        tracing::info!(
            ids = longest.len(),
            "transactions: no room for another id, the longest unused are forgotten"
        );
        self.forget(longest).await
    }

    async fn forget(&self, cells: Vec<Alone>) -> Result<(), TransactionRefusal> {
        let gone =
            |cell: &Alone| MetaChange { kind: MetaKind::Transaction, name: cell.id.clone(), value: None };
        let unit = Unit { meta: cells.iter().map(gone).collect(), ..Unit::default() };
        self.log().commit(unit, Acks::Written).await.map_err(store_failure)?;
        for mut cell in cells {
            cell.gone = true;
            self.transactions.by_id.lock().remove(&cell.id);
        }
        Ok(())
    }
}
