//! Commands that fail: the exit code, the sentence, the remedy.

use crate::server::{Ended, Server, alone, potok};
use std::path::Path;

#[track_caller]
fn check(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.out.is_empty(), "{ended:?}");
    for word in words {
        assert!(ended.err.contains(word), "{word:?} is not in {ended:?}");
    }
}

#[test]
fn a_wrong_command_line_is_2() {
    for words in [
        &["frobnicate"][..],
        &["topic", "create"],
        &["topic", "create", "a/b"],
        &["produce", "t", "--acks", "7"],
        &["consume", "t", "--count", "0"],
        &["serve", "--data", "d", "--http", "localhost:8080"],
        &["serve", "--data", "d", "--log-level", "loud"],
        &["serve", "--data", "d", "--log-level", "info,loud"],
    ] {
        check(&alone(words, Path::new(".")), 2, &["error"]);
    }
    let named = alone(&["serve", "--data", "d", "--kafka", "localhost:9092"], Path::new("."));
    check(&named, 2, &["an IP address and a port, such as 127.0.0.1:"]);
    check(&alone(&["topic", "list", "--server", "nowhere"], Path::new(".")), 2, &["http://"]);
}

#[test]
fn no_server_is_5_and_says_what_to_do() {
    // A port that was free a moment ago, and is nobody's now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = alone(&["topic", "list", "--server", &format!("http://{port}")], Path::new("."));
    check(&ended, 5, &["no server answers", "potok serve --data"]);
}

#[test]
fn what_is_not_there_is_3_and_what_is_refused_4() {
    let server = Server::start();
    check(&server.run(&["topic", "describe", "nothing"]), 3, &["nothing"]);
    check(&server.run(&["consume", "nothing", "--from-beginning"]), 3, &["nothing"]);
    check(&server.run_with(&["produce", "nothing"], "x\n"), 3, &["nothing"]);
    check(&server.run(&["processor", "describe", "nothing"]), 3, &["nothing"]);
    check(&server.run(&["module", "inspect", "nothing"]), 3, &["nothing"]);
    check(&server.run(&["module", "push", "m", "no-such-file.wasm"]), 3, &["no-such-file.wasm"]);
    server.ok(&["topic", "create", "there"]);
    check(&server.run(&["topic", "create", "there"]), 4, &["there"]);
    check(
        &server.run(&["topic", "create", "bad", "--config", "retention.msec=1"]),
        4,
        &["retention.msec", "retention.ms"],
    );
}

#[test]
fn programs_get_the_failure_as_json() {
    let server = Server::start();
    let ended = server.run(&["topic", "describe", "nothing", "--output", "json"]);
    let failure: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(failure["error"]["exit"], 3);
    assert!(failure["error"]["code"].as_str().unwrap().contains("topic"), "{failure}");
}

#[test]
fn a_line_that_is_no_record_ends_the_write_and_says_which() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let ended = server.run_with(
        &["produce", "t", "--format", "records"],
        "{\"value\":1}\n{\"value\":2}\nnonsense\n{\"value\":4}\n",
    );
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(ended.err.matches("line 3").count(), 1, "{ended:?}");
    assert!(ended.err.contains("2 records before it were written"), "{ended:?}");
}

#[test]
fn what_cannot_be_read_is_named_and_no_server_is_blamed() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let folder = server.folder.path().to_str().unwrap();
    check(&server.run(&["module", "push", "m", folder]), 1, &["cannot read", folder]);
    let mut produce = server.command(&["produce", "t"]);
    let stdin = std::fs::File::open(folder).unwrap();
    check(&Ended::of(produce.stdin(stdin).output().unwrap()), 1, &["cannot read stdin"]);
    assert_eq!(server.ok(&["consume", "t", "--from-beginning"]), "");
}

#[test]
fn a_module_comes_through_a_pipe_as_well() {
    let server = Server::start();
    let mut push = server.command(&["module", "push", "m", "/dev/stdin"]);
    let mut child =
        push.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\0asm\x01\0\0\0").unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert!(ended.code == 4 && ended.err.contains("core WebAssembly module"), "{ended:?}");
}

#[test]
fn a_module_that_is_none_is_refused() {
    let server = Server::start();
    let file = server.folder.path().join("bad.wasm");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    check(&server.run(&["module", "push", "bad", file.to_str().unwrap()]), 4, &["WebAssembly"]);
    // A core module: the eight bytes that begin one.
    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    check(&server.run(&["module", "push", "bad", file.to_str().unwrap()]), 4, &["component"]);
}

#[test]
fn a_wrong_setting_in_the_environment_is_2_and_named_once() {
    let with = |name: &str, value: &str| {
        Ended::of(potok().args(["topic", "list"]).env(name, value).output().unwrap())
    };
    let ended = with("POTOK_LOG__CACHE_BYTES_MAX", "256XB");
    check(&ended, 2, &["setting log.cache_bytes_max=\"256XB\" is not legal", "in environment", "64 MiB"]);
    assert_eq!(ended.err.matches("setting").count(), 1, "{ended:?}");
    check(
        &with("POTOK_LOG__CASH", "1"),
        2,
        &["unknown setting log.cash", "did you mean log.cache_bytes_max?"],
    );
}

#[test]
fn what_is_said_is_said_once() {
    let server = Server::start();
    for topic in ["in", "out", "busy"] {
        server.ok(&["topic", "create", topic]);
    }
    let refusals = [
        (vec!["processor", "pause", "none"], "no processor none"),
        (vec!["processor", "deploy", "p", "--module", "m", "--input", "in"], "no module"),
        (vec!["topic", "create", "in"], "topic in already exists"),
        (vec!["topic", "create", "x", "--partitions", "0"], "1 to"),
        (vec!["topic", "alter", "in", "--partitions", "0"], "the topic has 1"),
        (vec!["topic", "create", "x", "--config", "retention.ms=soon"], "retention.ms"),
        (vec!["backup", "create", "--name", "a/b"], "a backup cannot be named"),
        (vec!["consume", "in", "--offset", "7"], "offset 7"),
        (vec!["consume", "in", "--partition", "7", "--from-beginning"], "partitions 0 to 0"),
        (vec!["group", "describe", "none"], "none"),
        (vec!["module", "inspect", "none"], "no module"),
    ];
    for (words, fact) in refusals {
        let ended = server.run(&words);
        assert!(ended.code >= 2 && ended.err.contains(fact), "{words:?}: {ended:?}");
        let (fact, remedy) = ended.err.split_once('\n').unwrap();
        assert!(!remedy.trim().is_empty(), "{words:?} has no remedy: {ended:?}");
        // three words in a row that stand on both lines are the same thing said twice
        let words_of = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        let (fact, remedy) = (words_of(fact), words_of(remedy));
        let twice = fact.windows(3).find(|three| remedy.windows(3).any(|others| others == *three));
        assert_eq!(twice, None, "{ended:?}");
    }
}

#[test]
fn a_wrong_settings_file_is_2_and_names_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("potok.toml"), "[http]\nlissten = '127.0.0.1:1'\n").unwrap();
    check(
        &alone(&["serve", "--data", "d"], folder.path()),
        2,
        &["http.lissten", "potok.toml", "http.listen"],
    );
    for broken in [&b"[http\n"[..], b"\xff\xfe"] {
        std::fs::write(folder.path().join("broken.toml"), broken).unwrap();
        let ended = alone(&["topic", "list", "--config-file", "broken.toml"], folder.path());
        assert!(ended.code == 2 && ended.err.starts_with("error: broken.toml: "), "{ended:?}");
    }
    check(
        &alone(&["serve", "--data", "d", "--config-file", "elsewhere.toml"], folder.path()),
        2,
        &["elsewhere.toml"],
    );
}
