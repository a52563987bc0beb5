//! Records of a transaction: they may enter a partition only while it is part of their producer's open transaction. In come appends,
//! out goes leave for those that may, and a refusal for each that may not.

use super::Place;
use super::wire::{PartitionAnswer, Request};
use crate::broker::Broker;
use crate::error;
use kafka_protocol::ResponseError as Code;
use potok_coordinator::{Identity, TransactionRefusal, WriteGuard};
use potok_log::Append;
use potok_types::TopicPartition;

/// From here on writing to a partition adds it to the transaction (KIP-890).
const ADDS_FROM: i16 = 12;

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
        Ok(_) => Some(Code::InvalidTxnState),
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

/// What a producer is told: older ones know no codes of newer rules, and fencing is an epoch's matter to them.
fn code(version: i16, refusal: &TransactionRefusal) -> Code {
    match error::of_transaction(refusal) {
        Code::ProducerFenced => Code::InvalidProducerEpoch,
        Code::TransactionAbortable if version < ADDS_FROM => Code::InvalidTxnState,
        Code::TransactionalIdNotFound => Code::InvalidProducerIdMapping,
        code => code,
    }
}
