//! SyncGroup (key 14): the leader brings the assignments, everybody waits for theirs.

use super::text;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::SyncRequest;

/// From here on a member says which protocol it means (KIP-559).
const PROTOCOL_FROM: i16 = 5;

pub(crate) async fn handle(call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let is_unsaid = request.protocol_type.is_none() || request.protocol_name.is_none();
    if call.version() >= PROTOCOL_FROM && is_unsaid {
        return SyncGroupResponse::default().with_error_code(Code::InconsistentGroupProtocol.code());
    }
    let assignments = request.assignments.into_iter().map(|a| (a.member_id.to_string(), a.assignment));
    let sync = SyncRequest {
        member_id: request.member_id.to_string(),
        instance_id: text(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: text(request.protocol_type.as_ref()),
        protocol: text(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    };
    let response = SyncGroupResponse::default();
    match call.broker.coordinator.sync(&request.group_id, sync, &call.client.gone).await {
        Ok(reply) => response
            .with_protocol_type(Some(StrBytes::from_string(reply.protocol_type)))
            .with_protocol_name(Some(StrBytes::from_string(reply.protocol)))
            .with_assignment(reply.assignment),
        Err(refusal) => response.with_error_code(error::of_group(&refusal).code()),
    }
}
