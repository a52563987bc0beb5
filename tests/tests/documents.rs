//! The commands in the README and in `docs/`, run as written. In: every block fenced as `sh`. Out: a failure that shows the session.
//!
//! A document is one session: its blocks run in order, in one shell that ends at the first command that fails, in an empty
//! folder, with the built `potok` in the path and a server of its own on free ports (9092 in a text stands for one). `potok serve` goes to the background and is
//! waited for. A `make` command is looked up in the Makefile and not run: CI runs those. What is not to be run is fenced as
//! `console` or `text`, such as a command that follows a topic for ever.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A session takes longer only when it hangs; a tutorial that builds a plugin needs some minutes on a cold cache.
const SESSION_SECONDS_MAX: u32 = 900;
/// Where Kafka's protocol is served unless settings say otherwise.
const KAFKA_ADDRESS: &str = "127.0.0.1:9092";

/// What stands before a document's commands.
const PRELUDE: &str = r#"
set -euo pipefail
trap 'status=$?; kill $(jobs -p) 2>/dev/null || true; wait; exit $status' EXIT
make() { command make --no-print-directory -n -C "$REPOSITORY" "$@" >/dev/null; }
potok() {
  if [ "${1:-}" != serve ]; then command potok "$@"; return; fi
  command potok "$@" &
  curl --silent --show-error --fail --retry 30 --retry-connrefused --retry-delay 1 --output /dev/null "$POTOK_SERVER/ready"
}
set -x
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The README and everything below `docs/`, decisions aside.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.retain(|path| path.is_file() && !path.starts_with(root().join("docs/adr")));
    found.sort();
    found
}

/// The text of all blocks fenced as `sh`, in order.
fn commands(document: &str) -> String {
    let (mut commands, mut fence) = (String::new(), None);
    for line in document.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => fence = Some(language.trim() == "sh"),
            (Some(_), Some("")) => fence = None,
            (Some(true), None) => commands.extend([line, "\n"]),
            _ => {}
        }
    }
    commands
}

/// The folder of the binaries that were built with this test.
fn binaries() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap().parent().unwrap().to_path_buf();
    assert!(folder.join("potok").is_file(), "no potok in {}; build it with `make build`", folder.display());
    folder
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(document: &Path, commands: &str) {
    let folder = tempfile::tempdir().unwrap();
    let address = || format!("127.0.0.1:{}", free_port());
    let (http, kafka, path) = (address(), address(), std::env::var("PATH").unwrap());
    let commands = commands.replace(KAFKA_ADDRESS, &kafka);
    let mut session = Command::new("timeout");
    // a newcomer's shell has nothing of what Cargo tells this test
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
        session.env_remove(name);
    }
    let output = session
        .env_remove("RUSTUP_TOOLCHAIN")
        .args([&SESSION_SECONDS_MAX.to_string(), "bash", "-c", &format!("{PRELUDE}{commands}")])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", binaries().display()))
        .env("REPOSITORY", root())
        .env("POTOK_HTTP__LISTEN", &http)
        .env("POTOK_KAFKA__LISTEN", &kafka)
        .env("POTOK_SERVER", format!("http://{http}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}: the session ended with {}\n--- it printed\n{}\n--- commands and errors\n{}",
        document.display(),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn the_commands_of_every_document_run_as_written() {
    for document in documents() {
        let commands = commands(&std::fs::read_to_string(&document).unwrap());
        if !commands.is_empty() {
            run(&document, &commands);
        }
    }
}

#[test]
fn only_blocks_of_the_shell_are_commands() {
    let document =
        "a\n```sh\none\n```\n```rust\nlet two;\n```\n```\nthree\n```\n```sh\nfour \\\n  five\n```\n";
    assert_eq!(commands(document), "one\nfour \\\n  five\n");
}

#[test]
#[should_panic(expected = "the session ended with exit status: 3")]
fn a_command_that_fails_is_a_failure() {
    run(Path::new("made-up.md"), "echo before\n(exit 3)\necho after\n");
}
