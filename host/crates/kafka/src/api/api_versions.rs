//! ApiVersions (key 18): what is served. The first request of every client.
//! A version that is not known is answered in version 0 with error 35 and the list, so that the client can choose (KIP-511).

use crate::advertise::SERVED;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Fault;
use crate::header::Header;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

/// Longest name and version of a client's software (KIP-511).
const SOFTWARE_LEN_MAX: usize = 255;

pub(crate) fn handle(call: &Call, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    let software = [&request.client_software_name, &request.client_software_version];
    if call.version() >= 3 && !software.iter().all(|text| is_software(text)) {
        return ApiVersionsResponse::default().with_error_code(Code::InvalidRequest.code());
    }
    response()
}

/// The answer to a version that is not served: for ApiVersions the list; for others there is none, as in Kafka.
pub(crate) fn refuse_version(header: &Header) -> Result<Answer, Fault> {
    if header.key != ApiKey::ApiVersions {
        return Err(Fault::UnknownVersion { api: format!("{:?}", header.key), version: header.version });
    }
    Answer::encode(header, 0, &response().with_error_code(Code::UnsupportedVersion.code()))
}

fn response() -> ApiVersionsResponse {
    let api = |(key, min, max): &(ApiKey, i16, i16)| {
        ApiVersion::default().with_api_key(*key as i16).with_min_version(*min).with_max_version(*max)
    };
    ApiVersionsResponse::default().with_api_keys(SERVED.iter().map(api).collect())
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?` (KIP-511).
fn is_software(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= SOFTWARE_LEN_MAX
        && text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().last())
}
