//! A `potok serve` of a test's own, on a free port over a folder of its own, and the commands that talk to it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub(crate) const POTOK: &str = env!("CARGO_BIN_EXE_potok");

/// `potok` with nothing of the caller's settings.
pub(crate) fn potok() -> Command {
    let mut command = Command::new(POTOK);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POTOK_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) folder: tempfile::TempDir,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_over(tempfile::tempdir().unwrap())
    }
    pub(crate) fn start_over(folder: tempfile::TempDir) -> Server {
        let mut command = potok();
        command.args([
            "serve",
            "--http",
            "127.0.0.1:0",
            "--kafka",
            "127.0.0.1:0",
            "--output",
            "json",
            "--log-level",
            "warn",
            "--data",
        ]);
        let mut child = command.arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let address = address(&mut child);
        Server { child, address, folder }
    }
    /// The same server anew over the same folder.
    pub(crate) fn restart(mut self) -> Server {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Server::start_over(folder)
    }
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = potok();
        command.args(words).args(["--server", &self.address]);
        command
    }
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.run_with(words, "")
    }
    /// Runs a command with this on its stdin.
    #[track_caller]
    pub(crate) fn run_with(&self, words: &[&str], stdin: &str) -> Ended {
        let mut command = self.command(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let text = stdin.to_owned();
        // A command that ends early closes its side; what could not be written is its business.
        let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
        let ended = Ended::of(child.wait_with_output().unwrap());
        let _ = writer.join().unwrap();
        ended
    }
    /// Runs a command that must succeed, and answers what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
        ended.out
    }
    /// The same as JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--output", "json"]].concat())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed: a test that wants a stop in order asks for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `potok` with no server.
#[track_caller]
pub(crate) fn alone(words: &[&str], folder: &Path) -> Ended {
    Ended::of(potok().args(words).current_dir(folder).output().unwrap())
}

fn address(child: &mut Child) -> String {
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        text.push_str(&line);
        if line == "}" {
            let started: Value = serde_json::from_str(&text).unwrap();
            return started["server"].as_str().unwrap().to_owned();
        }
    }
    panic!("the server ended before it listened: {:?}", child.wait());
}
