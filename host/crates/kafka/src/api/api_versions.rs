//! ApiVersions (key 18): what is served. The first request of every client.
//! A version that is not known is answered in version 0 with error 35 and the list, so that the client can choose (KIP-511).

use crate::advertise::SERVED;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::Fault;
use crate::header::Header;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

/// Features of the cluster with their level: groups by KIP-848, transactions by KIP-890. Without the latter clients may not use
/// Produce 12, EndTxn 5 and TxnOffsetCommit 5.
pub(crate) const FEATURES: &[(&str, i16)] = &[("group.version", 1), ("transaction.version", 2)];
/// First version that tells of features.
const FEATURES_FROM: i16 = 3;
/// Longest name and version of a client's software (KIP-511).
const SOFTWARE_LEN_MAX: usize = 255;

pub(crate) fn handle(call: &Call, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    let software = [&request.client_software_name, &request.client_software_version];
    if call.version() >= 3 && !software.iter().all(|text| is_software(text)) {
        return ApiVersionsResponse::default().with_error_code(Code::InvalidRequest.code());
    }
    if call.version() < FEATURES_FROM {
        return response();
    }
    // a range from 0 is not known before version 4 (KAFKA-17011)
    let min = if call.version() < 4 { 1 } else { 0 };
    let name = |feature: &(&'static str, i16)| StrBytes::from_static_str(feature.0);
    let supported = |feature: &_| {
        let (name, max) = (name(feature), feature.1);
        SupportedFeatureKey::default().with_name(name).with_min_version(min).with_max_version(max)
    };
    let finalized = |feature: &_| {
        let (name, level) = (name(feature), feature.1);
        FinalizedFeatureKey::default()
            .with_name(name)
            .with_min_version_level(level)
            .with_max_version_level(level)
    };
    response()
        .with_supported_features(FEATURES.iter().map(supported).collect())
        .with_finalized_features(FEATURES.iter().map(finalized).collect())
        .with_finalized_features_epoch(0)
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
