//! `consume` beyond the plain case: templates, the last records, and a group that goes on where it was.

use crate::server::{Ended, Server};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// A server with topic `t` of two partitions, `p0` to `p9` in its first.
fn ten() -> Server {
    let server = Server::start();
    server.ok(&["topic", "create", "t", "--partitions", "2"]);
    let lines: String = (0..10).map(|i| format!("p{i}\n")).collect();
    assert_eq!(server.run_with(&["produce", "t", "--partition", "0"], &lines).code, 0);
    server
}

fn offsets(server: &Server, group: &str) -> Vec<u64> {
    let group = server.json(&["group", "describe", group]);
    group["positions"].as_array().unwrap().iter().map(|at| at["offset"].as_u64().unwrap()).collect()
}

#[test]
fn a_template_shows_the_parts_that_it_names() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let produce = ["produce", "t", "-k", "UA", "-H", "source=tower", "--header", "via=a=b"];
    assert_eq!(server.run_with(&produce, "late\n").code, 0);
    assert_eq!(server.run_with(&["produce", "t", "--format", "json"], "{\"x\": 1}\n").code, 0);
    let printed = server.ok(&["consume", "t", "--from-beginning", "--format", "%t %p:%o %k [%h] %v\\t%%"]);
    assert_eq!(printed, "t 0:0 UA [source=tower,via=a=b] late\t%\nt 0:1 null [] {\"x\": 1}\t%\n");
    let wrong = server.run(&["consume", "t", "--format", "%q"]);
    assert!(wrong.code == 2 && wrong.err.contains("%h headers"), "{wrong:?}");
    let both = server.run(&["consume", "t", "--format", "%k", "--output", "json"]);
    assert!(both.code == 2 && both.err.starts_with("{\"error\""), "{both:?}");
}

#[test]
fn headers_of_the_command_are_for_records_that_bring_none() {
    let server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let lines = "{\"value\":1}\n{\"value\":2,\"headers\":[{\"name\":\"own\",\"value\":\"x\"}]}\n";
    assert_eq!(server.run_with(&["produce", "t", "-f", "records", "-H", "a=b"], lines).code, 0);
    assert_eq!(server.ok(&["consume", "t", "--from-beginning", "--format", "%v %h"]), "1 a=b\n2 own=x\n");
}

#[test]
fn the_last_records_are_those_of_each_partition() {
    let server = ten();
    server.run_with(&["produce", "t", "--partition", "1"], "q0\n");
    let last = server.ok(&["consume", "t", "--tail", "2"]);
    let mut lines: Vec<_> = last.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["p8", "p9", "q0"]);
    assert_eq!(server.ok(&["consume", "t", "--tail", "1", "--partition", "0"]), "p9\n");
    assert_eq!(server.ok(&["consume", "t", "--tail", "0"]), "");
    assert_eq!(server.run(&["consume", "t", "--tail", "1", "--partition", "7"]).code, 3);
}

#[test]
fn a_group_goes_on_where_it_was() {
    let server = ten();
    let consume = |words: &[&str]| server.ok(&[&["consume", "t", "--group", "g"], words].concat());
    assert_eq!(consume(&["--count", "3"]), "p0\np1\np2\n");
    assert_eq!(offsets(&server, "g"), [3, 0]);
    assert_eq!(consume(&["--count", "1", "--format", "%o"]), "3\n");
    assert_eq!(consume(&[]).lines().count(), 6);
    assert_eq!((consume(&[]).as_str(), offsets(&server, "g")), ("", vec![10, 0]));
    assert_eq!(consume(&["--from-beginning", "--count", "1"]), "p0\n");
    assert_eq!(offsets(&server, "g"), [1, 0]);
    // what is gone meanwhile is passed over
    server.ok(&["topic", "trim", "t", "--partition", "0", "--before", "8"]);
    assert_eq!(consume(&["--output", "json", "--count", "1"]).matches("\"offset\":8").count(), 1);
}

#[test]
fn a_group_that_follows_is_moved_while_it_reads_and_when_it_is_interrupted() {
    let server = ten();
    let mut command = server.command(&["consume", "t", "--group", "g", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.by_ref().take(10).last().unwrap().unwrap(), "p9");
    server.run_with(&["produce", "t", "--partition", "1"], "q0\n");
    assert_eq!(lines.next().unwrap().unwrap(), "q0");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(offsets(&server, "g"), [10, 1]);
}

#[test]
fn a_reader_that_leaves_early_has_the_rest_again() {
    let server = Server::start();
    server.ok(&["topic", "create", "long"]);
    let lines: String = (0..50_000).map(|i| format!("line {i}\n")).collect();
    server.run_with(&["produce", "long"], &lines);
    let mut command = server.command(&["consume", "long", "--group", "g"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    assert_eq!(first, "line 0\n");
    drop(out);
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(offsets(&server, "g")[0] < 50_000);
}
