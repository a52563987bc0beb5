//! ListTransactions (key 66): all transactional ids, or those in some states, of some producers, open for some time (version 1), or
//! whose names match a pattern (version 2).

use crate::call::Call;
use crate::error;
use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::TransactionDescription;

/// Kafka's words for where a transaction is. Some of them are never seen here: one that ends is never half ended.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

pub(crate) async fn handle(call: &Call, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let all = match call.broker.coordinator.list_transactions(pattern).await {
        Ok(all) => all,
        Err(refusal) => {
            return ListTransactionsResponse::default()
                .with_error_code(error::of_transaction(&refusal).code());
        }
    };
    let (known, unknown): (Vec<_>, Vec<_>) =
        request.state_filters.iter().cloned().partition(|state| STATES.contains(&&**state));
    let now = call.broker.clock.now();
    let asked = |one: &TransactionDescription| {
        let in_state = request.state_filters.is_empty() || known.iter().any(|state| **state == *one.state);
        let of_producer = request.producer_id_filters.is_empty()
            || request.producer_id_filters.contains(&ProducerId(one.identity.producer.0));
        // a negative duration asks for nothing
        let for_so_long = request.duration_filter < 0
            || one.started_at.is_some_and(|at| now.0.saturating_sub(at.0) > request.duration_filter);
        in_state && of_producer && for_so_long
    };
    let listed = |one: TransactionDescription| {
        TransactionState::default()
            .with_transactional_id(TransactionalId(StrBytes::from_string(one.transactional_id)))
            .with_producer_id(ProducerId(one.identity.producer.0))
            .with_transaction_state(StrBytes::from_static_str(one.state))
    };
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown)
        .with_transaction_states(all.into_iter().filter(asked).map(listed).collect())
}
