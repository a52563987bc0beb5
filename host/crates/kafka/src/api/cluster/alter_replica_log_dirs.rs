//! AlterReplicaLogDirs (key 34): partitions to the folder in which they are; there is no other.

use super::exists;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

pub(crate) fn handle(call: &Call, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let folder = call.broker.folder.display().to_string();
    let mut results = Vec::new();
    for dir in request.dirs {
        let known = if dir.path.as_str() == folder { Ok(()) } else { Err(Code::LogDirNotFound) };
        for topic in dir.topics {
            let moved = |partition: &i32| {
                let code = known.and_then(|()| exists(&call.broker, &topic.name, *partition));
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*partition)
                    .with_error_code(code.map_or_else(|code| code.code(), |()| 0))
            };
            let partitions = topic.partitions.iter().map(moved).collect();
            let result = AlterReplicaLogDirTopicResult::default().with_topic_name(topic.name);
            results.push(result.with_partitions(partitions));
        }
    }
    AlterReplicaLogDirsResponse::default().with_results(results)
}
