//! CreatePartitions (key 37): topics grow; records that are there stay where they are.

use super::{NEW_PARTITIONS_MAX, changeable, counts, is_this_node, name_of, take, wrong_replicas};
use crate::broker::Broker;
use crate::call::Call;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use potok_log::{AlterTopicError, PARTITIONS_MAX, TopicChange};

pub(crate) async fn handle(call: &Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut counts = counts(request.topics.iter().map(|topic| topic.name.clone()));
    let (mut results, mut left) = (Vec::new(), NEW_PARTITIONS_MAX);
    for asked in request.topics {
        let grown = match counts.insert(asked.name.clone(), 0) {
            Some(0) => continue,
            Some(1) => grow(&call.broker, &asked, request.validate_only, &mut left).await,
            _ => Err(Refusal::new(Code::InvalidRequest, "the request names this topic more than once")),
        };
        let result = CreatePartitionsTopicResult::default().with_name(asked.name);
        results.push(match grown {
            Ok(()) => result,
            Err(refusal) => result.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn grow(
    broker: &Broker,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
    left: &mut u32,
) -> Result<(), Refusal> {
    let name = name_of(&asked.name)?;
    let topic = changeable(broker, &name)?;
    let count = u32::try_from(asked.count).unwrap_or(0);
    let have = topic.partitions;
    if count <= have || count > PARTITIONS_MAX {
        return Err(AlterTopicError::Partitions { have, asked: count, max: PARTITIONS_MAX }.into());
    }
    take(left, count - have)?;
    if let Some(assignments) = &asked.assignments {
        let all = u32::try_from(assignments.len()).is_ok_and(|len| len == count - have);
        if !all || !assignments.iter().all(|one| is_this_node(&one.broker_ids)) {
            return Err(wrong_replicas());
        }
    }
    if validate_only {
        return Ok(());
    }
    let change = TopicChange { partitions: Some(count), config: Vec::new() };
    broker.log.alter_topic(&name, change).await?;
    Ok(())
}
