//! AddPartitionsToTxn (key 24): partitions that a transaction will write to, all of a transaction or none; several transactions
//! from version 4 on, and then also as a mere question.

use super::{Knows, identity};
use crate::api::group::partition;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use potok_types::TopicPartition;

/// The first version whose clients know that they can be fenced.
const KNOWS_FENCED: i16 = 2;
/// The first version with several transactions.
const BATCHED: i16 = 4;
/// The first version whose clients know that a transaction can be over without their being fenced.
const KNOWS_ABORTABLE: i16 = 5;

pub(crate) async fn handle(call: &Call, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    let response = AddPartitionsToTxnResponse::default();
    if call.version() < BATCHED {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        return response.with_results_by_topic_v3_and_below(one(call, &transaction).await);
    }
    let mut results = Vec::new();
    for transaction in request.transactions {
        let topics = one(call, &transaction).await;
        results.push(
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id)
                .with_topic_results(topics),
        );
    }
    response.with_results_by_transaction(results)
}

async fn one(call: &Call, transaction: &AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let known: Vec<Option<TopicPartition>> =
        each(&transaction.topics).map(|(topic, index)| partition(&call.broker, &topic.name, index)).collect();
    let Some(places) = known.iter().copied().collect::<Option<Vec<_>>>() else {
        // one that is not there keeps all others out
        let code = |known: &Option<_>| match known {
            Some(_) => Code::OperationNotAttempted.code(),
            None => Code::UnknownTopicOrPartition.code(),
        };
        return results(&transaction.topics, known.iter().map(code));
    };
    results(&transaction.topics, ask(call, transaction, &places).await.into_iter())
}

/// Adds the partitions, or asks whether they were added; a code for each.
async fn ask(
    call: &Call,
    transaction: &AddPartitionsToTxnTransaction,
    places: &[TopicPartition],
) -> Vec<i16> {
    let coordinator = &call.broker.coordinator;
    let knows =
        Knows { fenced: call.version() >= KNOWS_FENCED, abortable: call.version() >= KNOWS_ABORTABLE };
    let who = identity(transaction.producer_id, transaction.producer_epoch);
    let id = &transaction.transactional_id;
    let done = if transaction.verify_only {
        coordinator.verify_partitions(id, who, places).await
    } else {
        coordinator.add_partitions(id, who, places).await.map(|()| vec![Ok(()); places.len()])
    };
    match done {
        Ok(each) => {
            let code = |one: Result<(), _>| {
                one.map_or_else(
                    |error: potok_coordinator::TransactionError| knows.code(&error.into()).code(),
                    |()| 0,
                )
            };
            each.into_iter().map(code).collect()
        }
        Err(refusal) => vec![knows.code(&refusal).code(); places.len()],
    }
}

fn each(topics: &[AddPartitionsToTxnTopic]) -> impl Iterator<Item = (&AddPartitionsToTxnTopic, i32)> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(move |index| (topic, *index)))
}

/// One code for each partition, in the order asked.
fn results(
    topics: &[AddPartitionsToTxnTopic],
    mut codes: impl Iterator<Item = i16>,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topic = |topic: &AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().zip(codes.by_ref()).map(|(index, code)| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code)
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    };
    topics.iter().map(topic).collect()
}
