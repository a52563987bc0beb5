//! Clients that send too much, too slowly, or leave in the middle: they are refused or given up, what they cost is bounded, and
//! those beside them do not notice.

use futures::{StreamExt, stream};
use potok_tests::guests::built_guest;
use potok_tests::server::{Server, until};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: u64 = 1 << 20;
/// What a refused client may have cost at most: a module's body up to its limit of 64 MiB, in a buffer that grew by doubling, so that
/// all its sizes may still be resident.
const COST_MAX: u64 = 256 * MIB;
/// Longest wait for a connection to be closed.
const CLOSES_IN: Duration = Duration::from_secs(30);

/// `total` bytes a piece at a time, and a count of those that were taken.
fn endless(piece: &'static [u8], total: u64) -> (reqwest::Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let pieces = total / piece.len() as u64;
    let pieces = stream::iter(0..pieces).map(move |_| {
        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok::<_, Infallible>(piece)
    });
    (reqwest::Body::wrap_stream(pieces), taken)
}

static SPACES: [u8; 1 << 16] = [b' '; 1 << 16];

/// Sends `total` bytes that must be refused with `code`, or by closing the connection, long before their end and for little memory.
async fn refused(server: &Server, path: &str, content_type: &str, total: u64, code: &str) {
    let before = server.memory_peak();
    let (body, taken) = endless(&SPACES, total);
    let method = if path.contains("/modules/") { reqwest::Method::PUT } else { reqwest::Method::POST };
    let request =
        server.http.request(method, server.url(path)).header("content-type", content_type).body(body);
    // a client that goes on sending may see the reset of its connection instead of the answer
    if let Ok(answer) = request.send().await {
        let text = answer.text().await.unwrap_or_default();
        assert!(text.contains(code), "{path} {content_type}: {text}");
    }
    let (taken, cost) = (taken.load(Ordering::Relaxed), server.memory_peak() - before);
    assert!(taken < total / 10, "{path} {content_type}: {} MiB were taken", taken / MIB);
    assert!(cost < COST_MAX, "{path} {content_type}: memory rose by {} MiB", cost / MIB);
}

#[tokio::test]
async fn ten_gibibytes_are_refused_when_they_pass_the_limit_and_memory_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.topic("t", 1).await;
    let total = 10 << 30;
    refused(&server, "/v1/topics/t/records", "application/json", total, "body-too-large").await;
    refused(&server, "/v1/topics/t/records", "application/octet-stream", total, "body-too-large").await;
    refused(&server, "/v1/topics/t/records", "text/plain", total, "record-too-large").await;
    refused(&server, "/v1/topics/t/records", "application/x-ndjson", total, "record-too-large").await;
    assert_eq!(server.partition("t", 0).await.len(), 0);
}

#[tokio::test]
async fn a_gibibyte_of_module_is_refused_before_anything_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    refused(&server, "/v1/modules/m", "application/wasm", 1 << 30, "body-too-large").await;
    assert_eq!(server.get("/v1/modules").await["modules"], json!([]));
}

#[tokio::test]
async fn a_long_stream_is_taken_with_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let small =
        ["MEMTABLE_BYTES", "CACHE_BYTES_MAX", "QUEUE_BYTES_MAX"].map(|name| format!("POTOK_LOG__{name}"));
    let settings: Vec<_> = small.iter().map(|name| (name.as_str(), "8MiB")).collect();
    let server = Server::start_with(folder.path(), &settings).await;
    server.topic("t", 1).await;
    let before = server.memory_peak();
    static LINES: [u8; 1 << 16] = {
        let mut lines = [b'1'; 1 << 16];
        let mut end = 0;
        while end < lines.len() {
            lines[end] = b'\n';
            end += 1 << 10;
        }
        lines
    };
    let total = 512 * MIB;
    let (body, taken) = endless(&LINES, total);
    let url = server.url("/v1/topics/t/records?acks=1");
    let answer = server.http.post(url).header("content-type", "text/plain").body(body).send().await.unwrap();
    let last = answer.text().await.unwrap().lines().last().unwrap().to_owned();
    assert!(last.contains("done"), "{last}");
    assert_eq!(taken.load(Ordering::Relaxed), total);
    let cost = server.memory_peak() - before;
    assert!(cost < total / 4, "{} MiB for a stream of {} MiB", cost / MIB, total / MIB);
}

#[tokio::test]
async fn idle_and_slow_connections_disturb_nobody_and_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("POTOK_HTTP__HEADER_TIMEOUT_MS", "2s"), ("POTOK_HTTP__BODY_IDLE_TIMEOUT_MS", "2s")];
    let server = Server::start_with(folder.path(), &settings).await;
    server.topic("t", 1).await;
    let mut held = Vec::new();
    for index in 0..1_000 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        match index % 10 {
            0 => stream.write_all(b"GET /v1/topics HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap(),
            1 => {
                let head = "POST /v1/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[";
                stream.write_all(head.as_bytes()).await.unwrap();
            }
            _ => {}
        }
        held.push(stream);
    }
    // a byte every so often, on purpose: never silent, never done; the sleep is what is tested, and waits for nothing
    let dripping = held.split_off(990).into_iter().map(|mut stream| async move {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let dripping: Vec<_> = dripping.map(|drip| tokio::spawn(tokio::time::timeout(CLOSES_IN, drip))).collect();
    for number in 0..200 {
        server.send(server.produce("t", "acks=1", &json!(number))).await;
    }
    for mut stream in held {
        let mut said = Vec::new();
        let closed = tokio::time::timeout(CLOSES_IN, stream.read_to_end(&mut said)).await;
        assert!(closed.is_ok(), "a connection stays open");
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&said));
    }
    for drip in dripping {
        drip.await.unwrap().expect("a connection that drips stays open");
    }
    assert_eq!(server.partition("t", 0).await.len(), 200);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_upload_leaves_the_module_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let component = built_guest("flight-delays");
    for share in [1, 3, 5, 8] {
        let server = Server::start(folder.path()).await;
        let sent = component.len() * share / 8;
        let head = format!(
            "PUT /v1/modules/m HTTP/1.1\r\nhost: x\r\ncontent-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
            component.len()
        );
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&component[..sent]).await.unwrap();
        let received = async || {
            let metrics = server.http.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
            let held = metrics.lines().find_map(|line| line.strip_prefix("potok_http_bodies_bytes "));
            held.and_then(|bytes| bytes.parse::<f64>().ok()).unwrap_or_default() > 0.0
        };
        if share < 8 {
            until("the upload is under way", received).await;
        }
        server.kill();
        let server = Server::start(folder.path()).await;
        let kept = server.http.get(server.url("/v1/modules/m/component")).send().await.unwrap();
        match kept.status().as_u16() {
            404 => {}
            200 if share == 8 => assert_eq!(kept.bytes().await.unwrap(), component),
            status => panic!("{status}, and {share}/8 of the module were sent"),
        }
        server.kill();
    }
    let server = Server::start(folder.path()).await;
    server.send(server.push("m", component.clone())).await;
    let kept = server.http.get(server.url("/v1/modules/m/component")).send().await.unwrap();
    assert_eq!(kept.bytes().await.unwrap(), component);
}
