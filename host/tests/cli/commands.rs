//! Commands that succeed: what they do and what they print.

use crate::server::Server;
use serde_json::json;

#[test]
fn a_topic_is_created_listed_described_altered_and_deleted() {
    let server = Server::start();
    let created =
        server.ok(&["topic", "create", "flights", "--partitions", "2", "--config", "retention.ms=-1"]);
    assert_eq!(created, "created topic flights with 2 partitions\n");
    let list = server.ok(&["topic", "list"]);
    assert!(list.starts_with("TOPIC") && list.lines().any(|line| line.starts_with("flights")), "{list}");
    let topic = server.json(&["topic", "describe", "flights"]);
    assert_eq!(topic["partitions"].as_array().unwrap().len(), 2);
    let altered = server.ok(&[
        "topic",
        "alter",
        "flights",
        "--partitions",
        "3",
        "--unset",
        "retention.ms",
        "-c",
        "max.message.bytes=1000",
    ]);
    assert!(altered.contains("max.message.bytes") && altered.contains("1000"), "{altered}");
    let topic = server.json(&["topic", "describe", "flights"]);
    let config = |name: &str| {
        topic["configs"].as_array().unwrap().iter().find(|config| config["name"] == name).unwrap().clone()
    };
    assert_eq!(config("retention.ms")["source"], "default");
    assert_eq!(config("max.message.bytes")["value"], "1000");
    assert_eq!(server.ok(&["topic", "delete", "flights"]), "deleted topic flights\n");
    assert_eq!(server.run(&["topic", "describe", "flights"]).code, 3);
}

#[test]
fn lines_go_in_and_come_out_as_they_were() {
    let server = Server::start();
    server.ok(&["topic", "create", "lines"]);
    let lines = "one\n{\"two\": 2}\n3\n\"four\"\n fünf \n";
    let produced = server.run_with(&["produce", "lines"], lines);
    assert_eq!(produced.code, 0, "{produced:?}");
    assert!(produced.out.starts_with("produced 5 records to lines"), "{produced:?}");
    assert_eq!(server.ok(&["consume", "lines", "--from-beginning"]), lines);
    assert_eq!(server.ok(&["consume", "lines", "--from-beginning", "--count", "2"]), "one\n{\"two\": 2}\n");
    assert_eq!(server.ok(&["consume", "lines", "--partition", "0", "--offset", "3"]), "\"four\"\n fünf \n");
}

#[test]
fn keys_are_cut_off_and_put_back() {
    let server = Server::start();
    server.ok(&["topic", "create", "keyed", "--partitions", "4"]);
    let produced = server
        .run_with(&["produce", "keyed", "--key-separator", ":", "--output", "json"], "UA:late\nAA:on:time\n");
    let summary: serde_json::Value = serde_json::from_str(&produced.out).unwrap();
    assert_eq!((&summary["records"], &summary["lines"]), (&json!(2), &json!(2)));
    let out = server.ok(&["consume", "keyed", "--from-beginning", "--key-separator", "="]);
    let mut lines: Vec<_> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["AA=on:time", "UA=late"]);
}

#[test]
fn what_consume_prints_as_json_produce_takes_back() {
    let server = Server::start();
    server.ok(&["topic", "create", "from"]);
    server.ok(&["topic", "create", "to"]);
    let records = "{\"key\":\"a\",\"value\":{\"x\":1},\"timestamp\":5,\"headers\":[{\"name\":\"h\",\"value\":\"v\"}]}\n\
                   {\"key\":\"/w==\",\"key_encoding\":\"base64\",\"value\":null,\"timestamp\":6}\n";
    assert_eq!(server.run_with(&["produce", "from", "--format", "records"], records).code, 0);
    let first = server.ok(&["consume", "from", "--from-beginning", "--output", "json"]);
    assert_eq!(server.run_with(&["produce", "to", "--format", "records"], &first).code, 0);
    assert_eq!(server.ok(&["consume", "to", "--from-beginning", "--output", "json"]), first);
    assert_eq!(first.lines().count(), 2);
}

#[test]
fn a_hundred_thousand_lines_are_all_acknowledged() {
    let server = Server::start();
    server.ok(&["topic", "create", "many", "--partitions", "3"]);
    let lines: String = (0..100_000).map(|i| format!("{i}:line {i}\n")).collect();
    let produced =
        server.run_with(&["produce", "many", "--key-separator", ":", "--acks", "1", "-o", "json"], &lines);
    let summary: serde_json::Value = serde_json::from_str(&produced.out).unwrap();
    assert_eq!(summary["records"], 100_000);
    assert_eq!(
        summary["partitions"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>(),
        100_000
    );
    assert_eq!(server.ok(&["consume", "many", "--from-beginning"]).lines().count(), 100_000);
}

#[test]
fn a_group_is_moved_and_described() {
    let server = Server::start();
    server.ok(&["topic", "create", "orders", "--partitions", "2"]);
    server.run_with(&["produce", "orders", "--partition", "1"], "a\nb\nc\n");
    server.ok(&["group", "reset", "billing", "--topic", "orders", "--to", "earliest"]);
    let group =
        server.json(&["group", "reset", "billing", "--topic", "orders", "--partition", "1", "--to", "2"]);
    assert_eq!(group["lag"], 1);
    assert!(server.ok(&["group", "list"]).contains("billing"));
    assert!(server.ok(&["group", "describe", "billing"]).contains("orders"));
}

#[test]
fn a_backup_starts_as_a_server() {
    let server = Server::start();
    server.ok(&["topic", "create", "kept"]);
    server.run_with(&["produce", "kept"], "before\n");
    let backup = server.json(&["backup", "create", "--name", "one"]);
    server.run_with(&["produce", "kept"], "after\n");
    let copy = tempfile::tempdir().unwrap();
    let moved = copy.path().join("data");
    std::fs::rename(backup["folder"].as_str().unwrap(), &moved).unwrap();
    let holder = tempfile::TempDir::new_in(copy.path()).unwrap();
    std::fs::remove_dir(holder.path()).unwrap();
    std::fs::rename(&moved, holder.path()).unwrap();
    let restored = Server::start_over(holder);
    assert_eq!(restored.ok(&["consume", "kept", "--from-beginning"]), "before\n");
    assert_eq!(server.run(&["backup", "create", "--name", "../escape"]).code, 4);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = crate::server::alone(&["completions", shell], std::path::Path::new("."));
        assert_eq!(script.code, 0);
        assert!(script.out.contains("processor") && script.out.contains("from-beginning"), "{shell}");
    }
}
