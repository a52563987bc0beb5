//! ListConfigResources (key 74): what has configs of its own besides the defaults. Version 0 knows client metrics only, of which
//! there are none.

use super::{BROKER, GROUP, TOPIC};
use crate::broker::NODE;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;

/// Loggers and client metrics: legal to ask for, and none are there.
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

pub(crate) fn handle(call: &Call, request: &ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let response = ListConfigResourcesResponse::default();
    if call.version() == 0 {
        return response;
    }
    let all = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let asked = if request.resource_types.is_empty() { &all[..] } else { &request.resource_types };
    if asked.iter().any(|kind| !all.contains(kind)) {
        return response.with_error_code(Code::UnsupportedVersion.code());
    }
    let mut resources = Vec::new();
    let mut add = |kind, name: String| {
        let name = StrBytes::from_string(name);
        resources.push(ConfigResource::default().with_resource_type(kind).with_resource_name(name));
    };
    if asked.contains(&TOPIC) {
        call.broker.log.topics().iter().for_each(|topic| add(TOPIC, topic.name.to_string()));
    }
    if asked.contains(&BROKER) {
        add(BROKER, NODE.0.to_string());
    }
    response.with_config_resources(resources)
}
