//! DeleteGroups (key 42): groups without members, with all their offsets.

use crate::call::Call;
use crate::error;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

pub(crate) async fn handle(call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::new();
    for id in request.groups_names {
        let deleted = call.broker.coordinator.delete_group(&id).await;
        let code = deleted.map_or_else(|refusal| error::of_group(&refusal).code(), |()| 0);
        results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(code));
    }
    DeleteGroupsResponse::default().with_results(results)
}
