//! LeaveGroup (key 13): one member leaves, or from version 3 on several at once (KIP-345).

use super::text;
use crate::call::Call;
use crate::error;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use potok_coordinator::{GroupError, LeaveRequest};

/// The first version with several members.
const BATCHED: i16 = 3;

pub(crate) async fn handle(call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let batched = call.version() >= BATCHED;
    let who: Vec<LeaveRequest> = if batched {
        let member = |m: &kafka_protocol::messages::leave_group_request::MemberIdentity| LeaveRequest {
            member_id: m.member_id.to_string(),
            instance_id: text(m.group_instance_id.as_ref()),
        };
        request.members.iter().map(member).collect()
    } else {
        vec![LeaveRequest { member_id: request.member_id.to_string(), instance_id: None }]
    };
    let code = |result: &Result<(), GroupError>| {
        result.as_ref().map_or_else(|refusal| error::of_classic(refusal).code(), |()| 0)
    };
    let response = LeaveGroupResponse::default();
    match call.broker.coordinator.leave(&request.group_id, &who).await {
        Err(refusal) => response.with_error_code(error::of_group(&refusal).code()),
        Ok(results) if batched => {
            let each = request.members.into_iter().zip(&results).map(|(member, result)| {
                MemberResponse::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.group_instance_id)
                    .with_error_code(code(result))
            });
            response.with_members(each.collect())
        }
        Ok(results) => response.with_error_code(results.first().map_or(0, code)),
    }
}
