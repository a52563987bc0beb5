//! DeleteTopics (key 20): topics gone with all their records, by name or by id.

use super::{changeable, counts, internal, name_of};
use crate::api::topics;
use crate::broker::Broker;
use crate::call::Call;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use potok_log::Topic;
use std::sync::Arc;
use uuid::Uuid;

/// First version that says why.
const SAYS_WHY_FROM: i16 = 5;
/// First version that knows ids.
const IDS_FROM: i16 = 6;

pub(crate) async fn handle(call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = |name| DeleteTopicState::default().with_name(Some(name));
    let mut asked = request.topics;
    asked.extend(request.topic_names.into_iter().map(by_name));
    let mut counts = counts(asked.iter().map(|one| (one.name.clone(), one.topic_id)));
    let mut responses = Vec::new();
    for one in asked {
        let deleted = match counts.insert((one.name.clone(), one.topic_id), 0) {
            Some(0) => continue,
            Some(1) => delete(&call.broker, &one).await,
            _ => Err(Refusal::new(Code::InvalidRequest, "the request names this topic more than once")),
        };
        responses.push(told(call.version(), one, deleted));
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

fn told(version: i16, one: DeleteTopicState, deleted: Result<Arc<Topic>, Refusal>) -> DeletableTopicResult {
    let result = DeletableTopicResult::default();
    let result = match &deleted {
        Ok(topic) => {
            let name = TopicName(StrBytes::from_string(topic.name.to_string()));
            let result = result.with_name(Some(name));
            if version >= IDS_FROM { result.with_topic_id(Uuid::from_bytes(topic.id)) } else { result }
        }
        Err(refusal) => {
            let result = result.with_name(one.name).with_error_code(refusal.code.code());
            if version >= IDS_FROM { result.with_topic_id(one.topic_id) } else { result }
        }
    };
    match deleted {
        Err(refusal) if version >= SAYS_WHY_FROM => result.with_error_message(refusal.text()),
        _ => result,
    }
}

async fn delete(broker: &Broker, asked: &DeleteTopicState) -> Result<Arc<Topic>, Refusal> {
    let topic = match &asked.name {
        Some(_) if !asked.topic_id.is_nil() => {
            let message = "the request names a topic both by its name and by an id";
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
        Some(name) => changeable(broker, &name_of(name)?)?,
        None => topics::with_id(broker, asked.topic_id)
            .map_err(|code| Refusal::new(code, "there is no topic of this id"))?,
    };
    if topic.name.is_internal() {
        return Err(internal(&topic.name));
    }
    broker.log.delete_topic(&topic.name).await?;
    Ok(topic)
}
