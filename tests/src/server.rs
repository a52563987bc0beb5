//! The real `potok serve` as a process of its own: started over a folder on a free port, asked over HTTP, stopped or killed.
//! In: a folder and settings. Out: answers, and what `/proc` says of the process. Nothing of it outlives its value.
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as the tests do")]

use crate::guests::built_guest;
use reqwest::{Client, RequestBuilder, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// Looks at a condition this often, and gives up after so many times (60 s).
const POLL: Duration = Duration::from_millis(20);
const POLLS_MAX: u32 = 3_000;
/// How the server begins to say where it listens; a comma ends the address.
const LISTENS: &str = "potok listens on ";

/// The binary that was built with this test.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().unwrap().parent().unwrap().join("potok");
    assert!(binary.is_file(), "{} is not built", binary.display());
    binary
}

/// `potok` with nothing of the caller's settings.
pub fn potok() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("POTOK_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs `potok` with these words to its end; what it printed and how it ended.
pub fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = potok().args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

/// What starts a server on free ports; the data folder follows.
pub const SERVE: [&str; 8] =
    ["serve", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--log-level", "error", "--data"];

/// Waits until `condition` holds, and fails with `what` after a minute.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..POLLS_MAX {
        if condition().await {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("not within a minute: {what}");
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Child,
    // kept open: what the server prints must have somewhere to go
    _stdout: BufReader<ChildStdout>,
    /// `http://` and its address.
    pub base: String,
    /// A client of it.
    pub http: Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts it over `data`.
    pub async fn start(data: &Path) -> Server {
        Server::start_with(data, &[]).await
    }
    /// Starts it with settings of the environment: (`POTOK_HTTP__TAILS_MAX`, `1`).
    pub async fn start_with(data: &Path, settings: &[(&str, &str)]) -> Server {
        let mut command = potok();
        command.args(SERVE).arg(data);
        command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let base = line.strip_prefix(LISTENS).and_then(|rest| rest.split_once(','));
        let base = base.unwrap_or_else(|| panic!("the server did not start: {:?}", process.wait())).0;
        Server { base: base.to_owned(), process, _stdout: stdout, http: Client::new() }
    }
    /// Host and port.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }
    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
    /// SIGKILL: nothing of the process runs after this.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
    /// SIGTERM, and its end in order.
    pub fn stop(mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success(), "the server did not stop in order");
    }
    /// The most memory that was ever resident, in bytes.
    pub fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
    /// Sends a request that must succeed.
    #[track_caller]
    pub fn send(&self, request: RequestBuilder) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let answer = request.send().await.unwrap_or_else(|error| panic!("{caller}: {error:?}"));
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{caller}: {status}: {text}");
            serde_json::from_str(&text).unwrap_or(Value::Null)
        }
    }
    /// Reads a path that must answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Value> {
        self.send(self.http.get(self.url(path)))
    }
    /// Status and body of a path, whatever they are.
    pub async fn look(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }
    /// Creates a topic.
    pub async fn topic(&self, name: &str, partitions: u32) {
        let topic = json!({"name": name, "partitions": partitions});
        self.send(self.http.post(self.url("/v1/topics")).json(&topic)).await;
    }
    /// A request that writes values.
    pub fn produce(&self, topic: &str, query: &str, values: &Value) -> RequestBuilder {
        self.http.post(self.url(&format!("/v1/topics/{topic}/records?{query}"))).json(values)
    }
    /// A request that uploads a component.
    pub fn push(&self, name: &str, component: impl Into<reqwest::Body>) -> RequestBuilder {
        let put = self.http.put(self.url(&format!("/v1/modules/{name}")));
        put.header("content-type", "application/wasm").body(component)
    }
    /// Uploads the built guest `module` and deploys it as `name` from the start of `input`, with `spec`'s further fields.
    pub async fn deploy(&self, name: &str, module: &str, input: &str, output: &str, spec: Value) {
        self.send(self.push(module, built_guest(module))).await;
        let mut whole = json!({"module": module, "inputs": [input], "outputs": [output], "from": "earliest"});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.send(self.http.put(self.url(&format!("/v1/processors/{name}"))).json(&whole)).await;
    }
    /// Everything in a partition: offsets must rise by one from 0.
    pub async fn partition(&self, topic: &str, partition: u32) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let query = format!("partition={partition}&offset={}&limit=10000", all.len());
            let page = self.get(&format!("/v1/topics/{topic}/records?{query}")).await;
            let Value::Array(records) = page["records"].clone() else { panic!("no records in {page}") };
            if records.is_empty() {
                return all;
            }
            for record in records {
                assert_eq!(record["offset"], json!(all.len()), "{topic}-{partition} has a gap");
                all.push(record);
            }
        }
    }
    /// Everything in a topic, partition by partition.
    pub async fn topic_whole(&self, topic: &str, partitions: u32) -> Vec<Value> {
        let mut all = Vec::new();
        for partition in 0..partitions {
            all.extend(self.partition(topic, partition).await);
        }
        all
    }
    /// Waits until a processor has read all of its input: until it stands at the end of `partitions` partitions.
    pub async fn drained(&self, processor: &str, partitions: u32) {
        let drained = async || {
            // the group is not there before the first unit
            let (_, group) = self.look(&format!("/v1/groups/processor.{processor}")).await;
            let positions = group["positions"].as_array().cloned().unwrap_or_default();
            positions.iter().filter(|position| position["lag"] == json!(0)).count() == partitions as usize
        };
        until(&format!("{processor} comes to the end of its input"), drained).await;
    }
}
