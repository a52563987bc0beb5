//! Fetch: what comes out, how much of it, and how long it may take.

use crate::batches::{batches, fetch, fetched, name, of_producer, plain, produce, values};
use crate::common::{Client, Door, soon};
use bytes::BytesMut;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{FetchRequest, ProduceRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use potok_log::Topic;
use std::path::Path;
use std::time::Duration;

async fn put(client: &mut Client, topic: &Topic, partition: i32, batch: BytesMut) {
    let response = client.ask(9, &produce(9, topic, partition, 1, batch.freeze())).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test]
async fn every_version_reads_the_same() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    put(&mut client, &topic, 0, plain(&[b"one", b"two"])).await;
    put(&mut client, &topic, 0, plain(&[b"three"])).await;
    for version in 4..=18 {
        let response = client.ask(version, &fetch(version, &topic, &[(0, 0), (1, 0)])).await;
        let told = fetched(&response, 0);
        assert_eq!((told.error_code, told.high_watermark, told.last_stable_offset), (0, 3, 3), "v{version}");
        assert_eq!(values(told), ["one", "two", "three"], "v{version}");
        let empty = fetched(&response, 1);
        assert_eq!(
            empty.records.as_ref().map(|records| records.len()),
            Some(0),
            "empty, not null: v{version}"
        );
        if version >= 13 {
            assert_eq!(response.responses[0].topic_id.as_bytes(), &topic.id);
        }
    }
    door.ended().await;
}

#[tokio::test]
async fn an_offset_within_a_batch_gives_the_whole_batch() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    put(&mut client, &topic, 0, plain(&[b"one", b"two", b"three"])).await;
    let response = client.ask(12, &fetch(12, &topic, &[(0, 2)])).await;
    assert_eq!(values(fetched(&response, 0)), ["one", "two", "three"]);
    door.ended().await;
}

#[tokio::test]
async fn limits_hold_but_for_the_first_batch_of_all() {
    let door = Door::open().await;
    let topic = door.topic("t", 3, &[]).await;
    let mut client = door.connect().await;
    for partition in 0..3 {
        put(&mut client, &topic, partition, plain(&[&[b'x'; 5_000]])).await;
        put(&mut client, &topic, partition, plain(&[&[b'y'; 5_000]])).await;
    }
    let mut request = fetch(12, &topic, &[(0, 0), (1, 0), (2, 0)]);
    request.max_bytes = 1;
    let response = client.ask(12, &request).await;
    let counts = |response: &_| [0, 1, 2].map(|partition| batches(fetched(response, partition)).len());
    assert_eq!(counts(&response), [1, 0, 0], "the whole answer's limit");
    request.max_bytes = 12_000;
    assert_eq!(counts(&client.ask(12, &request).await), [2, 0, 0], "the whole answer's limit");
    request.max_bytes = 1 << 20;
    request.topics[0].partitions.iter_mut().for_each(|one| one.partition_max_bytes = 6_000);
    assert_eq!(counts(&client.ask(12, &request).await), [1, 1, 1], "each partition's limit");
    door.ended().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_by_its_code() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    put(&mut client, &topic, 0, plain(&[b"one"])).await;
    let epoch = door.log.leader_epoch().0;
    for (what, partition, offset, current, expected) in [
        ("above the end", 0, 2, -1, Code::OffsetOutOfRange),
        ("negative", 0, -5, -1, Code::OffsetOutOfRange),
        ("no such partition", 7, 0, -1, Code::UnknownTopicOrPartition),
        ("a negative partition", -1, 0, -1, Code::UnknownTopicOrPartition),
        ("an epoch to come", 0, 0, epoch + 1, Code::UnknownLeaderEpoch),
    ] {
        let mut request = fetch(12, &topic, &[(partition, offset)]);
        request.topics[0].partitions[0].current_leader_epoch = current;
        let response = client.ask(12, &request).await;
        let told = fetched(&response, partition);
        assert_eq!(told.error_code, expected.code(), "{what}");
        // a list that nobody asked for is null, but for what Kafka does not know
        let is_unknown = expected == Code::UnknownTopicOrPartition;
        assert_eq!(told.aborted_transactions, is_unknown.then(Vec::new), "{what}");
    }
    let mut request = fetch(12, &topic, &[(0, 0)]);
    request.topics[0].topic = name("nowhere");
    let response = client.ask(12, &request).await;
    assert_eq!(fetched(&response, 0).error_code, Code::UnknownTopicOrPartition.code());
    let mut request = fetch(13, &topic, &[(0, 0)]);
    request.topics[0].topic_id = uuid::Uuid::from_u128(7);
    let response = client.ask(13, &request).await;
    assert_eq!(fetched(&response, 0).error_code, Code::UnknownTopicId.code());
    door.ended().await;
}

/// A fetch that waits for a byte as long as a test may take.
fn patient(topic: &Topic, from: &[(i32, i64)]) -> FetchRequest {
    fetch(12, topic, from).with_max_wait_ms(120_000)
}

#[tokio::test]
async fn a_fetch_waits_for_records_of_any_of_its_partitions() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let (mut reader, mut writer) = (door.connect().await, door.connect().await);
    for partition in [1, 0] {
        let end = [(0, 0), (1, i64::from(partition == 0))];
        reader.send(12, &patient(&topic, &end)).await;
        put(&mut writer, &topic, partition, plain(&[b"came"])).await;
        let (_, response) = reader.receive::<FetchRequest>(12).await;
        assert_eq!(values(fetched(&response, partition)), ["came"]);
        assert!(fetched(&response, 1 - partition).records.as_ref().unwrap().is_empty());
    }
    door.ended().await;
}

/// A server whose log keeps nothing in memory.
async fn without_cache(folder: &Path) -> Door {
    let dir = folder.to_owned();
    let settings = potok_log::Settings { dir, cache_bytes_max: 0, ..potok_log::Settings::default() };
    let log = potok_log::RocksLog::open(settings, potok_types::SystemClock::shared()).unwrap();
    Door::over(log, |_| {}).await
}

#[tokio::test]
async fn a_fetch_that_waits_hears_of_records_that_are_on_the_disk_only() {
    let folder = tempfile::tempdir().unwrap();
    let door = without_cache(folder.path()).await;
    let topic = door.topic("t", 1, &[]).await;
    let (mut reader, mut writer) = (door.connect().await, door.connect().await);
    reader.send(12, &patient(&topic, &[(0, 0)])).await;
    put(&mut writer, &topic, 0, plain(&[b"came"])).await;
    let (_, response) = reader.receive::<FetchRequest>(12).await;
    assert_eq!(values(fetched(&response, 0)), ["came"]);
    door.ended().await;
}

#[tokio::test]
async fn large_batches_that_have_left_the_cache_come_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let door = without_cache(folder.path()).await;
    let topic = door.topic("t", 2, &[]).await;
    let (mut reader, mut writer) = (door.connect().await, door.connect().await);
    let value = |partition: i32, i: u8| vec![i + b'a' + u8::try_from(partition).unwrap(); 300_000];
    for i in 0..8 {
        put(&mut writer, &topic, 0, plain(&[&value(0, i)])).await;
        put(&mut writer, &topic, 1, plain(&[&value(1, i), b"small"])).await;
    }
    let (mut next, mut come) = ([0, 0], [Vec::new(), Vec::new()]);
    while next != [8, 16] {
        let response = reader.ask(12, &fetch(12, &topic, &[(0, next[0]), (1, next[1])])).await;
        for partition in [0, 1] {
            let told = fetched(&response, partition);
            let place = usize::try_from(partition).unwrap();
            come[place].extend(values(told).into_iter().map(|value| (value.len(), value.as_bytes()[0])));
            next[place] = i64::try_from(come[place].len()).unwrap();
        }
    }
    let expected = |partition, i| (300_000, value(partition, i)[0]);
    assert_eq!(come[0], (0..8).map(|i| expected(0, i)).collect::<Vec<_>>());
    let both = (0..8).flat_map(|i| [expected(1, i), (5, b's')]);
    assert_eq!(come[1], both.collect::<Vec<_>>());
    door.ended().await;
}

#[tokio::test]
async fn a_fetch_that_waits_for_more_bytes_than_one_batch_has_waits_for_the_next() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let (mut reader, mut writer) = (door.connect().await, door.connect().await);
    let min = i32::try_from(plain(&[b"first"]).len()).unwrap() + 1;
    reader.send(12, &patient(&topic, &[(0, 0)]).with_min_bytes(min)).await;
    put(&mut writer, &topic, 0, plain(&[b"first"])).await;
    put(&mut writer, &topic, 0, plain(&[b"second"])).await;
    let (_, response) = reader.receive::<FetchRequest>(12).await;
    assert_eq!(values(fetched(&response, 0)), ["first", "second"]);
    door.ended().await;
}

#[tokio::test]
async fn a_fetch_ends_empty_when_its_time_is_over_its_topic_goes_or_the_server_stops() {
    let door = Door::open().await;
    let (topic, gone) = (door.topic("t", 1, &[]).await, door.topic("gone", 1, &[]).await);
    let mut client = door.connect().await;
    let response = client.ask(12, &fetch(12, &topic, &[(0, 0)]).with_max_wait_ms(1)).await;
    assert!(batches(fetched(&response, 0)).is_empty());
    client.send(12, &patient(&gone, &[(0, 0)])).await;
    door.log.delete_topic(&gone.name).await.unwrap();
    let (_, response) = client.receive::<FetchRequest>(12).await;
    assert_eq!(fetched(&response, 0).error_code, Code::UnknownTopicOrPartition.code());
    client.send(12, &patient(&topic, &[(0, 0)])).await;
    // what follows is read only once the fetch before is at work
    door.until("potok_kafka_requests_total{api=\"Fetch\"}", 2).await;
    door.tell_to_stop();
    if let Some(answer) = client.frame().await {
        assert!(!answer.is_empty());
        assert!(client.is_closed().await);
    }
    door.ended().await;
}

#[tokio::test]
async fn readers_of_committed_records_stop_at_what_is_open_and_hear_what_was_aborted() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let who = soon(door.coordinator.init_producer(Some("tx"), Duration::from_secs(60), None)).await.unwrap();
    put(&mut client, &topic, 0, plain(&[b"before"])).await;
    let batch = of_producer(who.producer.0, who.epoch.0, 0, true, &[b"pending"]).freeze();
    let id = Some(TransactionalId(StrBytes::from_static_str("tx")));
    let request: ProduceRequest = produce(12, &topic, 0, -1, batch).with_transactional_id(id);
    assert_eq!(client.ask(12, &request).await.responses[0].partition_responses[0].error_code, 0);
    let committed = fetch(12, &topic, &[(0, 0)]).with_isolation_level(1);
    let response = client.ask(12, &committed).await;
    let told = fetched(&response, 0);
    assert_eq!((told.last_stable_offset, told.high_watermark), (1, 2));
    assert_eq!(values(told), ["before"]);
    door.coordinator.end_transaction("tx", who, false, false).await.unwrap();
    let response = client.ask(12, &committed).await;
    let told = fetched(&response, 0);
    assert_eq!((told.last_stable_offset, told.high_watermark), (3, 3));
    let aborted = told.aborted_transactions.as_ref().unwrap();
    assert_eq!((aborted.len(), aborted[0].producer_id.0, aborted[0].first_offset), (1, who.producer.0, 1));
    let response = client.ask(12, &fetch(12, &topic, &[(0, 0)])).await;
    assert!(fetched(&response, 0).aborted_transactions.is_none(), "others do not hear of it");
    door.ended().await;
}
