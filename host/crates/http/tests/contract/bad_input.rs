//! What clients should not do: each is refused with a problem that says what to do, or its connection is closed. Nothing
//! is half written, memory stays bounded, and others are served meanwhile.

use crate::common::{Host, body, expect, refused};
use futures::stream;
use potok_http::api::{Info, Problem};
use reqwest::Method;
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const T: &str = "/v1/topics/t/records";

async fn one() -> Host {
    let host = Host::start().await;
    host.topic("t", 1).await;
    host
}

/// Sends bytes over a connection of its own, ends the sending side, and returns all that comes back.
async fn raw(host: &Host, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    rest(stream).await
}

/// What comes until the connection ends.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let ended =
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the connection stays open");
    // a reset is an end as well
    let _ = ended;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_is_cut_off_writes_nothing_that_was_not_acknowledged() {
    let host = one().await;
    let head = |content_type: &str| {
        format!("POST {T} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: 100\r\n\r\n")
    };
    raw(&host, (head("application/json") + "[1,2").as_bytes()).await;
    raw(&host, (head("application/octet-stream") + "abc").as_bytes()).await;
    assert_eq!(host.values("t").await.len(), 0);
    let said = raw(&host, (head("application/x-ndjson") + "1\n2\n33").as_bytes()).await;
    let values = host.values("t").await;
    assert!(
        values == [json!(1), json!(2)] || (values.is_empty() && !said.contains("acknowledged")),
        "{values:?} {said}"
    );
}

#[tokio::test]
async fn ten_gibibytes_are_refused_before_they_are_read() {
    let host = one().await;
    let said = async |path: &str, content_type: &str| {
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        let head = format!(
            "{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: 10737418240\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let said = rest(stream).await;
        assert!(said.starts_with("HTTP/1.1 413") && said.contains("body-too-large"), "{said}");
    };
    said(&format!("POST {T}"), "application/json").await;
    said("PUT /v1/modules/m", "application/wasm").await;
    said("POST /v1/topics", "application/json").await;
}

#[tokio::test]
async fn an_endless_body_of_no_stated_length_is_refused_at_the_limit() {
    let host = Host::with(|settings| settings.body_bytes_max = 1 << 20).await;
    host.topic("t", 1).await;
    let endless =
        || reqwest::Body::wrap_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![b' '; 64 * 1024])));
    let sent = host.produce(T, "application/json", endless()).send().await;
    // the client may see the reset of a connection that it goes on sending over, instead of the answer
    if let Ok(answer) = sent {
        assert_eq!(answer.json::<Problem>().await.unwrap().code, "body-too-large");
    }
    let line = host.produce(T, "text/plain", endless()).send().await;
    if let Ok(answer) = line {
        assert_eq!(answer.json::<Problem>().await.unwrap().code, "record-too-large");
    }
    assert_eq!(host.values("t").await.len(), 0);
}

#[tokio::test]
async fn what_unpacks_to_too_much_is_refused() {
    let host = one().await;
    let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 19).unwrap();
    assert!(bomb.len() < 64 * 1024);
    let send =
        |content_type: &str| host.produce(T, content_type, bomb.clone()).header("content-encoding", "zstd");
    refused(send("application/json"), 413, "body-too-large").await;
    refused(send("application/x-ndjson"), 413, "record-too-large").await;
    let mut wide = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(27).unwrap();
    std::io::Write::write_all(&mut wide, &vec![b'1'; 1 << 20]).unwrap();
    let wide = host.produce(T, "application/json", wide.finish().unwrap()).header("content-encoding", "zstd");
    refused(wide, 400, "illegal-body").await;
    let not_packed = host.produce(T, "application/json", "[1]").header("content-encoding", "gzip");
    refused(not_packed, 400, "illegal-body").await;
    let unknown = host.produce(T, "application/json", "[1]").header("content-encoding", "br");
    refused(unknown, 415, "unsupported-content-encoding").await;
}

#[tokio::test]
async fn each_wrong_request_says_what_is_wrong_with_it() {
    let host = one().await;
    let send = |path: &str, content_type: &str, text: &'static str| host.produce(path, content_type, text);
    refused(send(T, "text/html", "1"), 415, "unsupported-content-type").await;
    refused(host.ask(Method::POST, T).body("1"), 415, "unsupported-content-type").await;
    refused(host.ask(Method::POST, "/v1/topics").body("{}"), 415, "unsupported-content-type").await;
    refused(send(T, "application/json", "{"), 400, "illegal-json").await;
    refused(send(T, "application/json", ""), 400, "illegal-json").await;
    refused(send("/v1/topics/none/records", "application/json", "1"), 404, "unknown-topic").await;
    refused(send("/v1/topics/_potok.logs/records", "application/json", "1"), 403, "internal-topic").await;
    refused(send("/v1/topics/a%20b/records", "application/json", "1"), 400, "illegal-name").await;
    refused(host.get("/v1/topics/%ff"), 400, "illegal-name").await;
    let problem =
        refused(send(&format!("{T}?partition=1"), "application/json", "1"), 404, "unknown-partition").await;
    assert!(problem.detail.contains("0 to 0"), "{}", problem.detail);
    refused(
        send(&format!("{T}?key=%3F&key_encoding=base64"), "application/json", "1"),
        400,
        "illegal-base64",
    )
    .await;
    refused(send(&format!("{T}?key_encoding=base64"), "application/json", "1"), 400, "illegal-query").await;
    refused(send(&format!("{T}?key_separator=x"), "application/json", "1"), 400, "illegal-query").await;
    let problem =
        refused(send(&format!("{T}?partitions=1"), "application/json", "1"), 400, "illegal-query").await;
    assert!(problem.detail.contains("`key_separator`"), "the parameters there are: {}", problem.detail);
    for query in [
        "offset=1&from=latest",
        "limit=0",
        "limit=99999",
        "wait=60001",
        "cursor=x",
        "cursor=0:0,0:0",
        "nope=1",
        "offset=-1",
        "timestamp=-1",
    ] {
        refused(host.get(&format!("{T}?{query}")), 400, "illegal-query").await;
    }
    refused(host.get(&format!("{T}?cursor=9:0")), 404, "unknown-partition").await;
    refused(host.get(&format!("{T}?cursor=0:5")), 400, "offset-out-of-range").await;
    refused(host.get(&format!("{T}?offset=5")), 400, "offset-out-of-range").await;
    refused(host.get(&format!("{T}?offset=18446744073709551615")), 400, "offset-out-of-range").await;
    refused(host.get(T).header("accept", "text/html"), 406, "not-acceptable").await;
    refused(host.get("/nowhere"), 404, "unknown-path").await;
    refused(host.get("/v1/topics?x=1"), 400, "illegal-query").await;
    let answer = expect(host.ask(Method::PUT, "/v1/topics"), 405).await;
    assert!(answer.headers()["allow"].to_str().unwrap().contains("POST"));
    assert_eq!(answer.json::<Problem>().await.unwrap().code, "method-not-allowed");
    refused(host.get(T).header("upgrade", "websocket"), 400, "illegal-header").await;
}

#[tokio::test]
async fn a_compacted_topic_asks_for_keys() {
    let host = Host::start().await;
    let asked = json!({"name": "t", "configs": {"cleanup.policy": "compact"}});
    expect(host.ask(Method::POST, "/v1/topics").json(&asked), 201).await;
    refused(host.produce(T, "application/json", "1"), 400, "key-missing").await;
    expect(host.produce(&format!("{T}?key=k"), "application/json", "1"), 200).await;
    let lines = host.produce(&format!("{T}?key_separator=:"), "text/plain", "a:1\nb:2\nthree\nd:4\n");
    let said = expect(lines, 200).await.text().await.unwrap();
    assert!(said.contains("\"last_line\":2") && said.contains("\"line\":3"), "{said}");
    assert_eq!(host.values("t").await, vec![json!(1), json!(1), json!(2)]);
}

#[tokio::test]
async fn a_thousand_idle_connections_disturb_nobody_and_are_closed() {
    let host = Host::with(|settings| settings.header_timeout_ms = 300).await;
    host.topic("t", 1).await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(host.address).await.unwrap());
    }
    expect(host.produce(T, "application/json", "1"), 200).await;
    for mut stream in idle {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut byte))
            .await
            .expect("it stays open");
        assert_eq!(read.unwrap_or(0), 0, "closed without a word");
    }
}

#[tokio::test]
async fn a_client_that_sends_a_byte_at_a_time_is_given_up() {
    let host = Host::with(|settings| {
        settings.header_timeout_ms = 200;
        settings.body_idle_timeout_ms = 200;
    })
    .await;
    host.topic("t", 1).await;
    let mut head = TcpStream::connect(host.address).await.unwrap();
    head.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let said = rest(head).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    let mut slow = TcpStream::connect(host.address).await.unwrap();
    let request = format!(
        "POST {T} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n[1"
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let said = rest(slow).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("body-too-slow"), "{said}");
    assert_eq!(host.values("t").await.len(), 0);
}

#[tokio::test]
async fn what_is_over_a_limit_is_told_to_come_back() {
    let host = Host::with(|settings| {
        settings.connections_max = 2;
        settings.tails_max = 1;
    })
    .await;
    host.topic("t", 1).await;
    let tail = host.get(T).header("accept", "text/event-stream").send().await.unwrap();
    let problem = refused(host.get(T).header("accept", "text/event-stream"), 503, "overloaded").await;
    assert!(problem.detail.contains("readers"), "{}", problem.detail);
    let refused = rest(TcpStream::connect(host.address).await.unwrap()).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("overloaded"), "{refused}");
    drop(tail);
}

#[tokio::test]
async fn no_room_for_another_request_is_said_while_health_still_answers() {
    let host = Host::with(|settings| settings.requests_max = 0).await;
    refused(host.get("/v1/info"), 503, "overloaded").await;
    expect(host.get("/health"), 200).await;
    expect(host.get("/metrics"), 200).await;
}

#[tokio::test]
async fn garbage_on_the_wire_disturbs_nobody() {
    let host = one().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
        &vec![b'a'; 100_000],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff",
    ] {
        raw(&host, bytes).await;
    }
    let long = format!("/v1/topics/{}", "x".repeat(20_000));
    let answer = host.get(&long).send().await.unwrap();
    assert!(answer.status().is_client_error());
    body::<Info>(host.get("/v1/info"), 200).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let host = Host::with(|settings| settings.write_timeout_ms = 200).await;
    host.topic("t", 1).await;
    for _ in 0..40 {
        expect(host.produce(T, "application/octet-stream", vec![b'x'; 900_000]), 200).await;
    }
    let open = async || {
        let text = expect(host.get("/metrics"), 200).await.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("potok_http_connections ")).unwrap();
        line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = open().await;
    let mut lazy = TcpStream::connect(host.address).await.unwrap();
    let request = format!("GET {T} HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n");
    lazy.write_all(request.as_bytes()).await.unwrap();
    let given_up = async {
        while open().await <= before {}
        while open().await > before {}
    };
    tokio::time::timeout(Duration::from_secs(20), given_up).await.expect("the connection stays open");
    assert!(rest(lazy).await.len() < 30_000_000);
}

#[tokio::test]
async fn a_web_page_of_others_is_refused_and_programs_are_not() {
    let host = Host::with(|settings| settings.origins = vec!["https://friend.example".to_owned()]).await;
    host.topic("t", 1).await;
    let from = |origin: &str| host.produce(T, "text/plain", "1").header("origin", origin.to_owned());
    refused(from("https://evil.example"), 403, "foreign-origin").await;
    refused(from("null"), 403, "foreign-origin").await;
    let rebound = host
        .produce(T, "text/plain", "1")
        .header("origin", "http://evil.example")
        .header("host", "evil.example");
    refused(rebound, 403, "foreign-origin").await;
    expect(from("https://friend.example"), 200).await;
    expect(from(&format!("http://{}", host.address)), 200).await;
    let page = host.get(T).header("origin", "https://evil.example").header("upgrade", "websocket");
    refused(page, 403, "foreign-origin").await;
    assert_eq!(host.values("t").await.len(), 2);
}
