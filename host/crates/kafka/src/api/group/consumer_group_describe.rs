//! ConsumerGroupDescribe (key 69, KIP-848): groups of the newer protocol, with what each member has and is to have.

use super::authorized_operations;
use crate::api::once;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment as WireAssignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::{Assignment, ConsumerDescription, ConsumerMember, Description, GroupRefusal};
use uuid::Uuid;

/// The first version that says of which protocol a member is.
const HAS_MEMBER_TYPE: i16 = 1;
/// A member of the classic protocol, in a group on its way from the one to the other.
const CLASSIC: i8 = 0;
/// A member of the newer protocol.
const CONSUMER: i8 = 1;

pub(crate) async fn handle(
    call: &Call,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let operations = authorized_operations(request.include_authorized_operations);
    let mut groups = Vec::new();
    for id in once::by(request.group_ids, Clone::clone) {
        let described = match call.broker.coordinator.describe_group(&id).await {
            Ok(Description::Consumer(group)) => consumer(call, group).with_authorized_operations(operations),
            Ok(Description::Classic(_)) => {
                refused(Code::GroupIdNotFound, format!("Group {} is not a consumer group.", *id))
            }
            Err(GroupRefusal::Unknown(_)) => {
                refused(Code::GroupIdNotFound, format!("Group {} not found.", *id))
            }
            Err(refusal) => refused(error::of_group(&refusal), refusal.to_string()),
        };
        groups.push(described.with_group_id(GroupId(id.0)));
    }
    ConsumerGroupDescribeResponse::default().with_groups(groups)
}

fn refused(code: Code, message: String) -> DescribedGroup {
    DescribedGroup::default()
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_string(message)))
        .with_authorized_operations(i32::MIN)
}

fn consumer(call: &Call, group: ConsumerDescription) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.target_epoch)
        .with_assignor_name(StrBytes::from_string(group.assignor))
        .with_members(group.members.into_iter().map(|member| describe(call, member)).collect())
}

fn describe(call: &Call, member: ConsumerMember) -> Member {
    let topic = |name: String| TopicName(StrBytes::from_string(name));
    let member_type = if member.classic.is_some() { CLASSIC } else { CONSUMER };
    let described = Member::default()
        .with_member_id(StrBytes::from_string(member.id))
        .with_instance_id(member.instance_id.map(StrBytes::from_string))
        .with_rack_id(member.rack.map(StrBytes::from_string))
        .with_member_epoch(member.epoch)
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_subscribed_topic_names(member.topics.into_iter().map(topic).collect())
        .with_subscribed_topic_regex(Some(StrBytes::from_string(member.pattern.unwrap_or_default())))
        .with_assignment(wire(call, &member.assigned))
        .with_target_assignment(wire(call, &member.target));
    if call.version() >= HAS_MEMBER_TYPE { described.with_member_type(member_type) } else { described }
}

fn wire(call: &Call, assignment: &Assignment) -> WireAssignment {
    let topics = assignment.iter().map(|(id, partitions)| {
        let name = call.broker.log.topic_with_id(*id).map(|topic| topic.name.to_string()).unwrap_or_default();
        TopicPartitions::default()
            .with_topic_id(Uuid::from_bytes(*id))
            .with_topic_name(TopicName(StrBytes::from_string(name)))
            .with_partitions(partitions.iter().map(|p| p.cast_signed()).collect())
    });
    WireAssignment::default().with_topic_partitions(topics.collect())
}
