//! `serve` and commands that run on: starts, stops, signals, closed pipes, a folder in use.

use crate::server::{Ended, Server, alone, potok};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn a_server_stops_in_order_and_starts_again_with_all_it_had() {
    let mut server = Server::start();
    server.ok(&["topic", "create", "kept"]);
    server.run_with(&["produce", "kept"], "one\ntwo\n");
    signal(&server.child, Signal::TERM);
    assert!(server.child.wait().unwrap().success());
    let server = server.restart();
    assert_eq!(server.ok(&["consume", "kept", "--from-beginning"]), "one\ntwo\n");
    let server = server.restart();
    assert_eq!(server.ok(&["consume", "kept", "--from-beginning"]), "one\ntwo\n");
}

#[test]
fn a_folder_in_use_and_an_address_in_use_are_named_with_the_remedy() {
    let server = Server::start();
    let data = server.folder.path().to_str().unwrap();
    let ended = alone(
        &["serve", "--data", data, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"],
        server.folder.path(),
    );
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains("in use") && ended.err.contains("--data"), "{ended:?}");
    let other = tempfile::tempdir().unwrap();
    let address = server.address.trim_start_matches("http://");
    let ended = alone(&["serve", "--data", "d", "--http", address, "--kafka", "127.0.0.1:0"], other.path());
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains(address) && ended.err.contains("--http"), "{ended:?}");
}

#[test]
fn an_address_for_kafkas_clients_that_is_in_use_is_named_with_the_remedy() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let ended = alone(&["serve", "--data", "d", "--http", "127.0.0.1:0", "--kafka", &address], folder.path());
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains(&address) && ended.err.contains("--kafka"), "{ended:?}");
}

#[test]
fn a_folder_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    std::fs::write(folder.path().join("log/FORMAT"), "potok log format 99\n").unwrap();
    let ended = alone(
        &[
            "serve",
            "--data",
            folder.path().to_str().unwrap(),
            "--http",
            "127.0.0.1:0",
            "--kafka",
            "127.0.0.1:0",
        ],
        folder.path(),
    );
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains("newer"), "{ended:?}");
}

#[test]
fn a_follower_sees_what_comes_and_ends_cleanly_when_interrupted() {
    let server = Server::start();
    server.ok(&["topic", "create", "live"]);
    server.run_with(&["produce", "live"], "first\n");
    let mut child = server
        .command(&["consume", "live", "--from-beginning", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(next(), "first\n");
    server.run_with(&["produce", "live"], "second\n");
    assert_eq!(next(), "second\n");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_leaves_ends_the_command_quietly() {
    let server = Server::start();
    server.ok(&["topic", "create", "long"]);
    let lines: String = (0..50_000).map(|i| format!("line {i}\n")).collect();
    server.run_with(&["produce", "long"], &lines);
    let mut command = server.command(&["consume", "long", "--from-beginning"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

#[test]
fn lines_that_come_slowly_are_written_as_they_come() {
    let server = Server::start();
    server.ok(&["topic", "create", "slow"]);
    let mut reader = server
        .command(&["consume", "slow", "--from-beginning", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(reader.stdout.take().unwrap());
    let mut writer =
        server.command(&["produce", "slow"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    for expected in ["one\n", "two\n"] {
        stdin.write_all(expected.as_bytes()).unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }
    drop(stdin);
    assert!(writer.wait().unwrap().success());
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn a_server_that_dies_under_a_write_says_what_was_kept() {
    let mut server = Server::start();
    server.ok(&["topic", "create", "t"]);
    let mut command = server.command(&["produce", "t"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    let mut follower = server
        .command(&["consume", "t", "--from-beginning", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(follower.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(ended.code, 5, "{ended:?}");
    // the receipt is sent after the record may be read: the server may die between the two
    let said = ["1 record was acknowledged and is kept", "no record was acknowledged"];
    assert!(said.iter().any(|words| ended.err.contains(words)), "{ended:?}");
    follower.wait().unwrap();
}

#[test]
fn a_stream_that_ends_with_a_problem_fails_in_the_servers_words() {
    for format in [&[][..], &["--output", "json"]] {
        let server = Server::start();
        server.ok(&["topic", "create", "doomed"]);
        server.run_with(&["produce", "doomed"], "\"one\"\n");
        let words = [&["consume", "doomed", "--from-beginning", "--follow"], format].concat();
        let mut command = server.command(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("one"), "{line}");
        server.ok(&["topic", "delete", "doomed"]);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!((ended.code, rest.as_str()), (3, ""), "{ended:?}");
        assert!(ended.err.contains("there is no topic doomed"), "{ended:?}");
    }
}

#[test]
fn a_server_takes_all_the_file_descriptors_that_it_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "ulimit -S -n 256; exec \"$0\" serve --http 127.0.0.1:0 --kafka 127.0.0.1:0 --data \"$1\" --log-level error",
    ]);
    command.arg(crate::server::POTOK).arg(folder.path()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut limits = files.split_whitespace();
    let (soft, hard) = (limits.next().unwrap(), limits.next().unwrap());
    assert_eq!(soft, hard);
}

#[test]
fn help_is_on_stdout_and_no_words_are_a_usage_error() {
    let help = potok().arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Exit codes"));
    assert_eq!(potok().output().unwrap().status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&potok().arg("--version").output().unwrap().stdout).starts_with("potok ")
    );
}
