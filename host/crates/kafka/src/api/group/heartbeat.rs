//! Heartbeat (key 12): a member of a classic group lives, and learns whether it must join again.

use crate::call::Call;
use crate::error;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

pub(crate) async fn handle(call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let instance_id = request.group_instance_id.as_deref();
    let coordinator = &call.broker.coordinator;
    let lives = coordinator
        .heartbeat(&request.group_id, &request.member_id, instance_id, request.generation_id)
        .await;
    let code = lives.map_or_else(|refusal| error::of_group(&refusal).code(), |()| 0);
    HeartbeatResponse::default().with_error_code(code)
}
