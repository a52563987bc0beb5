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
fn a_move_of_a_group_is_shown_before_it_is_made_and_says_from_where_to_where() {
    let server = Server::start();
    server.ok(&["topic", "create", "orders", "--partitions", "2"]);
    server.run_with(&["produce", "orders", "--partition", "1"], "a\nb\nc\n");
    let reset = |words: &[&str]| {
        let all = [&["group", "reset", "billing", "--topic", "orders", "--partition", "1"], words].concat();
        let said = server.ok(&all);
        let (said, table) = said.split_once('\n').unwrap();
        let row = table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        (said.to_owned(), row)
    };
    let planned = reset(&["--to", "2", "--dry-run"]);
    assert_eq!(planned, ("group billing would move; nothing was changed:".into(), "orders 1 - 2 3 1".into()));
    assert_eq!(server.run(&["group", "describe", "billing"]).code, 3);
    assert_eq!(reset(&["--to", "2"]), ("moved group billing:".into(), "orders 1 - 2 3 1".into()));
    assert_eq!(reset(&["--to", "earliest", "--dry-run"]).1, "orders 1 2 0 3 3");
    assert_eq!(server.json(&["group", "describe", "billing"])["positions"][0]["offset"], 2);
}

#[test]
fn a_group_is_deleted_whole_or_in_one_topic() {
    let server = Server::start();
    for topic in ["orders", "returns"] {
        server.ok(&["topic", "create", topic]);
        server.ok(&["group", "reset", "billing", "--topic", topic, "--to", "earliest"]);
    }
    let said = server.ok(&["group", "delete", "billing", "--topic", "orders"]);
    assert_eq!(said, "group billing has no position in orders any more\n");
    let left = server.json(&["group", "describe", "billing"]);
    assert_eq!(left["positions"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(server.ok(&["group", "delete", "billing"]), "deleted group billing\n");
    assert_eq!(server.run(&["group", "delete", "billing"]).code, 3);
    assert_eq!(server.run(&["group", "delete", "billing", "--partition", "0"]).code, 2);
}

#[test]
fn a_topic_is_trimmed_from_the_front() {
    let server = Server::start();
    server.ok(&["topic", "create", "t", "--partitions", "2"]);
    server.run_with(&["produce", "t", "--partition", "0"], "a\nb\nc\n");
    let trimmed = server.json(&["topic", "trim", "t", "--partition", "0", "--before", "2"]);
    assert_eq!(trimmed["partitions"], json!([{ "partition": 0, "start": 2 }]));
    assert_eq!(server.ok(&["consume", "t", "--from-beginning"]), "c\n");
    let nameless = server.run(&["topic", "trim", "t", "--before", "1"]);
    assert!(nameless.code == 4 && nameless.err.contains("--partition N"), "{nameless:?}");
    assert_eq!(server.run(&["topic", "trim", "t"]).code, 2, "what is to go is always said");
    let all = server.ok(&["topic", "trim", "t", "--all"]);
    assert!(all.starts_with("trimmed topic t:\n"), "{all}");
    assert_eq!(server.ok(&["consume", "t", "--from-beginning"]), "");
}

#[test]
fn a_script_creates_and_deletes_what_may_be_there_already_or_no_more() {
    let server = Server::start();
    let create = ["topic", "create", "a_b", "--if-not-exists"];
    assert_eq!(server.ok(&create), "created topic a_b with 1 partition\n");
    assert_eq!(server.ok(&create), "topic a_b already exists\n");
    let alike = server.run(&["topic", "create", "a.b", "--if-not-exists"]);
    assert!(alike.code == 4 && alike.err.contains("a_b"), "{alike:?}");
    let delete = ["topic", "delete", "a_b", "--if-exists"];
    assert_eq!(server.ok(&delete), "deleted topic a_b\n");
    assert_eq!(server.ok(&delete), "there is no topic a_b\n");
}

#[test]
fn status_says_how_the_server_is_and_what_it_holds() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let said = server.ok(&["status"]);
    assert!(said.contains(&server.address) && said.contains("health") && said.contains("good"), "{said}");
    let status = server.json(&["status"]);
    // `_potok.logs` is one of them
    assert_eq!((&status["health"]["status"], &status["topics"]), (&json!("good"), &json!(2)));
    assert_eq!(status["not_running"], json!([]));
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
