//! Room for requests: those that hold some of it and wait for more end, whatever the others do.

use crate::batches::{plain, produce};
use crate::common::{Client, Door, frame, soon};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::{MetadataRequest, ProduceRequest, ProduceResponse};
use potok_log::{FailingLog, Faults, MemoryLog, Topic};
use potok_types::SystemClock;
use std::sync::Arc;

const VERSION: i16 = 12;
const HELD: &str = "potok_kafka_requests_held_bytes";
const WAITING: &str = "potok_kafka_requests_waiting";

/// Of some 40 KB, and of all room there is once it is decoded.
fn large() -> bytes::Bytes {
    let topic = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(uuid::Uuid::from_u128(id));
    frame(VERSION, 1, &MetadataRequest::default().with_topics(Some((1..2_000).map(topic).collect())))
}

/// A server without room for two of those, and two clients whose requests it has but for the last byte.
async fn crowded(change: impl FnOnce(&mut potok_kafka::Settings)) -> (Door, Client, Client) {
    let door = Door::with(|settings| {
        settings.requests_bytes_max = 100 * 1024;
        change(settings);
    })
    .await;
    let (mut one, mut other) = (door.connect().await, door.connect().await);
    let bytes = large();
    let most = &bytes[..bytes.len() - 1];
    for (client, held) in [(&mut one, most.len()), (&mut other, 2 * most.len())] {
        client.send_bytes(most).await;
        door.until(HELD, held as u64 - 10_000).await;
    }
    (door, one, other)
}

/// The last byte of each: from here on both have room that the other waits for.
async fn both_wait(one: &mut Client, other: &mut Client) {
    let bytes = large();
    for client in [one, other] {
        client.send_bytes(&bytes[bytes.len() - 1..]).await;
    }
}

#[tokio::test]
async fn requests_that_wait_for_each_others_room_do_not_wait_for_ever() {
    let (door, mut one, mut other) = crowded(|settings| settings.request_idle_timeout_ms = 2_000).await;
    both_wait(&mut one, &mut other).await;
    let answered = [one.frame().await, other.frame().await].iter().flatten().count();
    assert!(answered < 2, "they were not to fit");
    assert_eq!(door.number("potok_kafka_connections_stalled_total"), 2 - answered as u64);
    let mut next = door.connect().await;
    next.send_bytes(&large()).await;
    assert!(next.frame().await.is_some(), "what they held is there for others");
    door.ended().await;
}

#[tokio::test]
async fn a_client_that_goes_while_it_waits_gives_its_room_back() {
    let (door, mut one, mut other) = crowded(|settings| settings.request_idle_timeout_ms = 600_000).await;
    both_wait(&mut one, &mut other).await;
    door.until(WAITING, 2).await;
    drop(one);
    assert!(other.frame().await.is_some());
    door.ended().await;
}

#[tokio::test]
async fn a_server_that_stops_waits_for_no_room() {
    let (door, mut one, mut other) = crowded(|settings| {
        settings.request_idle_timeout_ms = 600_000;
        settings.stop_timeout_ms = 600_000;
    })
    .await;
    both_wait(&mut one, &mut other).await;
    door.until(WAITING, 2).await;
    soon(door.ended()).await;
}

/// A batch for partition 0, and nothing for hundreds of others: some 3 KB, and 50 once it is decoded.
fn of_many_items(topic: &Topic) -> ProduceRequest {
    let mut request = produce(9, topic, 0, 1, plain(&[b"x"]).freeze());
    let nothing = (1..400).map(|index| PartitionProduceData::default().with_index(index).with_records(None));
    request.topic_data[0].partition_data.extend(nothing);
    request
}

#[tokio::test]
async fn many_items_of_a_produce_request_take_room_and_keep_its_place_while_they_wait_for_it() {
    let log = FailingLog::new(MemoryLog::new(SystemClock::shared()), 1, Faults::NONE);
    let door = Door::over(Arc::clone(&log) as _, |settings| settings.requests_bytes_max = 100 * 1024).await;
    let topic = door.topic("t", 1, &[]).await;
    let (held_back, before) = (log.hold_answers().await, log.writes());
    let (mut one, mut other) = (door.connect().await, door.connect().await);
    one.send(9, &of_many_items(&topic)).await;
    door.until(HELD, 50_000).await;
    other.send(9, &of_many_items(&topic)).await;
    other.send(9, &produce(9, &topic, 0, 1, plain(&[b"behind"]).freeze())).await;
    door.until(WAITING, 1).await;
    assert_eq!(log.writes(), before + 1, "the second one has not begun");
    drop(held_back);
    let offset = |response: &ProduceResponse| response.responses[0].partition_responses[0].base_offset;
    assert_eq!(offset(&one.receive::<ProduceRequest>(9).await.1), 0);
    assert_eq!(offset(&other.receive::<ProduceRequest>(9).await.1), 1);
    assert_eq!(offset(&other.receive::<ProduceRequest>(9).await.1), 2);
    assert_eq!((door.number(HELD), door.number(WAITING)), (0, 0));
    door.ended().await;
}
