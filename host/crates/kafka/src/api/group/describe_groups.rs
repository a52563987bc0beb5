//! DescribeGroups (key 15): classic groups and their members. One that is not there is `Dead`, and from version 6 on an error, too.

use super::authorized_operations;
use crate::api::once;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::{ClassicDescription, Description, GroupMember, GroupRefusal};

/// The first version that says that a group is not there.
const KNOWS_UNKNOWN_GROUP: i16 = 6;
const DEAD: &str = "Dead";

pub(crate) async fn handle(call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let operations = authorized_operations(request.include_authorized_operations);
    let mut groups = Vec::new();
    for id in once::by(request.groups, Clone::clone) {
        let described = match call.broker.coordinator.describe_group(&id).await {
            Ok(Description::Classic(group)) => classic(group).with_authorized_operations(operations),
            Ok(Description::Consumer(_)) => dead(call, &format!("Group {} is not a classic group.", *id)),
            Err(GroupRefusal::Unknown(_)) => dead(call, &format!("Group {} not found.", *id)),
            Err(refusal) => DescribedGroup::default()
                .with_error_code(error::of_group(&refusal).code())
                .with_authorized_operations(i32::MIN),
        };
        groups.push(described.with_group_id(GroupId(id.0)));
    }
    DescribeGroupsResponse::default().with_groups(groups)
}

fn dead(call: &Call, message: &str) -> DescribedGroup {
    let group = DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(DEAD))
        .with_authorized_operations(i32::MIN);
    if call.version() < KNOWS_UNKNOWN_GROUP {
        return group;
    }
    let message = StrBytes::from_string(message.to_owned());
    group.with_error_code(Code::GroupIdNotFound.code()).with_error_message(Some(message))
}

fn classic(group: ClassicDescription) -> DescribedGroup {
    let member = |member: GroupMember| {
        DescribedGroupMember::default()
            .with_member_id(StrBytes::from_string(member.id))
            .with_group_instance_id(member.instance_id.map(StrBytes::from_string))
            .with_client_id(StrBytes::from_string(member.client_id))
            .with_client_host(StrBytes::from_string(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_protocol_data(StrBytes::from_string(group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}
