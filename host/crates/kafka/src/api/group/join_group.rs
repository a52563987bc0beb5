//! JoinGroup (key 11): a member comes, and waits until all others have come, too.

use super::{host, millis, text};
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::{GroupError, GroupRefusal, JoinReply, JoinRequest, Protocol};

/// The first version whose members know how to join again with the id that they are given (KIP-394).
const KNOWS_MEMBER_ID_REQUIRED: i16 = 4;
/// The first version whose answer may have no protocol.
const PROTOCOL_NULLABLE: i16 = 7;
/// The first version whose leader can be told to skip the assignment (KIP-814).
const KNOWS_SKIP_ASSIGNMENT: i16 = 9;

pub(crate) async fn handle(call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let member_id = request.member_id.clone();
    let Some(join) = asked(call, &request) else {
        return refused(call, Code::InvalidSessionTimeout, member_id);
    };
    match call.broker.coordinator.join(&request.group_id, join, &call.client.gone).await {
        Ok(reply) => joined(reply),
        Err(GroupRefusal::Classic(GroupError::MemberIdRequired(id))) => {
            refused(call, Code::MemberIdRequired, StrBytes::from_string(id))
        }
        Err(refusal) => refused(call, error::of_group(&refusal), member_id),
    }
}

fn asked(call: &Call, request: &JoinGroupRequest) -> Option<JoinRequest> {
    let session_timeout = millis(request.session_timeout_ms)?;
    let protocol = |p: &kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol| Protocol {
        name: p.name.to_string(),
        metadata: p.metadata.clone(),
    };
    Some(JoinRequest {
        member_id: request.member_id.to_string(),
        fresh_member_id: String::new(),
        instance_id: text(request.group_instance_id.as_ref()),
        client_id: call.client_id(),
        client_host: host(call),
        session_timeout,
        // version 0 has one time-out for both
        rebalance_timeout: millis(request.rebalance_timeout_ms).unwrap_or(session_timeout),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(protocol).collect(),
        require_known_id: call.version() >= KNOWS_MEMBER_ID_REQUIRED,
        can_skip_assignment: call.version() >= KNOWS_SKIP_ASSIGNMENT,
    })
}

fn joined(reply: JoinReply) -> JoinGroupResponse {
    let member = |member: potok_coordinator::JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.id))
            .with_group_instance_id(member.instance_id.map(StrBytes::from_string))
            .with_metadata(member.metadata)
    };
    JoinGroupResponse::default()
        .with_generation_id(reply.generation)
        .with_protocol_type(Some(StrBytes::from_string(reply.protocol_type)))
        .with_protocol_name(Some(StrBytes::from_string(reply.protocol)))
        .with_leader(StrBytes::from_string(reply.leader))
        .with_skip_assignment(reply.skip_assignment)
        .with_member_id(StrBytes::from_string(reply.member_id))
        .with_members(reply.members.into_iter().map(member).collect())
}

fn refused(call: &Call, code: Code, member_id: StrBytes) -> JoinGroupResponse {
    let none = (call.version() < PROTOCOL_NULLABLE).then(StrBytes::default);
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_generation_id(-1)
        .with_protocol_name(none)
        .with_member_id(member_id)
}
