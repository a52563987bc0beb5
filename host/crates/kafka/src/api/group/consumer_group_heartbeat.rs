//! ConsumerGroupHeartbeat (key 68, KIP-848): all that a member says and is told.

use super::{host, millis, text};
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::consumer_group_heartbeat_response::{
    Assignment as WireAssignment, TopicPartitions,
};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::{Assignment, GroupRefusal, HeartbeatReply, HeartbeatRequest};
use uuid::Uuid;

/// From here on members make their ids themselves (KIP-1082).
const MEMBER_ID_FROM: i16 = 1;

pub(crate) async fn handle(
    call: &Call,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    if call.version() >= MEMBER_ID_FROM && request.member_id.is_empty() {
        return refused(Code::InvalidRequest, "MemberId can't be empty.".to_owned());
    }
    let heartbeat = HeartbeatRequest {
        member_id: request.member_id.to_string(),
        member_epoch: request.member_epoch,
        instance_id: text(request.instance_id.as_ref()),
        rack: text(request.rack_id.as_ref()),
        client_id: call.client_id(),
        client_host: host(call),
        rebalance_timeout: millis(request.rebalance_timeout_ms),
        topics: request.subscribed_topic_names.map(|names| names.iter().map(|n| n.to_string()).collect()),
        pattern: text(request.subscribed_topic_regex.as_ref()),
        assignor: text(request.server_assignor.as_ref()),
        owned: request.topic_partitions.map(|owned| {
            let indexes = |p: &[i32]| p.iter().filter_map(|index| u32::try_from(*index).ok()).collect();
            owned.iter().map(|t| (t.topic_id.into_bytes(), indexes(&t.partitions))).collect()
        }),
    };
    match call.broker.coordinator.consumer_heartbeat(&request.group_id, heartbeat).await {
        Ok(reply) => told(reply),
        Err(refusal) => refused(code(&refusal), refusal.to_string()),
    }
}

fn refused(code: Code, message: String) -> ConsumerGroupHeartbeatResponse {
    let response = ConsumerGroupHeartbeatResponse::default().with_error_code(code.code());
    response.with_error_message(Some(StrBytes::from_string(message)))
}

/// Here a group without a name is a request that is wrong, as in Kafka; in the classic protocol it is a wrong name.
fn code(refusal: &GroupRefusal) -> Code {
    match refusal {
        GroupRefusal::IllegalName => Code::InvalidRequest,
        refusal => error::of_group(refusal),
    }
}

fn told(reply: HeartbeatReply) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(reply.member_id)))
        .with_member_epoch(reply.member_epoch)
        .with_heartbeat_interval_ms(i32::try_from(reply.heartbeat_interval.as_millis()).unwrap_or(i32::MAX))
        .with_assignment(reply.assignment.map(wire))
}

fn wire(assignment: Assignment) -> WireAssignment {
    let topic = |(id, partitions): (potok_coordinator::TopicId, std::collections::BTreeSet<u32>)| {
        TopicPartitions::default()
            .with_topic_id(Uuid::from_bytes(id))
            .with_partitions(partitions.into_iter().map(u32::cast_signed).collect())
    };
    WireAssignment::default().with_topic_partitions(assignment.into_iter().map(topic).collect())
}
