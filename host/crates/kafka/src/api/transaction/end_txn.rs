//! EndTxn (key 26): a transaction commits or aborts. From version 5 on each end gives the producer a new epoch (KIP-890).

use super::{Knows, identity};
use crate::call::Call;
use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

/// The first version whose clients know that they can be fenced.
const KNOWS_FENCED: i16 = 2;
/// The first version whose clients know that a transaction can be over without their being fenced.
const KNOWS_ABORTABLE: i16 = 4;
/// The first version that moves the epoch on.
const BUMPS: i16 = 5;

pub(crate) async fn handle(call: &Call, request: EndTxnRequest) -> EndTxnResponse {
    let version = call.version();
    let who = identity(request.producer_id, request.producer_epoch);
    let (id, commit, bumps) = (&request.transactional_id, request.committed, version >= BUMPS);
    let response = EndTxnResponse::default();
    match call.broker.coordinator.end_transaction(id, who, commit, bumps).await {
        Ok(next) if bumps => {
            response.with_producer_id(ProducerId(next.producer.0)).with_producer_epoch(next.epoch.0)
        }
        Ok(_) => response,
        Err(refusal) => {
            let knows = Knows { fenced: version >= KNOWS_FENCED, abortable: version >= KNOWS_ABORTABLE };
            response.with_error_code(knows.code(&refusal).code())
        }
    }
}
