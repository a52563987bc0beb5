//! UpdateFeatures (key 57): features are at the one level that this server has.

use crate::api::api_versions::FEATURES;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;

/// From here on the whole request has an answer, and features have none of their own.
const WHOLE_FROM: i16 = 2;

pub(crate) fn handle(call: &Call, request: &UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let refusals: Vec<Option<String>> = request.feature_updates.iter().map(refusal).collect();
    let response = UpdateFeaturesResponse::default().with_error_message(None);
    if call.version() >= WHOLE_FROM {
        return match refusals.into_iter().flatten().next() {
            None => response,
            Some(message) => response
                .with_error_code(Code::FeatureUpdateFailed.code())
                .with_error_message(Some(StrBytes::from_string(message))),
        };
    }
    let told = |(asked, refusal): (&FeatureUpdateKey, Option<String>)| {
        let result =
            UpdatableFeatureResult::default().with_error_message(None).with_feature(asked.feature.clone());
        match refusal {
            None => result,
            Some(message) => result
                .with_error_code(Code::FeatureUpdateFailed.code())
                .with_error_message(Some(StrBytes::from_string(message))),
        }
    };
    response.with_results(request.feature_updates.iter().zip(refusals).map(told).collect())
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
