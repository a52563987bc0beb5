//! Promises about numbers given, closing, and the leader epoch.

use super::*;
use crate::api::Health;
use crate::error::{CommitError, CreateTopicError, StoreError};
use futures::future::join_all;
use potok_types::LeaderEpoch;
use std::collections::BTreeSet;

pub async fn a_number_is_never_given_twice(harness: &impl Harness) {
    let log = harness.open().await;
    let draw = || {
        let log = log.clone();
        tokio::spawn(async move {
            let mut drawn = Vec::new();
            for _ in 0..50 {
                drawn.push((
                    log.next_producer_id().await.unwrap(),
                    log.next_processor_number().await.unwrap(),
                ));
            }
            drawn
        })
    };
    let drawn: Vec<_> = join_all((0..4).map(|_| draw())).await.into_iter().flat_map(Result::unwrap).collect();
    let producers: BTreeSet<_> = drawn.iter().map(|(producer, _)| *producer).collect();
    let processors: BTreeSet<_> = drawn.iter().map(|(_, processor)| *processor).collect();
    assert_eq!((producers.len(), processors.len()), (200, 200));
    assert!(producers.iter().all(|producer| producer.0 >= 0));
}

pub async fn a_closed_log_refuses_writes_and_serves_reads(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    assert_eq!(log.health(), Health::Good);
    add(&log, at, batch(&["a"])).await;
    log.close().await.unwrap();
    log.close().await.unwrap();
    let refused = append(&log, at, batch(&["b"])).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Closed))), "{refused:?}");
    let unit = Unit { state: vec![puts(store(1, 0, 0), &[("a", Some("b"))])], ..Unit::default() };
    let refused = log.commit(unit, Acks::Synced).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Closed))), "{refused:?}");
    let new = NewTopic { name: "late".parse().unwrap(), partitions: 1, config: Vec::new() };
    let refused = log.create_topic(new).await;
    assert!(matches!(refused, Err(CreateTopicError::Store(StoreError::Closed))), "{refused:?}");
    assert_eq!(all(&log, at), ["0 a"]);
}

pub async fn an_epoch_ends_where_the_partition_ends(harness: &impl Harness) {
    let log = harness.open().await;
    let at = partition(&log).await;
    add(&log, at, batch(&["a", "b"])).await;
    let epoch = log.leader_epoch();
    assert!(epoch.0 >= 0);
    assert_eq!(log.epoch_end(at, epoch).unwrap(), Some((epoch, offset(2))));
    assert_eq!(log.epoch_end(at, LeaderEpoch(-1)).unwrap(), None);
    assert!(log.epoch_end(TopicPartition { partition: PartitionIndex(1), ..at }, epoch).is_err());
}
