//! The real host as a process of its own: started, waited for, stopped in order. It is found beside this program.

use potok_host::exit::{Exit, Failure};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a start may take, with recovery after a kill.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a stop in order may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `potok serve`.
#[derive(Debug)]
pub(crate) struct Host {
    child: Child,
    server: String,
}

/// How `potok serve` begins to say where it listens; a comma ends the address.
const LISTENS: &str = "potok listens on ";

impl Host {
    /// Starts it over `data` and waits until it listens.
    pub(crate) async fn start(data: &Path, http: &str, kafka: &str) -> Result<Host, Failure> {
        let program = std::env::current_exe()?.with_file_name("potok");
        if !program.is_file() {
            return Err(Failure::new(Exit::NotFound, format!("there is no {}", program.display()))
                .remedy("build it first: cargo build --release -p potok"));
        }
        let mut command = Command::new(program);
        command.args(["serve", "--log-level", "warn", "--http", http, "--kafka", kafka, "--data"]).arg(data);
        // A process group of its own: Ctrl-C reaches us alone, and we stop the host in order.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|error| Failure::failed(format!("cannot start the host: {error}")))?;
        let started = tokio::time::timeout(START_TIMEOUT, first_answer(&mut child)).await;
        let server = started
            .map_err(|_| Failure::failed(format!("the host did not start within {START_TIMEOUT:?}")))??;
        Ok(Host { child, server })
    }
    /// Its address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }
    /// Waits for it to end by itself, which it should not.
    pub(crate) async fn ended(&mut self) -> Result<(), Failure> {
        let status = self.child.wait().await?;
        Err(Failure::failed(format!("the host ended by itself: {status}")))
    }
    /// Stops it in order.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)
                .map_err(|error| Failure::failed(format!("cannot stop the host: {error}")))?;
        }
        match tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(|status| status.success()) || pid.is_none() => Ok(()),
            Ok(status) => Err(Failure::failed(format!("the host did not stop cleanly: {}", status?))),
            Err(_) => Err(Failure::failed(format!("the host did not stop within {STOP_TIMEOUT:?}"))),
        }
    }
}

/// Reads lines until the one that says where it listens.
async fn first_answer(child: &mut Child) -> Result<String, Failure> {
    let stdout = child.stdout.take().ok_or_else(|| Failure::failed("the host has no output"))?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((server, _)) = line.strip_prefix(LISTENS).and_then(|rest| rest.split_once(',')) {
            return Ok(server.to_owned());
        }
    }
    // It has said why on stderr, which is ours too.
    Err(Failure::failed(format!("the host did not start: {}", child.wait().await?)))
}
