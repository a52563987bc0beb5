//! A disk that lies, is full, or fails: damage is never handed out as data and hurts no other partition; a full disk refuses what
//! would not fit and goes on by itself; after a failed write nothing is written any more, and reads go on.

use potok_tests::server::{Server, run, until};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// So small that batches reach files of their own soon.
const SMALL_MEMTABLE: (&str, &str) = ("POTOK_LOG__MEMTABLE_BYTES", "64KiB");

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Turns over a bit of the byte at `needle` in the file of the journal that has it.
fn flip(folder: &Path, needle: &[u8]) {
    for file in
        files(folder).into_iter().filter(|file| file.parent().is_some_and(|at| at.ends_with("journal")))
    {
        let mut bytes = fs::read(&file).unwrap();
        if let Some(found) = bytes.windows(needle.len()).position(|window| window == needle) {
            bytes[found] ^= 1;
            return fs::write(&file, bytes).unwrap();
        }
    }
    panic!("no file of the journal has {:?}", String::from_utf8_lossy(needle));
}

/// Ten batches of one record in each of two partitions: `record-P-N.` and padding.
async fn written(server: &Server) {
    server.topic("t", 2).await;
    for partition in 0..2 {
        for number in 0..10 {
            let value = json!(format!("record-{partition}-{number}.{}", "x".repeat(2_000)));
            server.send(server.produce("t", &format!("partition={partition}"), &value)).await;
        }
    }
}

async fn lines(server: &Server, query: &str) -> Vec<Value> {
    let request = server.http.get(server.url(&format!("/v1/topics/t/records?from=earliest{query}")));
    let answer = request.header("accept", "application/x-ndjson").send().await.unwrap();
    let text = answer.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_flipped_byte_is_named_and_never_handed_out_and_hurts_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    written(&server).await;
    server.stop();
    flip(folder.path(), b"record-1-6.");
    let server = Server::start(folder.path()).await;

    let damaged = lines(&server, "&partition=1").await;
    let offsets: Vec<_> = damaged.iter().map(|line| line["offset"].as_u64()).collect();
    assert_eq!(
        offsets,
        [Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), None],
        "what is whole comes first"
    );
    let problem = &damaged[6]["problem"];
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(problem["code"], "damaged");
    assert!(detail.contains("topic t, partition 1, offset 6"), "{detail}");

    let all = lines(&server, "").await;
    assert_eq!(all.iter().filter(|line| line["partition"] == 0).count(), 10, "the other partition goes on");
    assert_eq!((all.len(), &all[16]["problem"]["code"]), (17, &json!("damaged")));
    let (status, page) = server.look("/v1/topics/t/records?partition=1&offset=6").await;
    assert_eq!((status.as_u16(), &page["code"]), (500, &json!("damaged")));
    let (_, behind) = server.look("/v1/topics/t/records?partition=1&offset=7").await;
    assert_eq!(behind["records"].as_array().unwrap().len(), 3, "what lies behind is read");

    let words = ["consume", "t", "--from-beginning", "--output", "json", "--server", &server.base];
    let (code, out, err) = run(&words);
    assert_eq!((code, out.lines().count()), (Some(1), 16), "{err}");
    assert!(err.contains("topic t, partition 1, offset 6") && !out.contains("problem"), "{err}");
    server.send(server.produce("t", "partition=1", &json!("goes on"))).await;
}

/// The largest share of the disk that a test takes for a moment, and the free space that it asks for: any disk will do, and
/// others may write to it meanwhile.
fn free_bytes(folder: &Path) -> u64 {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_records_says_so_everywhere_and_goes_on_by_itself() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let free = free_bytes(folder.path());
    let kept_free = (free / 4 * 3).to_string();
    let server = Server::start_with(folder.path(), &[("POTOK_LOG__DISK_FREE_BYTES_MIN", &kept_free)]).await;
    server.topic("t", 1).await;
    server.send(server.produce("t", "", &json!("before"))).await;
    let filler = folder.path().join("filler");
    let filled = Command::new("fallocate").args(["--length", &(free / 2).to_string()]).arg(&filler).status();
    assert!(filled.unwrap().success());

    let (status, health) = server.look("/health").await;
    assert_eq!(
        (status.as_u16(), &health["status"]),
        (200, &json!("disk-full")),
        "a new start would not mend it"
    );
    assert!(health["reason"].as_str().unwrap().contains("bytes are free"), "{health}");
    assert_eq!(server.look("/ready").await.0.as_u16(), 503);
    let metrics = server.http.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("potok_log_writable 0"));
    let refused = server.produce("t", "", &json!("refused")).send().await.unwrap();
    let (status, problem) = (refused.status(), refused.json::<Value>().await.unwrap());
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("writes-refused")));
    assert!(problem["detail"].as_str().unwrap().contains("disk is full"), "{problem}");
    assert_eq!(server.partition("t", 0).await.len(), 1, "reads go on");

    fs::remove_file(filler).unwrap();
    until("the server is ready again", async || server.look("/ready").await.0.is_success()).await;
    server.send(server.produce("t", "", &json!("after"))).await;
    assert_eq!(server.partition("t", 0).await.len(), 2);
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_written_and_health_keeps_the_first_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[SMALL_MEMTABLE]).await;
    server.topic("t", 1).await;
    server.send(server.produce("t", "", &json!("before"))).await;
    // the next file that the store needs cannot be made
    fs::remove_dir_all(folder.path().join("log/db")).unwrap();
    let mut acknowledged = 1;
    until("a write fails", async || {
        let answer = server.produce("t", "", &json!("x".repeat(10_000))).send().await.unwrap();
        acknowledged += usize::from(answer.status().is_success());
        !answer.status().is_success()
    })
    .await;
    let (status, first) = server.look("/health").await;
    assert_eq!((status.as_u16(), &first["status"]), (503, &json!("writes-refused")), "{first}");
    let refused = server.produce("t", "", &json!("late")).send().await.unwrap();
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "writes-refused");
    assert_eq!(server.look("/health").await.1, first, "the first reason stays");
    assert_eq!(server.look("/ready").await.0.as_u16(), 503);
    assert_eq!(server.partition("t", 0).await.len(), acknowledged, "what was acknowledged is still read");
}
