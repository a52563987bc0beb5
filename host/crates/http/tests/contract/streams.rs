//! Writes and reads that go on: NDJSON both ways, long polls, events, WebSockets, stopping.

use crate::common::{Host, body, expect, json_lines, refused};
use futures::{SinkExt, StreamExt};
use potok_http::api::{Done, Placed, PlacedRun, ProduceEvent, Produced, RecordPage};
use reqwest::Method;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::tungstenite::Message;

const T: &str = "/v1/topics/t/records";
const NDJSON: &str = "application/x-ndjson";

async fn one() -> Host {
    let host = Host::start().await;
    host.topic("t", 1).await;
    host
}

fn events(text: &str) -> Vec<ProduceEvent> {
    json_lines(text).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
}

/// Reads a stream until some text has come.
struct Text {
    response: reqwest::Response,
    seen: String,
}

impl Text {
    async fn until(&mut self, wanted: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(wanted) {
                let rest = self.seen.split_off(at + wanted.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk())
                .await
                .expect("nothing comes");
            let chunk =
                chunk.unwrap().unwrap_or_else(|| panic!("the stream ended before {wanted:?}: {}", self.seen));
            self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn lines_are_acknowledged_and_the_answer_ends_well() {
    let host = one().await;
    let lines: String = (0..5000).map(|i| format!("{{\"i\":{i}}}\n\n")).collect();
    let answer = expect(host.produce(T, NDJSON, lines), 200).await;
    assert_eq!(answer.headers()["content-type"], NDJSON);
    let said = events(&answer.text().await.unwrap());
    assert_eq!(said.last(), Some(&ProduceEvent::Done(Done { records: 5000, lines: 10_000 })));
    let mut acknowledged = 0;
    for event in &said[..said.len() - 1] {
        let ProduceEvent::Acknowledged(these) = event else { panic!("{event:?}") };
        assert_eq!(these.placed.iter().map(|run| run.first_offset.unwrap()).min(), Some(acknowledged));
        acknowledged += these.placed.iter().map(|run| run.count).sum::<u64>();
    }
    assert_eq!(acknowledged, 5000);
    assert_eq!(host.values("t").await, (0..5000).map(|i| json!({"i": i})).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_pauses_is_acknowledged_while_it_writes() {
    let host = one().await;
    let (to, from) = mpsc::channel::<Result<String, Infallible>>(1);
    let sending = host.produce(T, NDJSON, reqwest::Body::wrap_stream(ReceiverStream::new(from))).send();
    to.send(Ok("1\n2\n3".to_owned())).await.unwrap();
    let mut answer = Text { response: sending.await.unwrap(), seen: String::new() };
    let first: ProduceEvent = serde_json::from_str(&answer.until("\n").await).unwrap();
    let ProduceEvent::Acknowledged(first) = first else { panic!("{first:?}") };
    assert_eq!(first.placed, vec![PlacedRun { partition: 0, first_offset: Some(0), count: 2 }]);
    to.send(Ok("0\n".to_owned())).await.unwrap();
    answer.until("\"first_line\":3,\"last_line\":3").await;
    drop(to);
    answer.until("\"done\":{\"records\":3,\"lines\":3}").await;
    assert_eq!(host.values("t").await, vec![json!(1), json!(2), json!(30)]);
}

#[tokio::test]
async fn a_bad_line_ends_the_write_and_what_came_before_stays() {
    let host = one().await;
    let mut lines: String = (1..70_000).map(|i| format!("{i}\n")).collect();
    lines.push_str("{\"oops\":\n1\n2\n");
    let answer = expect(host.produce(T, NDJSON, lines), 200).await;
    let said = events(&answer.text().await.unwrap());
    let Some(ProduceEvent::Problem(problem)) = said.last() else { panic!("{:?}", said.last()) };
    assert_eq!(
        (problem.code.as_str(), problem.line, problem.acknowledged),
        ("illegal-json", Some(70_000), Some(69_999))
    );
    let ProduceEvent::Acknowledged(last) = &said[said.len() - 2] else {
        panic!("{:?}", said[said.len() - 2])
    };
    assert_eq!(last.last_line, 69_999);
    assert_eq!(host.values("t").await.len(), 69_999);
}

#[tokio::test]
async fn a_write_that_is_wrong_from_its_first_line_is_refused_as_a_whole() {
    let host = one().await;
    let problem = refused(host.produce(T, NDJSON, "nope\n1\n"), 400, "illegal-json").await;
    assert_eq!((problem.line, problem.acknowledged), (Some(1), Some(0)));
    let records = "application/vnd.potok.records+ndjson";
    refused(host.produce(T, records, "{\"key\":\"k\",\"velue\":1}\n"), 400, "illegal-body").await;
    refused(host.produce(T, records, "{\"key\":\"?\",\"key_encoding\":\"base64\"}\n"), 400, "illegal-base64")
        .await;
    refused(host.produce(T, records, "{\"value\":1,\"partition\":7}\n"), 404, "unknown-partition").await;
    assert_eq!(host.values("t").await.len(), 0);
}

#[tokio::test]
async fn text_lines_are_split_at_the_separator() {
    let host = one().await;
    let path = format!("{T}?key_separator=%09&receipts=record");
    let answer =
        expect(host.produce(&path, "text/plain; charset=utf-8", "a\tone\nnothing\r\n\nb\ttwo"), 200).await;
    let said = events(&answer.text().await.unwrap());
    assert_eq!(said.len(), 5, "a receipt for each record, and the end: {said:?}");
    let read = host.lines("t").await;
    let seen: Vec<_> =
        read.iter().map(|line| (line["key"].as_str(), line["value"].as_str().unwrap())).collect();
    assert_eq!(seen, vec![(Some("a"), "one"), (None, "nothing"), (None, ""), (Some("b"), "two")]);
}

#[tokio::test]
async fn a_long_poll_ends_when_a_record_comes() {
    let host = one().await;
    let waiting = tokio::spawn(body::<RecordPage>(host.get(&format!("{T}?from=latest&wait=60000")), 200));
    while host.log.ends(host.log.topics()[0].all_partitions().next().unwrap()).unwrap().log_end.get() < 50
        && !waiting.is_finished()
    {
        expect(host.produce(T, "application/json", "1"), 200).await;
    }
    assert!(!waiting.await.unwrap().records.is_empty());
}

#[tokio::test]
async fn events_resume_where_the_last_one_was_seen() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    for partition in [0, 1] {
        expect(host.produce(&format!("{T}?partition={partition}"), "application/json", "[1,2]"), 200).await;
    }
    let listen = |last: &str| {
        host.get(T).header("accept", "text/event-stream").header("last-event-id", last.to_owned())
    };
    let mut first = Text { response: expect(listen(""), 200).await, seen: String::new() };
    assert_eq!(first.response.headers()["content-type"], "text/event-stream");
    first.until("retry: 1000\n\n").await;
    let mut seen = Vec::new();
    let mut last = String::new();
    for _ in 0..3 {
        let event = first.until("\n\n").await;
        let (id, data) = event.strip_prefix("id: ").unwrap().split_once("\ndata: ").unwrap();
        last = id.to_owned();
        seen.push(serde_json::from_str::<Value>(data).unwrap());
    }
    drop(first);
    let mut second = Text { response: expect(listen(&last), 200).await, seen: String::new() };
    second.until("retry: 1000\n\n").await;
    let event = second.until("\n\n").await;
    seen.push(serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap());
    let mut places: Vec<_> =
        seen.iter().map(|record| (record["partition"].as_u64(), record["offset"].as_u64())).collect();
    places.sort_unstable();
    assert_eq!(places, vec![(Some(0), Some(0)), (Some(0), Some(1)), (Some(1), Some(0)), (Some(1), Some(1))]);
    expect(host.produce(&format!("{T}?partition=1"), "application/json", "\"live\""), 200).await;
    assert!(second.until("\n\n").await.contains("\"value\":\"live\""));
    expect(host.ask(Method::DELETE, "/v1/topics/t"), 204).await;
    assert!(second.until("\n\n").await.starts_with("event: problem\ndata: "));
}

#[tokio::test]
async fn lines_follow_what_comes() {
    let host = one().await;
    let asked = host.get(&format!("{T}?follow=true&limit=2")).header("accept", NDJSON);
    let mut tail = Text { response: expect(asked, 200).await, seen: String::new() };
    for value in ["\"a\"", "\"b\""] {
        expect(host.produce(T, "application/json", value), 200).await;
        assert!(tail.until("\n").await.contains(value));
    }
    assert_eq!(tail.response.chunk().await.unwrap(), None, "the limit ends it");
}

#[tokio::test]
async fn a_websocket_gets_a_message_a_record() {
    let host = one().await;
    expect(host.produce(T, "application/json", "[1,2]"), 200).await;
    let url = format!("ws://{}{T}?limit=3", host.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        if seen.len() == 2 {
            expect(host.produce(T, "application/json", "3"), 200).await;
        }
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            seen.push(serde_json::from_str::<Value>(&text).unwrap()["value"].as_u64().unwrap());
        }
    }
    assert_eq!(seen, vec![1, 2, 3]);
    assert!(matches!(socket.next().await.unwrap().unwrap(), Message::Close(Some(_))));
    let (mut leaving, _) =
        tokio_tungstenite::connect_async(format!("ws://{}{T}", host.address)).await.unwrap();
    leaving.send(Message::Text("what is said is not looked at".into())).await.unwrap();
    leaving.close(None).await.unwrap();
}

#[tokio::test]
async fn stopping_ends_tails_and_finishes_writes() {
    let host = one().await;
    let tail = host.get(T).header("accept", "text/event-stream");
    let mut tail = Text { response: expect(tail, 200).await, seen: String::new() };
    tail.until("\n\n").await;
    let (to, from) = mpsc::channel::<Result<String, Infallible>>(1);
    to.send(Ok("1\n".to_owned())).await.unwrap();
    let sending = host.produce(T, NDJSON, reqwest::Body::wrap_stream(ReceiverStream::new(from))).send();
    let mut write = Text { response: sending.await.unwrap(), seen: String::new() };
    write.until("acknowledged").await;
    host.stop.cancel();
    write.until("\"code\":\"stopping\"").await;
    while tail.response.chunk().await.unwrap().is_some() {}
    tokio::time::timeout(Duration::from_secs(20), host.running).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn a_new_partition_is_followed_as_well() {
    let host = one().await;
    let asked = host.get(&format!("{T}?follow=true")).header("accept", NDJSON);
    let mut tail = Text { response: expect(asked, 200).await, seen: String::new() };
    expect(host.ask(Method::PATCH, "/v1/topics/t").json(&json!({"partitions": 2})), 200).await;
    let made: Produced =
        body(host.produce(&format!("{T}?partition=1"), "application/json", "\"new\""), 200).await;
    assert_eq!(made.records, vec![Placed { partition: 1, offset: Some(0) }]);
    // the old partition wakes the reader, which then looks for new ones
    expect(host.produce(&format!("{T}?partition=0"), "application/json", "\"old\""), 200).await;
    let seen = tail.until("new").await + &tail.seen;
    assert!(seen.contains("\"partition\":1"), "{seen}");
}
