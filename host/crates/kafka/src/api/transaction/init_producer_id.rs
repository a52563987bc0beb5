//! InitProducerId (key 22): a producer gets its id and epoch. One with a transactional id fences whoever had it before, and what
//! that one left open is aborted before the answer is given.

use super::{Knows, identity};
use crate::api::group::millis;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use potok_coordinator::Identity;
use std::time::Duration;

/// The first version that says what the producer takes itself for (KIP-360).
const HAS_IDENTITY: i16 = 3;
/// The first version whose clients know that they can be fenced.
const KNOWS_FENCED: i16 = 4;
/// What stands for no id and for no epoch.
const NONE: i64 = -1;

pub(crate) async fn handle(call: &Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let claimed = match claim(call, &request) {
        Ok(claimed) => claimed,
        Err(code) => return refused(code),
    };
    // without a transaction nothing can be over time
    let timeout = millis(request.transaction_timeout_ms).unwrap_or(Duration::ZERO);
    let id = request.transactional_id.as_deref().map(|id| &**id);
    match call.broker.coordinator.init_producer(id, timeout, claimed).await {
        Ok(given) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(given.producer.0))
            .with_producer_epoch(given.epoch.0),
        Err(refusal) => {
            refused(Knows { fenced: call.version() >= KNOWS_FENCED, abortable: false }.code(&refusal))
        }
    }
}

/// What the producer takes itself for: both of id and epoch, or nothing.
fn claim(call: &Call, request: &InitProducerIdRequest) -> Result<Option<Identity>, Code> {
    if call.version() < HAS_IDENTITY {
        return Ok(None);
    }
    match (request.producer_id.0 == NONE, i64::from(request.producer_epoch) == NONE) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(identity(request.producer_id, request.producer_epoch))),
        (true, false) | (false, true) => Err(Code::InvalidRequest),
    }
}

fn refused(code: Code) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.code())
        .with_producer_id(ProducerId(NONE))
        .with_producer_epoch(-1)
}
