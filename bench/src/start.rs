//! What a user waits for and pays for when nothing happens: start to first answer, idle memory, many partitions,
//! and a fresh component from its upload to its first record. Measured from outside, on the real binary.

use crate::stats::{median, resident_mib};
use anyhow::{Context, Result, bail};
use potok_types::{Clock, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long)]
    potok: PathBuf,
    /// A component of about 1 MiB with one input and one output.
    #[arg(long)]
    module: Option<PathBuf>,
    /// Runs; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) struct Bench {
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench { http: reqwest::Client::new(), clock: SystemClock::shared() }
    }
}

impl Bench {
    /// Starts the binary on `data` and says how long the first answer took, in milliseconds.
    pub(crate) async fn start(&self, potok: &Path, data: &Path) -> Result<(Server, f64)> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let started = self.clock.monotonic();
        let process = Command::new(potok)
            .args(["serve", "--http", &address, "--kafka", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", potok.display()))?;
        let server = Server { process, address };
        while self.http.get(format!("http://{}/v1/topics", server.address)).send().await.is_err() {
            if self.clock.monotonic() - started > Duration::from_secs(30) {
                bail!("no answer after 30 s");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok((server, (self.clock.monotonic() - started).as_secs_f64() * 1e3))
    }

    async fn stop(&self, mut server: Server) -> Result<()> {
        let pid = i32::try_from(server.process.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, Signal::TERM)?;
        server.process.wait()?;
        Ok(())
    }

    pub(crate) async fn ask(&self, request: reqwest::RequestBuilder) -> Result<serde_json::Value> {
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(serde_json::Value::Null))
    }

    async fn upload_to_first_record(&self, server: &Server, module: &Path, run: usize) -> Result<f64> {
        let base = format!("http://{}/v1", server.address);
        let (input, output) = (format!("up-in-{run}"), format!("up-out-{run}"));
        for name in [&input, &output] {
            self.ask(self.http.post(format!("{base}/topics")).json(&json!({"name": name, "partitions": 1})))
                .await?;
        }
        let records = format!("{base}/topics/{input}/records");
        self.ask(self.http.post(records).json(&json!(["one record"]))).await?;
        let component = std::fs::read(module)?;
        let started = self.clock.monotonic();
        self.ask(self.http.put(format!("{base}/modules/up-{run}")).body(component)).await?;
        let spec = json!({"module": format!("up-{run}"), "inputs": [input], "outputs": [output], "from": "earliest"});
        self.ask(self.http.put(format!("{base}/processors/up-{run}")).json(&spec)).await?;
        let read = format!("{base}/topics/{output}/records?partition=0&offset=0&limit=1&wait=10000");
        self.ask(self.http.get(read)).await?;
        Ok((self.clock.monotonic() - started).as_secs_f64() * 1e3)
    }
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let bench = Bench::default();
    let folder = tempfile::tempdir()?;
    let (mut empty, mut idle, mut again, mut more_memory, mut upload) =
        (vec![], vec![], vec![], vec![], vec![]);
    for run in 0..options.runs {
        let data = folder.path().join(run.to_string());
        let (server, ms) = bench.start(&options.potok, &data).await?;
        empty.push(ms);
        // what start-up took is given back within a moment; idle is what is left then
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = resident_mib(server.process.id());
        idle.push(before);
        let topic = json!({"name": "many", "partitions": 1000});
        bench.ask(bench.http.post(format!("http://{}/v1/topics", server.address)).json(&topic)).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        more_memory.push(resident_mib(server.process.id()) - before);
        if let Some(module) = &options.module {
            upload.push(bench.upload_to_first_record(&server, module, run).await?);
        }
        bench.stop(server).await?;
        let (server, ms) = bench.start(&options.potok, &data).await?;
        again.push(ms);
        bench.stop(server).await?;
    }
    let empty = median(empty);
    println!("start to first answer, empty: {empty:.0} ms (limit 300)");
    println!("start with 1,000 partitions: {:.0} ms more (limit 100)", median(again) - empty);
    println!("idle resident memory: {:.1} MiB (limit 50)", median(idle));
    println!("1,000 partitions: {:.1} MiB more (limit 20)", median(more_memory));
    if options.module.is_some() {
        println!("component from upload to its first record: {:.0} ms (limit 1,000)", median(upload));
    }
    Ok(())
}
