//! DescribeCluster (key 60): the one node.

use super::words;
use crate::api::operations;
use crate::broker::NODE;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

/// `EndpointType`: who asks for controllers asks elsewhere.
const BROKERS: i8 = 1;

pub(crate) fn handle(call: &Call, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default();
    if request.endpoint_type != BROKERS {
        return response
            .with_error_code(Code::MismatchedEndpointType.code())
            .with_error_message(words("this address is for clients, not for controllers"));
    }
    let (host, port) = call.broker.address(&call.client);
    let node = DescribeClusterBroker::default().with_broker_id(NODE).with_host(host.into()).with_port(port);
    response
        .with_cluster_id(StrBytes::from_string(call.broker.cluster_id.clone()))
        .with_controller_id(NODE)
        .with_brokers(vec![node])
        .with_cluster_authorized_operations(operations::of_cluster(
            request.include_cluster_authorized_operations,
        ))
}
