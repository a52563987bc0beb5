//! Fetch sessions (KIP-227): who has one says and hears only what changed.

use crate::batches::{fetch, fetched, plain, produce, values};
use crate::common::{Client, Door};
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use potok_log::{Log, Topic};

const VERSION: i16 = 12;

/// A request that goes on with a session.
fn next(session: i32, epoch: i32) -> FetchRequest {
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_id(session)
        .with_session_epoch(epoch)
}

async fn begin(client: &mut Client, topic: &Topic) -> i32 {
    let request = fetch(VERSION, topic, &[(0, 0), (1, 0)]).with_session_epoch(0);
    let response = client.ask(VERSION, &request).await;
    assert_eq!(mentioned(&response), [0, 1]);
    assert!(response.session_id > 0);
    response.session_id
}

fn mentioned(response: &FetchResponse) -> Vec<i32> {
    let all = response.responses.iter().flat_map(|topic| &topic.partitions);
    all.map(|partition| partition.partition_index).collect()
}

#[tokio::test]
async fn an_answer_mentions_what_changed() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let session = begin(&mut client, &topic).await;
    assert!(mentioned(&client.ask(VERSION, &next(session, 1)).await).is_empty());
    client.ask(9, &produce(9, &topic, 1, 1, plain(&[b"new"]).freeze())).await;
    let response = client.ask(VERSION, &next(session, 2)).await;
    assert_eq!(mentioned(&response), [1]);
    assert_eq!(values(fetched(&response, 1)), ["new"]);
    // the client goes on behind it, and has nothing more to hear
    let mut moved = next(session, 3);
    moved.topics = fetch(VERSION, &topic, &[(1, 1)]).topics;
    assert!(mentioned(&client.ask(VERSION, &moved).await).is_empty());
    door.ended().await;
}

#[tokio::test]
async fn from_the_disk_partitions_are_read_in_turn_or_as_much_as_the_client_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let dir = folder.path().to_owned();
        let settings = potok_log::Settings { dir, cache_bytes_max: 0, ..potok_log::Settings::default() };
        potok_log::RocksLog::open(settings, potok_types::SystemClock::shared()).unwrap()
    };
    let earlier = open();
    let door = Door::over(earlier.clone(), |_| {}).await;
    let topic = door.topic("t", 3, &[]).await;
    let mut client = door.connect().await;
    for partition in 0..3 {
        client.ask(9, &produce(9, &topic, partition, 1, plain(&[&[b'x'; 600 << 10]]).freeze())).await;
    }
    drop(client);
    door.ended().await;
    earlier.close().await.unwrap();
    drop(earlier);
    // what an earlier process wrote is read, and not sent as it lies there
    let door = Door::over(open(), |_| {}).await;
    let mut client = door.connect().await;
    let whole = |request: FetchRequest| {
        let mut request = request.with_max_bytes(50 << 20);
        request.topics[0].partitions.iter_mut().for_each(|asked| asked.partition_max_bytes = 50 << 20);
        request
    };
    let with_records = |response: &FetchResponse| {
        let has = |partition: &i32| !values(fetched(response, *partition)).is_empty();
        mentioned(response).into_iter().filter(has).collect::<Vec<i32>>()
    };
    let from = [(0, 0), (1, 0), (2, 0)];
    let first = client.ask(VERSION, &whole(fetch(VERSION, &topic, &from)).with_session_epoch(0)).await;
    let mut served = with_records(&first);
    for epoch in [1, 2] {
        let response = client.ask(VERSION, &next(first.session_id, epoch).with_max_bytes(50 << 20)).await;
        served.extend(with_records(&response));
    }
    served.sort_unstable();
    assert_eq!(served, [0, 1, 2]);
    let all = whole(fetch(VERSION, &topic, &from)).with_min_bytes(1 << 20).with_max_wait_ms(120_000);
    assert_eq!(with_records(&client.ask(VERSION, &all).await).len(), 2);
    door.ended().await;
}

#[tokio::test]
async fn partitions_are_added_and_forgotten() {
    let door = Door::open().await;
    let topic = door.topic("t", 3, &[]).await;
    let mut client = door.connect().await;
    let session = begin(&mut client, &topic).await;
    for partition in 0..3 {
        client.ask(9, &produce(9, &topic, partition, 1, plain(&[b"x"]).freeze())).await;
    }
    let mut change = next(session, 1);
    change.topics = fetch(VERSION, &topic, &[(2, 0)]).topics;
    let forgotten = ForgottenTopic::default().with_topic(crate::batches::name("t")).with_partitions(vec![0]);
    change.forgotten_topics_data = vec![forgotten];
    assert_eq!(mentioned(&client.ask(VERSION, &change).await), [1, 2]);
    door.ended().await;
}

#[tokio::test]
async fn an_unknown_session_and_a_wrong_epoch_are_refused() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let session = begin(&mut client, &topic).await;
    let response = client.ask(VERSION, &next(session ^ 1, 1)).await;
    assert_eq!(response.error_code, Code::FetchSessionIdNotFound.code());
    let response = client.ask(VERSION, &next(session, 5)).await;
    assert_eq!(response.error_code, Code::InvalidFetchSessionEpoch.code());
    let mut by_id = fetch(13, &topic, &[(0, 0)]);
    (by_id.session_id, by_id.session_epoch) = (session, 1);
    let response = client.ask(13, &by_id).await;
    assert_eq!(response.error_code, Code::FetchSessionTopicIdError.code());
    // the session is ended by its client, and is gone
    let last = fetch(VERSION, &topic, &[(0, 0)]).with_session_id(session);
    assert_eq!(client.ask(VERSION, &last).await.session_id, 0);
    let response = client.ask(VERSION, &next(session, 1)).await;
    assert_eq!(response.error_code, Code::FetchSessionIdNotFound.code());
    door.ended().await;
}

#[tokio::test]
async fn busy_partitions_take_turns() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let session = begin(&mut client, &topic).await;
    for partition in 0..2 {
        client.ask(9, &produce(9, &topic, partition, 1, plain(&[&[b'x'; 3_000]]).freeze())).await;
    }
    let mut served = Vec::new();
    for epoch in 1..=4 {
        let response = client.ask(VERSION, &next(session, epoch).with_max_bytes(1_000)).await;
        let full = |partition: &&_| !values(partition).is_empty();
        let all = response.responses.iter().flat_map(|topic| &topic.partitions);
        served.extend(all.filter(full).map(|partition| partition.partition_index));
    }
    assert_eq!(served.iter().filter(|partition| **partition == 0).count(), 2, "{served:?}");
    door.ended().await;
}
