//! AddOffsetsToTxn (key 25): a transaction will commit offsets of a group.

use super::{Knows, identity};
use crate::call::Call;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

/// The first version whose clients know that they can be fenced.
const KNOWS_FENCED: i16 = 2;
/// The first version whose clients know that a transaction can be over without their being fenced.
const KNOWS_ABORTABLE: i16 = 4;

pub(crate) async fn handle(call: &Call, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let who = identity(request.producer_id, request.producer_epoch);
    let coordinator = &call.broker.coordinator;
    let added = coordinator.add_offsets(&request.transactional_id, who, &request.group_id).await;
    let knows =
        Knows { fenced: call.version() >= KNOWS_FENCED, abortable: call.version() >= KNOWS_ABORTABLE };
    let code = added.map_or_else(|refusal| knows.code(&refusal).code(), |()| 0);
    AddOffsetsToTxnResponse::default().with_error_code(code)
}
