//! What somebody types in the first hour, and what is said of it: remedies are commands, likely words are named, and nobody waits
//! before an empty terminal without knowing why.

use crate::server::{Ended, Server, alone, potok};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

/// One form for all: `error: `, a fact, and what to do below it; nothing of HTTP.
#[track_caller]
fn check(ended: &Ended, code: i32, expect: &str) {
    assert_eq!((ended.code, ended.err.trim_end()), (code, expect), "{ended:?}");
    for http in ["/v1", "GET ", "POST ", "PUT "] {
        assert!(!ended.err.contains(http), "{ended:?}");
    }
}

#[test]
fn remedies_are_commands_that_can_be_typed() {
    let server = Server::start();
    let nowhere = "error: there is no topic gone\n  create it: potok topic create gone; to see which there are: potok topic list";
    check(&server.run_with(&["produce", "gone"], "x\n"), 3, nowhere);
    check(&server.run(&["consume", "gone"]), 3, nowhere);
    check(&server.run(&["topic", "describe", "gone"]), 3, nowhere);
    check(
        &server.run(&["processor", "pause", "gone"]),
        3,
        "error: no processor gone\n  to see which there are: potok processor list",
    );
    check(
        &server.run(&["processor", "deploy", "p", "--module", "gone", "--input", "t"]),
        3,
        "error: no module \"gone\"\n  push it: potok module push gone FILE.wasm; to see which there are: potok module list",
    );
    server.ok(&["topic", "create", "wide", "--partitions", "4"]);
    check(
        &server.run(&["consume", "wide", "--offset", "5"]),
        4,
        "error: `offset` needs `partition`: topic wide has 4 of them\n  \
         name one, with --partition N; potok topic describe wide shows them",
    );
    server.ok(&["topic", "create", "there"]);
    let beyond = server.run(&["consume", "there", "--offset", "9"]);
    assert!(
        beyond
            .err
            .contains("\n  start within that range, or use --from-beginning; potok topic describe there"),
        "{beyond:?}"
    );
}

#[test]
fn a_word_that_is_nearly_right_is_answered_with_the_right_one() {
    let here = Path::new(".");
    check(
        &alone(&["tpoic", "list"], here),
        2,
        "error: there is no command potok tpoic\n  did you mean potok topic?",
    );
    check(
        &alone(&["topic", "list", "--server", "localhost:8080"], here),
        2,
        "error: \"localhost:8080\" is not a server address: it must begin with http://\n  write it as http://localhost:8080",
    );
    check(
        &alone(&["topic", "create", "t", "--partition", "4"], here),
        2,
        "error: potok topic create takes no --partition\n  did you mean --partitions?",
    );
    let place = alone(&["processor", "deploy", "p", "-m", "m", "-i", "t", "--from", "ealiest"], here);
    assert!(
        place.err.starts_with(
            "error: \"ealiest\" is not legal for --from <PLACE>\n  did you mean earliest? write "
        ),
        "{place:?}"
    );
}

#[test]
fn what_was_forgotten_is_named_with_the_whole_command() {
    let here = Path::new(".");
    check(
        &alone(&["module", "push", "heat-alarm.wasm"], here),
        2,
        "error: the name of the module in heat-alarm.wasm is missing\n  give one: potok module push heat-alarm heat-alarm.wasm",
    );
    let nameless = alone(&["group", "describe", ""], here);
    assert!(
        nameless.err.starts_with("error: <GROUP> has no value\n  write it as potok group describe"),
        "{nameless:?}"
    );
    check(
        &alone(&["module", "push", "heat-alarm"], here),
        2,
        "error: the file of module heat-alarm is missing\n  name it: potok module push heat-alarm heat-alarm.wasm (potok plugin build makes one)",
    );
    check(
        &alone(&["topic", "create"], here),
        2,
        "error: potok topic create needs <NAME>\n  write it as potok topic create [OPTIONS] <NAME>\n  such as potok topic create flights --partitions 4",
    );
}

#[test]
fn programs_get_a_wrong_command_line_as_json() {
    let ended = alone(&["topic", "create", "t", "--partition", "4", "--output", "json"], Path::new("."));
    let failure: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!((ended.code, &failure["error"]["code"]), (2, &"usage".into()), "{ended:?}");
    assert_eq!(failure["error"]["remedy"], "did you mean --partitions?");
}

#[test]
fn a_taken_port_leaves_no_folder_and_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holds = TcpListener::bind(taken).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (flag, other, of) in [("--http", "--kafka", "HTTP"), ("--kafka", "--http", "Kafka's clients")] {
        let words = ["serve", "--data", "data", flag, &taken.to_string(), other, "127.0.0.1:0"];
        check(
            &alone(&words, folder.path()),
            4,
            &format!(
                "error: cannot listen on {taken} for {of}: another program listens there\n  \
                 stop it, or use another port: {flag} 127.0.0.1:0 picks a free one"
            ),
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a folder was left");
    }
}

#[test]
fn whoever_waits_at_the_end_of_a_topic_is_told_so_on_a_terminal() {
    let server = Server::start();
    server.ok(&["topic", "create", "quiet"]);
    // `script` gives the command a terminal
    let line = format!("{} consume quiet --server {}", crate::server::POTOK, server.address);
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let mut child = script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        said.trim_end(),
        "waiting for new records (Ctrl-C ends; --from-beginning reads what is already there)"
    );
    // and a pipe is not: what it reads is data alone
    let mut piped = server.command(&["consume", "quiet", "--count", "1"]);
    let mut piped = piped.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while piped.try_wait().unwrap().is_none() {
        server.run_with(&["produce", "quiet"], "x\n");
    }
    let ended = Ended::of(piped.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn records_that_retention_will_take_are_warned_of_once() {
    let server = Server::start();
    server.ok(&["topic", "create", "readings"]);
    let records = "{\"value\":0}\n{\"value\":1,\"timestamp\":1357034400000}\n{\"value\":2,\"timestamp\":1357034400001}\n";
    let produce = ["produce", "readings", "--format", "records"];
    let ended = server.run_with(&produce, records);
    assert!(ended.code == 0 && ended.out.starts_with("produced 3 records"), "{ended:?}");
    assert_eq!(
        ended.err,
        "warning: the record in line 2 is of 2013-01-01T10:00:00.000Z, and topic readings keeps records for 7days by their timestamps: it will soon be gone\n  \
         keep it: potok topic alter readings --config retention.ms=-1\n"
    );
    server.ok(&["topic", "alter", "readings", "--config", "retention.ms=-1"]);
    assert_eq!(server.run_with(&produce, records).err, "");
}

#[test]
fn a_pace_is_not_told_of_what_was_over_at_once_and_nothing_is_called_nothing() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    assert_eq!(
        server.run_with(&["produce", "t"], "x\n").out,
        "produced 1 record to t in 1 partition (2 B)\n"
    );
    assert_eq!(server.run(&["produce", "t"]).out, "produced no records to t: stdin had no lines\n");
}

#[test]
fn a_line_that_is_no_record_says_what_lines_may_be_and_that_nothing_was_written() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let ended = server.run_with(&["produce", "t", "--format", "records", "--acks", "-1"], "hello\n");
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(
        ended.err,
        "error: line 1: expected value at column 1; nothing was written\n  \
         fix that line, or say what the lines are: --format text, json or records (potok produce --help)\n"
    );
}

#[test]
fn an_address_of_something_else_is_doubted() {
    // A web server of another kind, for one request.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let page = "HTTP/1.1 404 Not Found\r\ncontent-length: 14\r\n\r\n<h1>\n  no</h1>";
        std::io::Write::write_all(&mut &stream, page.as_bytes()).unwrap();
    });
    let ended = Ended::of(potok().args(["topic", "list", "--server", &address]).output().unwrap());
    serving.join().unwrap();
    check(
        &ended,
        1,
        &format!(
            "error: {address} did not answer as a Potok server of this version does: 404 Not Found and <h1> no</h1>\n  \
             is --server right? potok serve prints its address"
        ),
    );
}
