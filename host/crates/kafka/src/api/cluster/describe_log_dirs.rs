//! DescribeLogDirs (key 35): how much lies on the disk, by partition. There is one folder.

use crate::api::{once, topics};
use crate::broker::Broker;
use crate::call::Call;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use potok_types::TopicPartition;

/// First version that tells of the disk.
const DISK_FROM: i16 = 4;
/// A size that is not known.
const UNKNOWN: i64 = -1;

pub(crate) async fn handle(call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let broker = &call.broker;
    let topics = match request.topics {
        None => broker
            .log
            .topics()
            .iter()
            .map(|topic| {
                let name = TopicName(StrBytes::from_string(topic.name.to_string()));
                told(broker, name, topic.all_partitions())
            })
            .collect(),
        Some(asked) => once::by_partition(asked, |one| (&one.topic, &mut one.partitions))
            .into_iter()
            .filter_map(|asked| {
                // what is not there is left out
                let topic = topics::named(broker, &asked.topic).ok()?;
                let there =
                    asked.partitions.iter().filter_map(|index| topics::partition(&topic, *index).ok());
                Some(told(broker, asked.topic, there))
            })
            .collect(),
    };
    let folder = StrBytes::from_string(broker.folder.display().to_string());
    let mut result = DescribeLogDirsResult::default().with_log_dir(folder).with_topics(topics);
    if call.version() >= DISK_FROM {
        let folder = broker.folder.clone();
        let disk = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&folder)).await;
        let sizes = disk.ok().and_then(Result::ok).map(|disk| {
            let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(disk.f_frsize)).unwrap_or(i64::MAX);
            (bytes(disk.f_blocks), bytes(disk.f_bavail))
        });
        (result.total_bytes, result.usable_bytes) = sizes.unwrap_or((UNKNOWN, UNKNOWN));
    }
    DescribeLogDirsResponse::default().with_results(vec![result])
}

fn told(
    broker: &Broker,
    name: TopicName,
    partitions: impl Iterator<Item = TopicPartition>,
) -> DescribeLogDirsTopic {
    let partition = |at: TopicPartition| {
        let size = broker.log.size(at).map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX));
        DescribeLogDirsPartition::default()
            .with_partition_index(at.partition.0.cast_signed())
            .with_partition_size(size)
    };
    DescribeLogDirsTopic::default().with_name(name).with_partitions(partitions.map(partition).collect())
}
