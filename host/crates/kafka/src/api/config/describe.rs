//! DescribeConfigs (key 32): every config of a topic, the broker or a group, with its value and where that comes from; or those
//! that are asked for by name.

use super::{BROKER, GROUP, Shown, Synonym, TOPIC, broker_keys, of_topic};
use crate::api::{once, topics};
use crate::broker::NODE;
use crate::call::Call;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

/// First version that tells kinds and words.
const WORDS_FROM: i16 = 3;

pub(crate) fn handle(call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let words = request.include_documentation && call.version() >= WORDS_FROM;
    let mut results = Vec::new();
    for asked in once::by(request.resources, |asked| (asked.resource_type, asked.resource_name.clone())) {
        let wanted = |shown: &Shown| {
            // tools mean all of them by null, and some by an empty list
            asked
                .configuration_keys
                .as_ref()
                .is_none_or(|names| names.is_empty() || names.iter().any(|name| name.as_str() == shown.name))
        };
        let result =
            DescribeConfigsResult::default().with_error_message(None).with_resource_type(asked.resource_type);
        let result = match look(call, &asked) {
            Ok(all) => {
                let wanted = all.into_iter().filter(wanted);
                let told = wanted.map(|one| told(call.version(), one, request.include_synonyms, words));
                result.with_configs(told.collect())
            }
            Err(refusal) => result.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
        };
        results.push(result.with_resource_name(asked.resource_name));
    }
    DescribeConfigsResponse::default().with_results(results)
}

fn look(call: &Call, asked: &DescribeConfigsResource) -> Result<Vec<Shown>, Refusal> {
    match asked.resource_type {
        TOPIC => {
            let topic = topics::named(&call.broker, &asked.resource_name)
                .map_err(|code| Refusal::new(code, "there is no such topic"))?;
            Ok(of_topic(&topic.config).collect())
        }
        BROKER if asked.resource_name.is_empty() || asked.resource_name.as_str() == NODE.0.to_string() => {
            Ok(broker_keys::all(call).collect())
        }
        BROKER => Err(Refusal::new(Code::InvalidRequest, "there is one broker, 0")),
        GROUP => Ok(broker_keys::of_group(call)),
        _ => Err(Refusal::new(Code::InvalidRequest, "only topics, the broker and groups have configs here")),
    }
}

fn told(version: i16, one: Shown, synonyms: bool, words: bool) -> DescribeConfigsResourceResult {
    let chain = if synonyms { one.chain.into_iter().map(synonym).collect() } else { Vec::new() };
    let result = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(one.name))
        .with_value(Some(StrBytes::from_string(one.value)))
        .with_read_only(one.read_only)
        .with_config_source(one.source)
        .with_synonyms(chain);
    let result = if version >= WORDS_FROM { result.with_config_type(one.kind as i8) } else { result };
    result.with_documentation(words.then(|| StrBytes::from_static_str(one.doc)))
}

fn synonym((name, value, source): Synonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_source(source)
}
