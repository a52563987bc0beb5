//! DescribeProducers (key 61, KIP-664): who writes to a partition with an id, and what is open there. How operators find a
//! transaction that hangs.

use crate::api::{once, topics};
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;
use potok_log::{ActiveProducer, Topic};

/// Producers that one answer shows at most, over all its partitions: some megabytes, that every client reads.
const PRODUCERS_MAX: usize = 100_000;
/// What is said of a partition whose producers are more than what is left of those.
const FULL: &str = "the answer is full; ask for this partition in a request of its own";
/// What stands for no sequence and no offset.
const NONE: i32 = -1;
/// There is one coordinator, for ever in its first term.
const COORDINATOR_EPOCH: i32 = 0;

pub(crate) fn handle(call: &Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut left = PRODUCERS_MAX;
    let topic = |asked: TopicRequest| {
        let topic = topics::named(&call.broker, &asked.name);
        let mut one = |index: i32| {
            let found = topic
                .as_ref()
                .map_err(|code| *code)
                .and_then(|topic| producers(call, topic, index, left + 1));
            let response = PartitionResponse::default().with_partition_index(index);
            match found.map(|all| fit(all, &mut left)) {
                Ok(Some(all)) => response.with_active_producers(all.into_iter().map(describe).collect()),
                Ok(None) => response
                    .with_error_code(Code::PolicyViolation.code())
                    .with_error_message(Some(StrBytes::from_static_str(FULL))),
                Err(code) => response.with_error_code(code.code()),
            }
        };
        let partitions = asked.partition_indexes.iter().map(|index| one(*index)).collect();
        TopicResponse::default().with_name(asked.name).with_partitions(partitions)
    };
    let asked = once::by_partition(request.topics, |one| (&one.name, &mut one.partition_indexes));
    DescribeProducersResponse::default().with_topics(asked.into_iter().map(topic).collect())
}

fn producers(call: &Call, topic: &Topic, index: i32, limit: usize) -> Result<Vec<ActiveProducer>, Code> {
    let at = topics::partition(topic, index)?;
    call.broker.log.producers(at, limit).map_err(|error| error::of_read(&error))
}

/// As many as are `left`, which gets less by them. None where there are more and other partitions took some: a whole answer is
/// to be had by asking for this partition alone.
fn fit(mut all: Vec<ActiveProducer>, left: &mut usize) -> Option<Vec<ActiveProducer>> {
    if all.len() > *left && *left < PRODUCERS_MAX {
        return None;
    }
    all.truncate(*left);
    *left -= all.len();
    Some(all)
}

fn describe(one: ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(one.producer.0))
        .with_producer_epoch(one.epoch.0.into())
        .with_last_sequence(one.last_sequence.unwrap_or(NONE))
        .with_last_timestamp(one.last_written_at.0)
        .with_coordinator_epoch(COORDINATOR_EPOCH)
        .with_current_txn_start_offset(one.open_since.map_or(NONE.into(), potok_types::Offset::to_wire))
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_types::{ProducerEpoch, ProducerId, Timestamp};

    #[test]
    fn one_answer_shows_so_many_producers_and_no_partition_by_halves_but_one_that_is_alone() {
        let one = ActiveProducer {
            producer: ProducerId(1),
            epoch: ProducerEpoch(0),
            last_sequence: None,
            last_written_at: Timestamp(0),
            open_since: None,
        };
        let some = |count| vec![one; count];
        let mut left = PRODUCERS_MAX;
        assert_eq!(fit(some(PRODUCERS_MAX - 1), &mut left).map(|all| all.len()), Some(PRODUCERS_MAX - 1));
        assert_eq!(fit(some(2), &mut left), None);
        assert_eq!(fit(some(1), &mut left).map(|all| all.len()), Some(1));
        assert_eq!(fit(some(1), &mut left), None);
        assert_eq!(fit(some(0), &mut left), Some(vec![]), "one without producers always fits");
        let mut left = PRODUCERS_MAX;
        assert_eq!(fit(some(PRODUCERS_MAX + 1), &mut left).map(|all| all.len()), Some(PRODUCERS_MAX));
    }
}
