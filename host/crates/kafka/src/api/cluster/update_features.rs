//! UpdateFeatures (key 57): features are at the one level that this server has. All or nothing, as in Kafka: the first refusal is
//! that of the whole request.

use crate::api::api_versions::FEATURES;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;

/// From here on features have no answers of their own.
const WHOLE_FROM: i16 = 2;

pub(crate) fn handle(call: &Call, request: &UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let response = UpdateFeaturesResponse::default().with_error_message(None);
    if let Some(message) = request.feature_updates.iter().find_map(refusal) {
        return response
            .with_error_code(Code::InvalidUpdateVersion.code())
            .with_error_message(Some(StrBytes::from_string(message)));
    }
    if call.version() >= WHOLE_FROM {
        return response;
    }
    let told = |asked: &FeatureUpdateKey| {
        UpdatableFeatureResult::default().with_error_message(None).with_feature(asked.feature.clone())
    };
    response.with_results(request.feature_updates.iter().map(told).collect())
}

/// Why a feature cannot have the level that is asked for; none when it has it.
fn refusal(asked: &FeatureUpdateKey) -> Option<String> {
    let known = FEATURES.iter().find(|(name, _)| *name == asked.feature.as_str());
    let shown: String = asked.feature.chars().take(100).collect();
    match known {
        None => Some(format!("there is no feature {shown:?}")),
        Some((_, level)) if *level == asked.max_version_level => None,
        Some((name, level)) => Some(format!("{name} is at level {level}, which this server does not change")),
    }
}
