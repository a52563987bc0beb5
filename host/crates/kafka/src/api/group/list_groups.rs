//! ListGroups (key 16): all groups, or those of some states (version 4) and types (version 5).

use crate::call::Call;
use crate::error;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::GroupSummary;

pub(crate) async fn handle(call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let response = ListGroupsResponse::default();
    let all = match call.broker.coordinator.list_groups().await {
        Ok(all) => all,
        Err(refusal) => return response.with_error_code(error::of_group(&refusal).code()),
    };
    let one_of = |wanted: &[StrBytes], is: &str| {
        wanted.is_empty() || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(is))
    };
    let asked = |group: &GroupSummary| {
        one_of(&request.states_filter, group.state) && one_of(&request.types_filter, group.kind)
    };
    let listed = |group: GroupSummary| {
        ListedGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(group.name)))
            .with_protocol_type(StrBytes::from_string(group.protocol_type))
            .with_group_state(StrBytes::from_static_str(group.state))
            .with_group_type(StrBytes::from_static_str(group.kind))
    };
    response.with_groups(all.into_iter().filter(asked).map(listed).collect())
}
