//! FindCoordinator (key 10): who keeps a group or a transaction. There is one node, so it does; nobody keeps share groups.

use crate::broker::NODE;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

/// Kafka's `CoordinatorType`.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// The first version that asks for several at once.
const BATCHED: i16 = 4;

pub(crate) fn handle(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let known = matches!(request.key_type, GROUP | TRANSACTION);
    let (host, port) = call.broker.address(&call.client);
    let host = StrBytes::from_string(host);
    let message = || StrBytes::from_static_str("only groups and transactions have a coordinator here");
    if call.version() < BATCHED {
        let response = FindCoordinatorResponse::default();
        return if known {
            response.with_node_id(NODE).with_host(host).with_port(port)
        } else {
            response
                .with_error_code(Code::InvalidRequest.code())
                .with_error_message(Some(message()))
                .with_node_id(BrokerId(-1))
                .with_port(-1)
        };
    }
    let each = |key: StrBytes| {
        let found = Coordinator::default().with_key(key);
        if known {
            found.with_node_id(NODE).with_host(host.clone()).with_port(port)
        } else {
            found
                .with_error_code(Code::InvalidRequest.code())
                .with_error_message(Some(message()))
                .with_node_id(BrokerId(-1))
                .with_port(-1)
        }
    };
    FindCoordinatorResponse::default()
        .with_coordinators(request.coordinator_keys.into_iter().map(each).collect())
}
