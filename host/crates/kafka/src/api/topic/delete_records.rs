//! DeleteRecords (key 21): a partition begins later; what lay before is gone for readers at once.

use super::{changeable, name_of};
use crate::api::topics;
use crate::broker::Broker;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::delete_records_request::DeleteRecordsTopic;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use potok_types::Offset;

/// "All that is there": the high watermark.
const ALL: i64 = -1;
/// No offset: what goes with an error.
const NONE: i64 = -1;

pub(crate) async fn handle(call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut results = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in &topic.partitions {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            let start = delete(&call.broker, &topic, asked.partition_index, asked.offset).await;
            partitions.push(match start {
                Ok(start) => result.with_low_watermark(start.to_wire()),
                Err(code) => result.with_low_watermark(NONE).with_error_code(code.code()),
            });
        }
        results.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(results)
}

async fn delete(
    broker: &Broker,
    topic: &DeleteRecordsTopic,
    index: i32,
    offset: i64,
) -> Result<Offset, Code> {
    let name = name_of(&topic.name).map_err(|refusal| refusal.code)?;
    let topic = changeable(broker, &name).map_err(|refusal| refusal.code)?;
    let at = topics::partition(&topic, index)?;
    let before = match offset {
        ALL => None,
        offset => Some(Offset::from_wire(offset).ok_or(Code::OffsetOutOfRange)?),
    };
    // a table of keys does not lose its beginning: Kafka's rule
    if !topic.config.cleanup_policy().delete {
        return Err(Code::PolicyViolation);
    }
    let start = broker.log.delete_records(at, before).await;
    start.map_err(|error| error::of_delete_records(&error))
}
