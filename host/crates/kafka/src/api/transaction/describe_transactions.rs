//! DescribeTransactions (key 65): transactional ids as they are, with the partitions of what is open.

use crate::api::once;
use crate::call::Call;
use crate::error;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::TransactionDescription;
use std::collections::BTreeMap;

/// What stands for no time.
const NONE: i64 = -1;

pub(crate) async fn handle(
    call: &Call,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let mut states = Vec::new();
    for id in once::by(request.transactional_ids, Clone::clone) {
        let state = match call.broker.coordinator.describe_transaction(&id).await {
            Ok(transaction) => describe(call, transaction),
            Err(refusal) => {
                TransactionState::default().with_error_code(error::of_transaction(&refusal).code())
            }
        };
        states.push(state.with_transactional_id(TransactionalId(id.0)));
    }
    DescribeTransactionsResponse::default().with_transaction_states(states)
}

fn describe(call: &Call, transaction: TransactionDescription) -> TransactionState {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for at in transaction.partitions {
        // one of a topic that was deleted gets no marker
        let Some(topic) = call.broker.log.topic_numbered(at.topic) else { continue };
        topics.entry(topic.name.to_string()).or_default().push(at.partition.0.cast_signed());
    }
    let topic = |(name, partitions)| {
        TopicData::default().with_topic(TopicName(StrBytes::from_string(name))).with_partitions(partitions)
    };
    TransactionState::default()
        .with_transaction_state(StrBytes::from_static_str(transaction.state))
        .with_transaction_timeout_ms(i32::try_from(transaction.timeout.as_millis()).unwrap_or(i32::MAX))
        .with_transaction_start_time_ms(transaction.started_at.map_or(NONE, |at| at.0))
        .with_producer_id(ProducerId(transaction.identity.producer.0))
        .with_producer_epoch(transaction.identity.epoch.0)
        .with_topics(topics.into_iter().map(topic).collect())
}
