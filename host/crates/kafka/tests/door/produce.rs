//! Produce: what goes in, what is refused and how, and what the producer is told.

use crate::batches::{
    IDS_FROM, batches, builder, bytes, fetch, fetched, name, now, of_producer, plain, produce, produced,
    repair,
};
use crate::common::{Client, Door};
use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::{ProduceRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use potok_log::Topic;
use potok_types::{BatchBuilder, Compression, Offset, ProducerEpoch, ProducerId, Timestamp};
use std::time::Duration;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// Sends a batch to partition 0 of `topic`; the code of the answer.
async fn code(client: &mut Client, topic: &Topic, batch: BytesMut) -> i16 {
    let response = client.ask(9, &produce(9, topic, 0, -1, batch.freeze())).await;
    produced(&response).error_code
}

#[tokio::test]
async fn batches_of_every_codec_come_back_as_the_bytes_that_were_sent() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let mut next = 0;
    for version in 3..=IDS_FROM {
        for codec in CODECS {
            if codec == Compression::Zstd && version < 7 {
                continue;
            }
            let sent = bytes(builder(codec, &[b"one", b"two"])).freeze();
            let response = client.ask(version, &produce(version, &topic, 0, 1, sent.clone())).await;
            let told = produced(&response);
            assert_eq!((told.error_code, told.base_offset), (0, next), "{codec:?} v{version}");
            let response = client.ask(12, &fetch(12, &topic, &[(0, next)])).await;
            let back = batches(fetched(&response, 0));
            assert_eq!(back.len(), 1);
            // base offset and epoch are the broker's, and not part of what the checksum covers
            assert_eq!(back[0].bytes()[16..], sent[16..], "{codec:?} v{version}");
            next += 2;
        }
    }
    door.ended().await;
}

#[tokio::test]
async fn a_header_that_is_wrong_of_its_records_times_is_made_right() {
    const LOG_APPEND_TIME_BIT: u8 = 8;
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let stamped = door.topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let mut client = door.connect().await;
    let batch = |codec, latest: i64| {
        let mut builder = builder(codec, &[]);
        for time in [latest - 20, latest, latest - 10] {
            builder.push(Timestamp(time), None, Some(b"x"), std::iter::empty());
        }
        bytes(builder)
    };
    let wrong = |mut batch: BytesMut, claimed: i64, bit| {
        batch[22] |= bit;
        batch[35..43].copy_from_slice(&claimed.to_be_bytes());
        repair(&mut batch);
        batch
    };
    let (now, hour) = (now().0, 3_600_000);
    let mut next = 0;
    for codec in CODECS {
        for (claimed, bit) in [(-1, 0), (now - 10, 0), (now + 9 * hour, 0), (now, LOG_APPEND_TIME_BIT)] {
            let right = batch(codec, now);
            let told =
                client.ask(9, &produce(9, &topic, 0, 1, wrong(right.clone(), claimed, bit).freeze())).await;
            let told = produced(&told);
            let what = format!("{codec:?}, {claimed}, {bit}");
            assert_eq!((told.error_code, told.base_offset, told.log_append_time_ms), (0, next, -1), "{what}");
            let response = client.ask(12, &fetch(12, &topic, &[(0, next)])).await;
            assert_eq!(batches(fetched(&response, 0))[0].bytes()[16..], right[16..], "{what}");
            next += 3;
        }
    }
    // what the header hides is found, and a topic's own time is nobody else's to set
    let ahead = wrong(batch(Compression::None, now + 9 * hour), now, 0);
    assert_eq!(code(&mut client, &topic, ahead).await, Code::InvalidTimestamp.code());
    assert_eq!(code(&mut client, &stamped, wrong(batch(Compression::None, now), -1, 0)).await, 0);
    let set = wrong(batch(Compression::None, now), now, LOG_APPEND_TIME_BIT);
    assert_eq!(code(&mut client, &stamped, set).await, Code::InvalidTimestamp.code());
    door.ended().await;
}

#[tokio::test]
async fn versions_that_are_advertised_for_old_clients_only_are_refused_by_partition() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    for version in 0..3u8 {
        let mut client = door.connect().await;
        let mut body = BytesMut::new();
        body.put_slice(&[0, 0, 0, version, 0, 0, 0, 7, 0, 1, b'c']);
        body.put_slice(&[0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut sent = BytesMut::new();
        sent.put_i32(i32::try_from(body.len()).unwrap());
        sent.put_slice(&body);
        client.send_bytes(&sent).await;
        let mut answer = client.frame().await.unwrap();
        assert_eq!((answer.get_i32(), answer.get_i32()), (7, 1));
        assert_eq!(answer.copy_to_bytes(3)[..], [0, 1, b't']);
        assert_eq!((answer.get_i32(), answer.get_i32()), (1, 0));
        assert_eq!(answer.get_i16(), Code::UnsupportedVersion.code(), "v{version}");
    }
    door.ended().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_batch_is_said_by_its_code() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[("max.message.bytes", "10000")]).await;
    let mut client = door.connect().await;
    let changed = |change: fn(&mut BytesMut)| {
        let mut batch = plain(&[b"one", b"two"]);
        change(&mut batch);
        batch
    };
    let mut two = plain(&[b"one"]);
    two.extend_from_slice(&plain(&[b"two"]));
    let mut control =
        BatchBuilder::new(Compression::None).control().producer(ProducerId(1), ProducerEpoch(0), 0, true);
    control.push(now(), Some(&[0, 0, 0, 0]), Some(&[0; 6]), std::iter::empty());
    let mut ahead = BatchBuilder::new(Compression::None);
    ahead.push(Timestamp(now().0 + 7_200_000), None, Some(b"x"), std::iter::empty());
    for (what, batch, expected) in [
        ("nothing", BytesMut::new(), Code::InvalidRecord),
        ("less than a header", changed(|batch| batch.truncate(30)), Code::CorruptMessage),
        ("cut", changed(|batch| batch.truncate(batch.len() - 3)), Code::CorruptMessage),
        ("a changed byte", changed(|batch| batch[70] ^= 1), Code::CorruptMessage),
        ("old magic", changed(|batch| batch[16] = 1), Code::InvalidRecord),
        ("newer magic", changed(|batch| batch[16] = 3), Code::InvalidRecord),
        ("a length of gigabytes", changed(|batch| batch[8] = 0x7f), Code::CorruptMessage),
        (
            "more records than there are",
            changed(|batch| {
                batch[26] = 9;
                batch[60] = 10;
                repair(batch);
            }),
            Code::InvalidRecord,
        ),
        (
            "two billion records",
            changed(|batch| {
                batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
                batch[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
                repair(batch);
            }),
            Code::InvalidRecord,
        ),
        (
            "a record's length without an end",
            changed(|batch| {
                batch[61..67].fill(0xff);
                repair(batch);
            }),
            Code::InvalidRecord,
        ),
        (
            "a codec that nobody knows",
            changed(|batch| {
                batch[22] |= 7;
                repair(batch);
            }),
            Code::InvalidRecord,
        ),
        ("two batches", two, Code::InvalidRecord),
        ("a control batch", bytes(control), Code::InvalidRecord),
        ("a time two hours ahead", bytes(ahead), Code::InvalidTimestamp),
        ("too large", plain(&[&[7; 20_000]]), Code::MessageTooLarge),
    ] {
        assert_eq!(code(&mut client, &topic, batch).await, expected.code(), "{what}");
    }
    assert_eq!(code(&mut client, &topic, plain(&[b"sound"])).await, 0);
    door.ended().await;
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_is_unpacked_whole() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[("max.message.bytes", "100000")]).await;
    let mut client = door.connect().await;
    let zeros = vec![0; 32 << 20];
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let mut builder = BatchBuilder::new(codec);
        builder.push(now(), None, Some(&zeros), std::iter::empty());
        let bomb = bytes(builder);
        // lz4 does not pack as much into as little
        let refused = if bomb.len() > 100_000 { Code::MessageTooLarge } else { Code::InvalidRecord };
        assert_eq!(code(&mut client, &topic, bomb).await, refused.code(), "{codec:?}");
    }
    door.ended().await;
}

#[tokio::test]
async fn a_record_without_a_key_is_named_where_the_topic_is_compacted() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[("cleanup.policy", "compact")]).await;
    let mut client = door.connect().await;
    let mut keyless = builder(Compression::None, &[b"one"]);
    keyless.push(now(), None, Some(b"two"), std::iter::empty());
    let request = produce(9, &topic, 0, -1, bytes(keyless).freeze());
    let response = client.ask(9, &request).await;
    let told = produced(&response);
    assert_eq!(told.error_code, Code::InvalidRecord.code());
    assert_eq!(told.record_errors[0].batch_index, 1);
    assert!(told.error_message.is_some());
    door.ended().await;
}

#[tokio::test]
async fn a_refused_batch_tells_where_the_log_begins_where_kafka_tells_it() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[("cleanup.policy", "compact")]).await;
    let mut client = door.connect().await;
    let mut told = async |batch: BytesMut| {
        let response = client.ask(9, &produce(9, &topic, 0, -1, batch.freeze())).await;
        let told = produced(&response);
        (told.error_code, told.log_start_offset)
    };
    assert_eq!(told(of_producer(7, 1, 0, false, &[b"a", b"b", b"c"])).await, (0, 0));
    let at = topic.all_partitions().next().unwrap();
    door.log.delete_records(at, Offset::new(2)).await.unwrap();
    let mut keyless = BatchBuilder::new(Compression::None);
    keyless.push(now(), None, Some(b"x"), std::iter::empty());
    let mut ahead = BatchBuilder::new(Compression::None);
    ahead.push(Timestamp(now().0 + 7_200_000), Some(b"k"), Some(b"x"), std::iter::empty());
    let mut twice = plain(&[b"one"]);
    twice.extend_from_slice(&plain(&[b"two"]));
    let mut damaged = plain(&[b"one"]);
    damaged[70] ^= 1;
    for (what, batch, expected) in [
        ("out of sequence", of_producer(7, 1, 9, false, &[b"x"]), (Code::OutOfOrderSequenceNumber, 2)),
        ("an older epoch", of_producer(7, 0, 0, false, &[b"x"]), (Code::InvalidProducerEpoch, 2)),
        ("no key", bytes(keyless), (Code::InvalidRecord, 2)),
        ("a time far ahead", bytes(ahead), (Code::InvalidTimestamp, 2)),
        ("two batches", twice, (Code::InvalidRecord, -1)),
        ("damage", damaged, (Code::CorruptMessage, -1)),
    ] {
        assert_eq!(told(batch).await, (expected.0.code(), expected.1), "{what}");
    }
    door.ended().await;
}

#[tokio::test]
async fn where_a_batch_cannot_go_is_said_for_each_partition() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let mut request = produce(9, &topic, 1, -1, plain(&[b"x"]).freeze());
    let mut elsewhere = request.topic_data[0].partition_data[0].clone();
    elsewhere.index = 2;
    request.topic_data[0].partition_data.push(elsewhere.clone());
    elsewhere.index = -1;
    request.topic_data[0].partition_data.push(elsewhere);
    let mut unknown = request.topic_data[0].clone();
    unknown.name = name("nowhere");
    request.topic_data.push(unknown);
    let response = client.ask(9, &request).await;
    let codes: Vec<Vec<i16>> = response
        .responses
        .iter()
        .map(|topic| topic.partition_responses.iter().map(|one| one.error_code).collect())
        .collect();
    let unknown = Code::UnknownTopicOrPartition.code();
    assert_eq!(codes, [vec![0, unknown, unknown], vec![unknown, unknown, unknown]]);
    let mut request = produce(9, &topic, 0, 5, plain(&[b"x"]).freeze());
    assert_eq!(produced(&client.ask(9, &request).await).error_code, Code::InvalidRequiredAcks.code());
    request.acks = 1;
    assert_eq!(produced(&client.ask(9, &request).await).error_code, 0);
    door.ended().await;
}

#[tokio::test]
async fn an_idempotent_batch_that_comes_again_has_its_first_offset_and_a_gap_is_refused() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let mut offset = async |sequence: i32| {
        let batch = of_producer(7, 0, sequence, false, &[b"a", b"b"]).freeze();
        let response = client.ask(9, &produce(9, &topic, 0, -1, batch)).await;
        let told = produced(&response);
        (told.error_code, told.base_offset)
    };
    assert_eq!(offset(0).await, (0, 0));
    assert_eq!(offset(2).await, (0, 2));
    assert_eq!(offset(0).await, (0, 0));
    assert_eq!(offset(2).await, (0, 2));
    assert_eq!(offset(9).await, (Code::OutOfOrderSequenceNumber.code(), -1));
    assert_eq!(offset(4).await, (0, 4));
    door.ended().await;
}

#[tokio::test]
async fn who_wants_no_answer_gets_none_and_hears_of_a_failure_by_the_end_of_the_connection() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    client.send(9, &produce(9, &topic, 0, 0, plain(&[b"quiet"]).freeze())).await;
    let response = client.ask(9, &produce(9, &topic, 0, 1, plain(&[b"loud"]).freeze())).await;
    assert_eq!(produced(&response).base_offset, 1);
    client.send(9, &produce(9, &topic, 4, 0, plain(&[b"lost"]).freeze())).await;
    assert!(client.is_closed().await);
    door.ended().await;
}

#[tokio::test]
async fn records_of_a_transaction_need_their_producers_open_transaction() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let request = |version, id: Option<&'static str>, batch: BytesMut| {
        let request = produce(version, &topic, 0, -1, batch.freeze());
        request.with_transactional_id(id.map(|id| TransactionalId(StrBytes::from_static_str(id))))
    };
    let mut code = async |version, id, batch| {
        produced(&client.ask::<ProduceRequest>(version, &request(version, id, batch)).await).error_code
    };
    let nobody = of_producer(99, 0, 0, true, &[b"x"]);
    assert_eq!(code(9, Some("tx"), nobody.clone()).await, Code::InvalidProducerIdMapping.code());
    assert_eq!(code(9, None, nobody).await, Code::TransactionalIdAuthorizationFailed.code());
    let granted = door.coordinator.init_producer(Some("tx"), Duration::from_secs(60), None).await.unwrap();
    let (id, epoch) = (granted.producer.0, granted.epoch.0);
    let early = of_producer(id, epoch, 0, true, &[b"x"]);
    assert_eq!(code(9, Some("tx"), early.clone()).await, Code::InvalidTxnState.code());
    assert_eq!(code(12, Some("tx"), early).await, 0, "from version 12 on the partition is added");
    let fenced = of_producer(id, epoch - 1, 1, true, &[b"x"]);
    assert_eq!(code(12, Some("tx"), fenced).await, Code::InvalidProducerEpoch.code());
    door.ended().await;
}

#[tokio::test]
async fn an_empty_request_has_an_empty_answer() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let response = client.ask(9, &ProduceRequest::default().with_acks(-1)).await;
    assert!(response.responses.is_empty());
    door.ended().await;
}
