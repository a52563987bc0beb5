//! All transactional ids, each behind a lock of its own (KIP-98, KIP-360, KIP-447, KIP-890).
//!
//! Whoever changes a transaction holds its lock alone, decides on a copy, writes, and only then puts the copy in place: a write that failed
//! has changed nothing. Whoever writes records of it shares the lock until they are in the log, so that no record comes behind the
//! marker that should have ended it.

mod begin;
mod describe;
mod end;
mod forget;
mod pending;
mod write;

pub use write::WriteGuard;

use crate::coordinator::Inner;
use crate::deadlines::Subject;
use crate::error::{TransactionRefusal, store_failure};
use crate::settings::{NAME_LEN_MAX, RETRY_AFTER, TRANSACTIONAL_IDS_MAX};
use crate::stored::{decode_transaction, encode_transaction};
use parking_lot::Mutex;
use pending::Pending;
use potok_groups::{Transaction, TransactionError};
use potok_log::{Acks, MetaChange, MetaKind, StoreError, Unit};
use potok_types::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// All transactional ids.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    by_id: Mutex<HashMap<String, Arc<RwLock<Cell>>>>,
    pub(crate) pending: Pending,
    /// Held by whoever makes room for another id: one at a time.
    making_room: tokio::sync::Mutex<()>,
}

/// One transactional id.
#[derive(Debug)]
pub(crate) struct Cell {
    id: String,
    /// None until the first producer has been given its identity.
    transaction: Option<Transaction>,
    scheduled: Option<Timestamp>,
    /// Taken out of the map: whoever waited for the lock looks there again.
    gone: bool,
}

type Alone = OwnedRwLockWriteGuard<Cell>;
type Shared = OwnedRwLockReadGuard<Cell>;

impl Cell {
    /// The transaction of somebody who must have been given an identity.
    fn known(&self) -> Result<&Transaction, TransactionRefusal> {
        self.transaction.as_ref().ok_or(TransactionRefusal::Transaction(TransactionError::InvalidMapping))
    }
}

fn check_id(id: &str) -> Result<(), TransactionRefusal> {
    if id.is_empty() || id.len() > NAME_LEN_MAX { Err(TransactionRefusal::IllegalName) } else { Ok(()) }
}
fn nobody() -> TransactionRefusal {
    TransactionRefusal::Transaction(TransactionError::InvalidMapping)
}

impl Inner {
    pub(crate) fn restore_transactions(&self) -> Result<(), StoreError> {
        for (id, bytes) in self.log().meta_all(MetaKind::Transaction)? {
            let transaction = decode_transaction(&id, &bytes)?;
            self.transactions.pending.set(&id, transaction.pending_offsets());
            let mut cell =
                Cell { id: id.clone(), transaction: Some(transaction), scheduled: None, gone: false };
            self.schedule_end(&mut cell);
            self.transactions.by_id.lock().insert(id, Arc::new(RwLock::new(cell)));
        }
        Ok(())
    }

    /// The transactional id, locked for its first producer or a next one. One that is not there comes into being.
    async fn lock_or_make(&self, id: &str) -> Result<Alone, TransactionRefusal> {
        check_id(id)?;
        loop {
            let Some(cell) = self.cell(id) else {
                self.make_room().await?;
                continue;
            };
            let locked = cell.write_owned().await;
            if !locked.gone {
                return Ok(locked);
            }
        }
    }
    /// The transactional id, also one that is not there yet; none when there is no room for it.
    fn cell(&self, id: &str) -> Option<Arc<RwLock<Cell>>> {
        let mut all = self.transactions.by_id.lock();
        if all.len() >= TRANSACTIONAL_IDS_MAX && !all.contains_key(id) {
            return None;
        }
        let fresh = || Cell { id: id.to_owned(), transaction: None, scheduled: None, gone: false };
        Some(Arc::clone(all.entry(id.to_owned()).or_insert_with(|| Arc::new(RwLock::new(fresh())))))
    }
    /// The transactional id, locked to be changed.
    async fn alone(&self, id: &str) -> Result<Alone, TransactionRefusal> {
        let cell = self.transactions.by_id.lock().get(id).cloned().ok_or_else(nobody)?;
        let locked = cell.write_owned().await;
        if locked.gone { Err(nobody()) } else { Ok(locked) }
    }
    /// The transactional id, locked against changes.
    async fn shared(&self, id: &str) -> Result<Shared, TransactionRefusal> {
        let cell = self.transactions.by_id.lock().get(id).cloned().ok_or_else(nobody)?;
        let locked = cell.read_owned().await;
        if locked.gone { Err(nobody()) } else { Ok(locked) }
    }

    /// Writes `next`, with what else belongs to the same step, and puts it in place.
    async fn put(&self, cell: &mut Cell, next: Transaction, acks: Acks) -> Result<(), TransactionRefusal> {
        let unit = Unit { meta: vec![change(&cell.id, &next)?], ..Unit::default() };
        self.log().commit(unit, acks).await.map_err(store_failure)?;
        self.replace(cell, next);
        Ok(())
    }
    fn replace(&self, cell: &mut Cell, next: Transaction) {
        self.transactions.pending.set(&cell.id, next.pending_offsets());
        cell.transaction = Some(next);
        self.schedule_end(cell);
    }
    fn schedule_end(&self, cell: &mut Cell) {
        let deadline = cell.transaction.as_ref().and_then(Transaction::deadline);
        let Cell { scheduled, id, .. } = cell;
        self.deadlines.schedule(scheduled, deadline, || Subject::Transaction(id.clone()));
    }

    /// A transaction's deadline has come: it is aborted, and its producer fenced.
    pub(crate) async fn tick_transaction(&self, id: &str, at: Timestamp) {
        let Ok(mut cell) = self.alone(id).await else { return };
        if cell.scheduled == Some(at) {
            cell.scheduled = None;
        }
        let now = self.time.now();
        let Some(ending) = cell.transaction.as_ref().and_then(|t| t.expired(now)) else {
            return self.schedule_end(&mut cell);
        };
        tracing::info!(transactional_id = id, "transactions: time is up, the transaction is aborted");
        if let Err(error) = self.finish(&mut cell, &ending).await {
            tracing::warn!(transactional_id = id, %error, "transactions: an abort was not written; again in a while");
            let retry = Some(now.plus(RETRY_AFTER));
            let Cell { scheduled, id, .. } = &mut *cell;
            self.deadlines.schedule(scheduled, retry, || Subject::Transaction(id.clone()));
        }
    }
}

fn change(id: &str, transaction: &Transaction) -> Result<MetaChange, StoreError> {
    let value = Some(encode_transaction(transaction)?);
    Ok(MetaChange { kind: MetaKind::Transaction, name: id.to_owned(), value })
}
