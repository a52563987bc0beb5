//! Bytes that are no requests, or requests that lie: the connection ends, the server goes on, and nothing is taken by what a
//! length claims.

use crate::common::{Client, Door, frame};
use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

/// A frame around a head and what follows.
fn request(key: i16, version: i16, flexible: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(key);
    bytes.put_i16(version);
    bytes.put_i32(1);
    bytes.put_i16(-1);
    if flexible {
        bytes.put_u8(0);
    }
    bytes.put_slice(body);
    let mut framed = i32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(&bytes);
    framed
}

/// Whether a connection that sends this is closed.
async fn closes(door: &Door, bytes: &[u8]) -> bool {
    let mut client = door.connect().await;
    client.send_bytes(bytes).await;
    client.is_closed().await
}

async fn is_well(door: &Door) {
    let mut client = door.connect().await;
    client.ask(12, &MetadataRequest::default()).await;
}

#[tokio::test]
async fn lengths_that_lie_end_the_connection() {
    let door = Door::open().await;
    let endless = [0xff; 32];
    let gigabytes = [0x7f, 0xff, 0xff, 0xff];
    let frames: &[(&str, Vec<u8>)] = &[
        ("a frame of two gigabytes", vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 9]),
        ("a frame of less than nothing", vec![0xff, 0xff, 0xff, 0xff]),
        ("an empty frame", vec![0, 0, 0, 0]),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("metadata of a billion topics", request(3, 1, false, &gigabytes)),
        ("the same, compact", request(3, 9, true, &[0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("a count without an end", request(3, 9, true, &endless)),
        ("a name of gigabytes", request(3, 9, true, &[2, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("a name that is no text", request(3, 9, true, &[2, 3, 0xff, 0xfe, 0, 0, 0, 0])),
        ("tagged fields without an end", request(3, 9, true, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("a tag of gigabytes", request(3, 9, true, &[1, 0, 0, 0, 1, 9, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("produce to a billion topics", request(0, 8, false, &[0xff, 0xff, 0, 1, 0, 0, 0, 1, 0x7f, 0, 0, 0])),
        ("produce of gigabytes", {
            let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0];
            body.extend_from_slice(&gigabytes);
            request(0, 8, false, &body)
        }),
        ("a fetch of a billion topics", {
            let mut body = vec![0xff; 4];
            body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            body.extend_from_slice(&gigabytes);
            request(1, 4, false, &body)
        }),
        ("a negative count", request(19, 2, false, &[0x80, 0, 0, 0])),
    ];
    for (what, bytes) in frames {
        assert!(closes(&door, bytes).await, "{what}");
    }
    is_well(&door).await;
    door.ended().await;
}

#[tokio::test]
async fn what_is_not_served_ends_the_connection() {
    let door = Door::open().await;
    for (key, version) in [(4, 0), (27, 1), (71, 0), (999, 0), (-1, 0), (3, 99), (3, -1), (1, 3), (0, 99)] {
        assert!(closes(&door, &request(key, version, version >= 9, &[])).await, "key {key} v{version}");
    }
    is_well(&door).await;
    door.ended().await;
}

#[tokio::test]
async fn versions_that_nobody_knows_of_are_told_in_the_oldest_form() {
    let door = Door::open().await;
    for version in [5, 99, i16::MAX] {
        let mut client = door.connect().await;
        client.send_bytes(&request(18, version, true, &[1, 2, 3, 4])).await;
        let mut answer = client.frame().await.unwrap();
        assert_eq!(answer.split_to(4)[..], [0, 0, 0, 1]);
        let told = kafka_protocol::messages::ApiVersionsResponse::decode(&mut answer, 0).unwrap();
        assert_eq!(told.error_code, kafka_protocol::ResponseError::UnsupportedVersion.code());
        assert!(
            told.api_keys.iter().any(|api| (api.api_key, api.min_version, api.max_version) == (18, 0, 4))
        );
        // the client comes back with one that is known
        client.ask(0, &ApiVersionsRequest::default()).await;
    }
    door.ended().await;
}

/// Sends whole frames, whose lengths are right, and closes. Whatever comes back, it ends.
async fn survives(door: &Door, bytes: &[u8]) {
    let mut client: Client = door.connect().await;
    client.send_bytes(bytes).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await;
    while client.frame().await.is_some() {}
}

fn samples() -> Vec<Vec<u8>> {
    let topic = potok_log::Topic {
        name: "t".parse().unwrap(),
        number: potok_types::TopicNumber(1),
        id: [7; 16],
        partitions: 1,
        config: potok_log::TopicConfig::default(),
    };
    let batch = crate::batches::plain(&[b"one", b"two"]).freeze();
    let mut all = Vec::new();
    for version in [3, 8, 9, 13] {
        all.push(frame::<ProduceRequest>(
            version,
            1,
            &crate::batches::produce(version, &topic, 0, 1, batch.clone()),
        ));
    }
    for version in [4, 11, 12, 18] {
        all.push(frame::<FetchRequest>(
            version,
            1,
            &crate::batches::fetch(version, &topic, &[(0, 0), (1, 5)]),
        ));
    }
    let created = kafka_protocol::messages::create_topics_request::CreatableTopic::default()
        .with_name(crate::batches::name("made"))
        .with_num_partitions(1)
        .with_replication_factor(1);
    for version in [2, 7] {
        let request = CreateTopicsRequest::default().with_topics(vec![created.clone()]).with_timeout_ms(1);
        all.push(frame(version, 1, &request));
    }
    all.into_iter().map(|bytes| bytes.to_vec()).collect()
}

#[test]
fn changed_and_cut_requests_never_harm_the_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let door = runtime.block_on(async {
        let door = Door::open().await;
        door.topic("t", 1, &[]).await;
        door
    });
    let samples = samples();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    let inputs = (0..samples.len(), any::<prop::sample::Index>(), changes);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let ran = runner.run(&inputs, |(sample, cut, changes)| {
        let mut bytes = samples[sample].clone();
        for (at, byte) in changes {
            // the length stays right, and the API the same
            let at = 12 + at.index(bytes.len() - 12);
            bytes[at] = byte;
        }
        let end = 5 + cut.index(bytes.len() - 5 + 1).min(bytes.len() - 5);
        for end in [bytes.len(), end] {
            let mut framed = i32::try_from(end - 4).unwrap().to_be_bytes().to_vec();
            framed.extend_from_slice(&bytes[4..end]);
            runtime.block_on(survives(&door, &framed));
        }
        Ok(())
    });
    ran.unwrap();
    runtime.block_on(async {
        is_well(&door).await;
        door.ended().await;
    });
}
