//! Records of a transaction: they may enter a partition only while it is part of their producer's open transaction. In come appends,
//! out goes leave for those that may, and a refusal for each that may not.

use super::Place;
use super::wire::{PartitionAnswer, Request};
use crate::broker::Broker;
use crate::error;
use futures::FutureExt;
use kafka_protocol::ResponseError as Code;
use potok_coordinator::{Identity, TransactionRefusal, WriteGuard};
use potok_log::{Append, Appending, StoreError};
use potok_types::TopicPartition;

/// From here on writing to a partition adds it to the transaction (KIP-890).
const ADDS_FROM: i16 = 12;
/// The first version whose clients know that a transaction can be over without their being fenced (KIP-890).
const KNOWS_ABORTABLE: i16 = 11;

/// Appends with the place of each in the request.
pub(super) type Placed = (Vec<Append>, Vec<Place>);

/// Takes out of `placed` what may not be written. The transaction does not end before what comes back is dropped.
pub(super) async fn leave(
    broker: &Broker,
    version: i16,
    request: &mut Request,
    placed: &mut Placed,
) -> Option<WriteGuard> {
    let transactional = |append: &&Append| append.batch.header().transactional;
    let producers = placed.0.iter().filter(transactional).map(|append| append.batch.header().producer);
    let mut producers: Vec<_> = producers.flatten().collect();
    producers.dedup();
    let asked = match (producers.as_slice(), &request.transactional_id) {
        ([], _) => return None,
        ([(producer, epoch)], Some(id)) => {
            let who = Identity { producer: *producer, epoch: *epoch };
            let to: Vec<TopicPartition> = placed.0.iter().filter(transactional).map(|a| a.to).collect();
            let asked = broker.coordinator.write_guard(id, who, &to, version >= ADDS_FROM).await;
            asked.map_err(|refusal| code(version, &refusal))
        }
        ([_], None) => Err(Code::TransactionalIdAuthorizationFailed),
        // several producers' records in one request
        _ => Err(Code::InvalidProducerIdMapping),
    };
    let refusal = |append: &Append| match &asked {
        _ if !append.batch.header().transactional => None,
        Ok(guard) if guard.allows(append.to) => None,
        Ok(_) if version < KNOWS_ABORTABLE => Some(Code::InvalidTxnState),
        Ok(_) => Some(Code::TransactionAbortable),
        Err(code) => Some(*code),
    };
    let (appends, places) = std::mem::take(placed);
    for (append, (t, p)) in appends.into_iter().zip(places) {
        match refusal(&append) {
            Some(code) => request.topics[t].partitions[p].answer = PartitionAnswer::refused(code, None),
            None => {
                placed.0.push(append);
                placed.1.push((t, p));
            }
        }
    }
    asked.ok()
}

/// Holds the leave until the append is done, on a task of its own: whoever wants to end the transaction waits for it, and the connection
/// that brought it may itself stand behind that one, with its next request, and look at nothing meanwhile.
pub(super) fn hold(leave: WriteGuard, appending: Appending, batches: usize) -> Appending {
    let held = tokio::spawn(async move {
        let results = appending.await;
        drop(leave);
        results
    });
    // the task ends early only when the whole process does
    let cut_off = move |_| (0..batches).map(|_| Err(StoreError::Closed.into())).collect();
    async move { held.await.unwrap_or_else(cut_off) }.boxed()
}

/// What a producer is told: older ones know no codes of newer rules, and fencing is an epoch's matter to them.
fn code(version: i16, refusal: &TransactionRefusal) -> Code {
    match error::of_transaction(refusal) {
        Code::ProducerFenced => Code::InvalidProducerEpoch,
        Code::TransactionAbortable if version < KNOWS_ABORTABLE => Code::InvalidTxnState,
        Code::TransactionalIdNotFound => Code::InvalidProducerIdMapping,
        code => code,
    }
}
