//! Records written and read in every form.

use crate::common::{Host, body, expect, json_lines, refused};
use potok_http::api::{Placed, Produced, RecordPage};
use potok_log::{Acks, Append, Marker};
use potok_types::{BatchBuilder, Compression, NewBatch, ProducerEpoch, ProducerId, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

const T: &str = "/v1/topics/t/records";

async fn one() -> Host {
    let host = Host::start().await;
    host.topic("t", 1).await;
    host
}

#[tokio::test]
async fn plain_json_stays_plain() {
    let host = one().await;
    let made: Produced = body(host.produce(T, "application/json", r#"{"a": 1.50}"#), 200).await;
    assert_eq!(made.records, vec![Placed { partition: 0, offset: Some(0) }]);
    let made: Produced = body(host.produce(T, "application/json", r#"["x", [1], null, 7e2]"#), 200).await;
    assert_eq!(made.records.iter().map(|at| at.offset.unwrap()).collect::<Vec<_>>(), vec![1, 2, 3, 4]);
    let text = expect(host.get(T), 200).await.text().await.unwrap();
    assert!(
        text.contains(r#""value":{"a": 1.50}"#) && text.contains(r#""value":7e2"#),
        "kept as written: {text}"
    );
    assert_eq!(
        host.values("t").await,
        vec![json!({"a": 1.5}), json!("x"), json!([1]), json!(null), json!(700.0)]
    );
    let made: Produced = body(host.produce(T, "application/json", "[]"), 200).await;
    assert_eq!(made.records, vec![]);
}

#[tokio::test]
async fn records_with_all_their_parts_can_be_sent_back_as_they_were_read() {
    let host = one().await;
    host.topic("copy", 1).await;
    let records = json!({"records": [
        {"key": "k", "value": {"a": 1}, "timestamp": 5, "headers": [{"name": "h", "value": "v"}, {"name": "n", "value": null}]},
        {"key": "AP8=", "key_encoding": "base64", "value": "AP8=", "value_encoding": "base64",
         "headers": [{"name": "b", "value": "AP8=", "encoding": "base64"}]},
        {"value": "null", "value_encoding": "text", "timestamp": 6},
        {"key": "gone", "timestamp": 7},
        {"value": "not json", "value_encoding": "text", "partition": 0},
    ]});
    let sent = host.produce(T, "application/vnd.potok.records+json", records.to_string());
    assert_eq!(body::<Produced>(sent, 200).await.records.len(), 5);
    let read = host.lines("t").await;
    assert_eq!(read[0]["headers"], json!([{"name": "h", "value": "v"}, {"name": "n", "value": null}]));
    assert_eq!((&read[1]["key"], &read[1]["value_encoding"]), (&json!("AP8="), &json!("base64")));
    assert_eq!((&read[2]["value"], &read[2]["value_encoding"]), (&json!("null"), &json!("text")));
    assert_eq!((&read[3]["value"], &read[3]["value_encoding"]), (&json!(null), &json!(null)));
    let lines: String = read.iter().map(|record| format!("{record}\n")).collect();
    let copied = host.produce("/v1/topics/copy/records", "application/vnd.potok.records+ndjson", lines);
    expect(copied, 200).await;
    assert_eq!(host.lines("copy").await, read);
}

#[tokio::test]
async fn raw_bytes_and_their_key_come_back_as_they_were() {
    let host = one().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let path = format!("{T}?key=AAEC&key_encoding=base64&timestamp=77");
    expect(host.produce(&path, "application/octet-stream", bytes.clone()), 200).await;
    let raw = || host.get(&format!("{T}?offset=0")).header("accept", "application/octet-stream");
    let read = expect(raw(), 200).await;
    assert_eq!(
        (&read.headers()["potok-offset"], &read.headers()["potok-key-base64"]),
        (&"0".parse().unwrap(), &"AAEC".parse().unwrap())
    );
    assert_eq!(
        (&read.headers()["potok-timestamp"], &read.headers()["potok-next"]),
        (&"77".parse().unwrap(), &"0:1".parse().unwrap())
    );
    assert_eq!(read.bytes().await.unwrap(), bytes);
    let none = host.get(&format!("{T}?cursor=0:1")).header("accept", "application/octet-stream");
    expect(none, 204).await;
    let tombstone = host.produce(&format!("{T}?key=k"), "application/json", "null");
    expect(tombstone, 200).await;
    let read =
        expect(host.get(&format!("{T}?offset=1")).header("accept", "application/octet-stream"), 200).await;
    assert_eq!(read.headers()["potok-tombstone"], "true");
}

#[tokio::test]
async fn records_that_bring_no_headers_get_those_of_the_request() {
    let host = one().await;
    let path =
        reqwest::Url::parse_with_params("http://h/", [("headers", r#"[{"name":"h","value":"v"}]"#)]).unwrap();
    let path = format!("{T}?{}", path.query().unwrap());
    expect(host.produce(&path, "application/octet-stream", "raw"), 200).await;
    expect(host.produce(&path, "text/plain", "a\nb\n"), 200).await;
    expect(host.produce(&path, "application/json", "[1]"), 200).await;
    let own = r#"{"value":2,"headers":[{"name":"own","value":null}]}"#;
    expect(host.produce(&path, "application/vnd.potok.records+ndjson", own), 200).await;
    let read = host.lines("t").await;
    assert_eq!(read.len(), 5);
    assert!(
        read[..4].iter().all(|record| record["headers"] == json!([{"name": "h", "value": "v"}])),
        "{read:?}"
    );
    assert_eq!(read[4]["headers"], json!([{"name": "own", "value": null}]));
    for wrong in ["x", "%7B%7D", "[1]"] {
        let path = format!("{T}?headers={wrong}");
        let problem = refused(host.produce(&path, "text/plain", "a\n"), 400, "illegal-query").await;
        assert!(problem.detail.contains("`headers`"), "{problem:?}");
    }
}

#[tokio::test]
async fn keys_choose_the_partition_as_kafka_does() {
    let host = Host::start().await;
    host.topic("t", 8).await;
    for key in ["a", "b", "foobar"] {
        let made: Produced =
            body(host.produce(&format!("{T}?key={key}"), "application/json", "1"), 200).await;
        assert_eq!(made.records[0].partition, potok_types::partition_for_key(key.as_bytes(), 8).0);
    }
    let made: Produced =
        body(host.produce(&format!("{T}?partition=5"), "application/json", "[1,2]"), 200).await;
    assert!(made.records.iter().all(|at| at.partition == 5));
    let made: Produced = body(host.produce(T, "application/json", "[1,2,3]"), 200).await;
    assert!(
        made.records.iter().all(|at| at.partition == made.records[0].partition),
        "keyless records stay together"
    );
}

#[tokio::test]
async fn acknowledgements_are_the_clients_choice() {
    let host = one().await;
    for (acks, offset) in [("1", Some(0)), ("all", Some(1)), ("0", None)] {
        let made: Produced =
            body(host.produce(&format!("{T}?acks={acks}"), "application/json", "1"), 200).await;
        assert_eq!(made.records[0].offset, offset, "acks={acks}");
    }
    refused(host.produce(&format!("{T}?acks=2"), "application/json", "1"), 400, "illegal-query").await;
}

#[tokio::test]
async fn pages_follow_each_other_by_their_cursor() {
    let host = Host::start().await;
    host.topic("t", 3).await;
    for partition in 0..3 {
        let values: Vec<u32> = (0..10).collect();
        let path = format!("{T}?partition={partition}");
        expect(host.produce(&path, "application/json", serde_json::to_string(&values).unwrap()), 200).await;
    }
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let from = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let page: RecordPage = body(host.get(&format!("{T}?limit=7{from}")), 200).await;
        seen.extend(page.records.iter().map(|record| (record.partition, record.offset)));
        assert_eq!(page.lag, 30 - seen.len() as u64);
        if page.records.is_empty() {
            break;
        }
        cursor = page.next;
    }
    assert_eq!(cursor, "0:10,1:10,2:10");
    seen.sort_unstable();
    assert_eq!(
        seen,
        (0..3).flat_map(|partition| (0..10).map(move |offset| (partition, offset))).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_read_begins_where_it_is_told_to() {
    let host = one().await;
    for (time, value) in [(10, "a"), (20, "b"), (30, "c")] {
        expect(
            host.produce(&format!("{T}?timestamp={time}"), "application/json", format!("\"{value}\"")),
            200,
        )
        .await;
    }
    let check = async |query: &str, expect: Vec<Value>| {
        let page: Value = body(host.get(&format!("{T}?{query}")), 200).await;
        let seen: Vec<_> =
            page["records"].as_array().unwrap().iter().map(|record| record["value"].clone()).collect();
        assert_eq!(seen, expect, "{query}");
    };
    check("", vec![json!("a"), json!("b"), json!("c")]).await;
    check("from=earliest&limit=1", vec![json!("a")]).await;
    check("from=latest", vec![]).await;
    check("offset=2", vec![json!("c")]).await;
    check("timestamp=15", vec![json!("b"), json!("c")]).await;
    check("timestamp=31", vec![]).await;
    check("cursor=0:1&limit=1", vec![json!("b")]).await;
    check("offset=3&wait=1", vec![]).await;
}

#[tokio::test]
async fn lines_of_a_topic_end_where_it_ended_or_at_the_limit() {
    let host = one().await;
    let values: Vec<u32> = (0..5000).collect();
    expect(host.produce(T, "application/json", serde_json::to_string(&values).unwrap()), 200).await;
    assert_eq!(host.values("t").await.len(), 5000);
    let some = host.get(&format!("{T}?limit=4&offset=10")).header("accept", "application/x-ndjson");
    let lines = json_lines(&expect(some, 200).await.text().await.unwrap());
    assert_eq!(
        lines.iter().map(|line| line["offset"].as_u64().unwrap()).collect::<Vec<_>>(),
        vec![10, 11, 12, 13]
    );
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    let host = one().await;
    let plain = serde_json::to_vec(&vec!["some text that repeats"; 1000]).unwrap();
    let packed = zstd::bulk::compress(&plain, 3).unwrap();
    expect(host.produce(T, "application/json", packed).header("content-encoding", "zstd"), 200).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    expect(
        host.produce(T, "application/json", gzip.finish().unwrap()).header("content-encoding", "gzip"),
        200,
    )
    .await;
    assert_eq!(host.values("t").await.len(), 2000);
    let asked = host.get(&format!("{T}?limit=1000")).header("accept-encoding", "zstd");
    let read = expect(asked, 200).await;
    assert_eq!(read.headers()["content-encoding"], "zstd");
    let page = zstd::stream::decode_all(&read.bytes().await.unwrap()[..]).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&page).unwrap()["records"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_write_of_many_batches_is_all_or_nothing() {
    let host = Host::start().await;
    let asked = json!({"name": "t", "partitions": 2, "configs": {"max.message.bytes": "2000"}});
    expect(host.ask(Method::POST, "/v1/topics").json(&asked), 201).await;
    let values = vec!["x".repeat(500); 40];
    let made: Produced =
        body(host.produce(T, "application/json", serde_json::to_string(&values).unwrap()), 200).await;
    assert_eq!(made.records.len(), 40);
    let mut places: Vec<_> = host
        .lines("t")
        .await
        .iter()
        .map(|line| (line["partition"].as_u64(), line["offset"].as_u64()))
        .collect();
    let mut said: Vec<_> = made.records.iter().map(|at| (Some(u64::from(at.partition)), at.offset)).collect();
    places.sort_unstable();
    said.sort_unstable();
    assert_eq!(said, places);
    let with_a_large_one =
        serde_json::to_string(&vec!["a".to_owned(), "y".repeat(3000), "b".to_owned()]).unwrap();
    let problem =
        refused(host.produce(T, "application/json", with_a_large_one), 413, "record-too-large").await;
    assert!(problem.detail.contains("record 1"), "{}", problem.detail);
    assert_eq!(host.values("t").await.len(), 40);
}

#[tokio::test]
async fn records_of_a_transaction_are_shown_once_it_is_committed_and_never_when_it_is_aborted() {
    let host = one().await;
    let at = host.log.topic(&"t".parse().unwrap()).unwrap().all_partitions().next().unwrap();
    let add = async |batch: NewBatch| {
        let appended = host.log.append(vec![Append { to: at, batch }], Acks::Written).await;
        appended.into_iter().next().unwrap().unwrap();
    };
    let data = |producer: i64, value: &str| {
        let builder = BatchBuilder::new(Compression::None);
        let mut builder = builder.producer(ProducerId(producer), ProducerEpoch(0), 0, true);
        builder.push(Timestamp(1), None, Some(value.as_bytes()), std::iter::empty());
        builder.build().unwrap().unwrap()
    };
    let end = |producer, marker: Marker| {
        marker.batch(ProducerId(producer), ProducerEpoch(0), 0, Timestamp(2)).unwrap()
    };
    expect(host.produce(T, "application/json", "\"plain\""), 200).await;
    add(data(1, "\"aborted\"")).await;
    add(data(2, "\"committed\"")).await;
    assert_eq!(host.values("t").await, vec![json!("plain")]);
    add(end(1, Marker::Abort)).await;
    let waiting = tokio::spawn(body::<RecordPage>(host.get(&format!("{T}?offset=1&wait=20000")), 200));
    add(end(2, Marker::Commit)).await;
    let page = waiting.await.unwrap();
    assert_eq!(
        page.records.iter().map(|record| record.value.get()).collect::<Vec<_>>(),
        vec!["\"committed\""]
    );
    assert_eq!(host.values("t").await, vec![json!("plain"), json!("committed")]);
}

#[tokio::test]
async fn batches_that_are_large_unpacked_are_read_one_at_a_time_and_whole_in_every_form() {
    let host = one().await;
    let at = host.log.topic(&"t".parse().unwrap()).unwrap().all_partitions().next().unwrap();
    let large = format!("\"{}\"", "x".repeat(6 << 20));
    for value in ["\"before\"", &large, "\"behind\""] {
        let mut builder = BatchBuilder::new(Compression::Zstd);
        builder.push(Timestamp(1), None, Some(value.as_bytes()), std::iter::empty());
        let batch = builder.build().unwrap().unwrap();
        assert!(batch.len() < 1 << 20, "it is small as it lies");
        host.log.append(vec![Append { to: at, batch }], Acks::Written).await.pop().unwrap().unwrap();
    }
    let lengths: Vec<_> =
        host.values("t").await.iter().map(|value| value.as_str().map_or(0, str::len)).collect();
    assert_eq!(lengths, [6, 6 << 20, 6]);
    let (mut read, mut next) = (Vec::new(), "offset=0".to_owned());
    while read.len() < 3 {
        let page = body::<RecordPage>(host.get(&format!("{T}?{next}")), 200).await;
        assert!(!page.records.is_empty(), "a page that begins with a large one has it");
        read.extend(page.records.iter().map(|record| record.value.get().len()));
        next = format!("cursor={}", page.next);
    }
    assert_eq!(read, [8, large.len(), 8]);
    let raw = expect(host.get(&format!("{T}?offset=1")).header("accept", "application/octet-stream"), 200);
    assert_eq!(raw.await.bytes().await.unwrap().len(), large.len());
    let all = (0..6).map(|_| body::<RecordPage>(host.get(&format!("{T}?offset=1&limit=1")), 200));
    for page in futures::future::join_all(all).await {
        assert_eq!(page.records.len(), 1, "each has its turn");
    }
}
