//! Connections: order, patience, limits, and their end.

use crate::batches::{fetch, plain, produce, produced};
use crate::common::{Door, frame, soon};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest, ProduceRequest};
use potok_log::{FailingLog, Faults, MemoryLog};
use potok_types::SystemClock;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

const VERSIONS: i16 = 4;

fn hello() -> ApiVersionsRequest {
    let word = || kafka_protocol::protocol::StrBytes::from_static_str("test");
    ApiVersionsRequest::default().with_client_software_name(word()).with_client_software_version(word())
}

#[tokio::test]
async fn requests_sent_without_waiting_are_answered_in_their_order() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let mut all = Vec::new();
    for id in 0..300 {
        if id % 3 == 2 {
            all.extend_from_slice(&frame(12, id, &MetadataRequest::default()));
        } else {
            let batch = plain(&[b"x"]).freeze();
            all.extend_from_slice(&frame(9, id, &produce(9, &topic, 0, [1, -1][id as usize % 2], batch)));
        }
    }
    client.send_bytes(&all).await;
    let mut offset = 0;
    for id in 0..300 {
        if id % 3 == 2 {
            assert_eq!(client.receive::<MetadataRequest>(12).await.0, id);
        } else {
            let (answered, response) = client.receive::<ProduceRequest>(9).await;
            assert_eq!((answered, produced(&response).base_offset), (id, offset));
            offset += 1;
        }
    }
    door.ended().await;
}

#[tokio::test]
async fn requests_keep_their_order_while_the_log_is_slow_to_queue_them() {
    let log = FailingLog::new(MemoryLog::new(SystemClock::shared()), 1, Faults::NONE);
    let door = Door::over(Arc::clone(&log) as _, |_| {}).await;
    let topic = door.topic("t", 1, &[]).await;
    // each waits for a time of its own before it is in the queue: were the next one looked at, it would overtake
    log.set_faults(Faults { delayed_one_in: 1, delay_max: Duration::from_millis(10), ..Faults::NONE });
    let mut client = door.connect().await;
    let mut all = Vec::new();
    for id in 0..40 {
        let batch = plain(&[id.to_string().as_bytes()]).freeze();
        all.extend_from_slice(&frame(9, id, &produce(9, &topic, 0, [1, -1][id as usize % 2], batch)));
    }
    client.send_bytes(&all).await;
    for id in 0..40 {
        let (answered, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!((answered, produced(&response).base_offset), (id, id.into()));
    }
    door.ended().await;
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    for byte in frame(9, 7, &produce(9, &topic, 0, 1, plain(&[b"slow"]).freeze())) {
        client.send_bytes(&[byte]).await;
    }
    assert_eq!(client.receive::<ProduceRequest>(9).await.0, 7);
    door.ended().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_its_answers() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client.send(VERSIONS, &hello()).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    client.receive::<ApiVersionsRequest>(VERSIONS).await;
    assert!(client.is_closed().await);
    door.ended().await;
}

#[tokio::test]
async fn a_client_that_idles_or_stops_within_a_request_is_left() {
    let door = Door::with(|settings| {
        settings.idle_timeout_ms = 50;
        settings.request_idle_timeout_ms = 50;
    })
    .await;
    let mut idle = door.connect().await;
    assert!(idle.is_closed().await);
    for len in [2, 4, 30] {
        let mut half = door.connect().await;
        half.send_bytes(&frame(VERSIONS, 1, &hello())[..len.min(20)]).await;
        assert!(half.is_closed().await, "after {len} bytes");
    }
    assert_eq!(door.number("potok_kafka_connections_idled_total"), 1);
    assert_eq!(door.number("potok_kafka_connections_stalled_total"), 3);
    door.ended().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_and_its_memory_given_back() {
    let door = Door::with(|settings| settings.write_timeout_ms = 200).await;
    let topic = door.topic("t", 1, &[("max.message.bytes", "2000000")]).await;
    let mut writer = door.connect().await;
    for _ in 0..8 {
        let batch = plain(&[&vec![b'x'; 1 << 20]]).freeze();
        assert_eq!(produced(&writer.ask(9, &produce(9, &topic, 0, 1, batch)).await).error_code, 0);
    }
    let mut deaf = door.connect().await;
    let mut request = fetch(12, &topic, &[(0, 0)]);
    request.topics[0].partitions[0].partition_max_bytes = 8 << 20;
    for _ in 0..50 {
        deaf.send(12, &request).await;
    }
    door.until("potok_kafka_connections_stalled_total", 1).await;
    soon(async {
        while door.number("potok_kafka_answers_held_bytes") > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // others are served all the while
    writer.ask(12, &fetch(12, &topic, &[(0, 0)])).await;
    door.ended().await;
}

#[tokio::test]
async fn a_connection_over_the_limit_is_closed_at_once_and_a_free_place_is_used() {
    let door = Door::with(|settings| settings.connections_max = 1).await;
    let mut first = door.connect().await;
    first.ask(VERSIONS, &hello()).await;
    let mut second = door.connect().await;
    assert!(second.is_closed().await);
    drop(first);
    soon(async {
        loop {
            let mut third = door.connect().await;
            third.send_bytes(&frame(VERSIONS, 1, &hello())).await;
            if soon(third.stream.read_i32()).await.is_ok() {
                return;
            }
        }
    })
    .await;
    door.ended().await;
}

#[tokio::test]
async fn requests_that_were_sent_are_answered_when_the_server_stops() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    for _ in 0..20 {
        client.send(9, &produce(9, &topic, 0, -1, plain(&[b"x"]).freeze())).await;
    }
    let (_, first) = client.receive::<ProduceRequest>(9).await;
    assert_eq!(produced(&first).error_code, 0);
    door.tell_to_stop();
    let mut answered = 1;
    while client.frame().await.is_some() {
        answered += 1;
    }
    let kept = door.log.ends(topic.all_partitions().next().unwrap()).unwrap().log_end;
    assert_eq!(kept.get(), answered, "what is in the log was acknowledged");
    door.ended().await;
}
