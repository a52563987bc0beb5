//! What hostile guests cost those beside them: the time of a write over HTTP, and of a record through a well-behaved processor, with the
//! hostile ones paused and running in turn, on the real binary. Out come medians and 99th percentiles of both, and their ratios.

use crate::start::{Bench, Server};
use crate::stats::{median, percentile};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MISDEEDS: [&str; 6] = ["spin", "recurse", "allocate", "trap", "log", "send"];
/// Records that wait for each hostile processor: more than it gets through.
const MINES: u64 = 100_000;
/// A write every so often: far below what the server can do, so that what is seen is waiting for others.
const PACE: Duration = Duration::from_millis(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The binary.
    #[arg(long)]
    potok: PathBuf,
    /// The folder of the built guests, with `hostile.wasm` and `rekey.wasm`.
    #[arg(long)]
    guests: PathBuf,
    /// Records of a phase.
    #[arg(long, default_value_t = 200)]
    records: u64,
    /// Pairs of phases; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// How long records took, in milliseconds.
#[derive(Default)]
struct Phase {
    written: Vec<f64>,
    through: Vec<f64>,
}

struct House<'a> {
    bench: &'a Bench,
    base: String,
    /// Records that went through the good processor so far.
    through: u64,
}

impl House<'_> {
    async fn topic(&self, name: &str) -> Result<()> {
        let topic = json!({"name": name, "partitions": 1});
        self.bench.ask(self.bench.http.post(format!("{}/topics", self.base)).json(&topic)).await.map(drop)
    }
    async fn push(&self, guests: &Path, module: &str) -> Result<()> {
        let file = guests.join(format!("{module}.wasm"));
        let component = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        let put = self.bench.http.put(format!("{}/modules/{module}", self.base));
        self.bench.ask(put.header("content-type", "application/wasm").body(component)).await.map(drop)
    }
    /// Deploys `name` from topic `in-NAME` to `out-NAME`.
    async fn deploy(&self, name: &str, module: &str, mut spec: serde_json::Value) -> Result<()> {
        let (input, output) = (format!("in-{name}"), format!("out-{name}"));
        self.topic(&input).await?;
        self.topic(&output).await?;
        spec["module"] = json!(module);
        spec["inputs"] = json!([input]);
        spec["outputs"] = json!([output]);
        spec["from"] = json!("earliest");
        self.bench
            .ask(self.bench.http.put(format!("{}/processors/{name}", self.base)).json(&spec))
            .await
            .map(drop)
    }
    async fn hostile(&self) -> Result<()> {
        for misdeed in MISDEEDS {
            let limits = json!({"deadline_ms": 100});
            let spec = json!({"config": {"misdeed": misdeed}, "on_failure": "skip", "limits": limits});
            self.deploy(misdeed, "hostile", spec).await?;
            let mines: Vec<u64> = (0..MINES).collect();
            let url = format!("{}/topics/in-{misdeed}/records", self.base);
            self.bench.ask(self.bench.http.post(url).json(&mines)).await?;
        }
        self.all("pause").await
    }
    async fn all(&self, verb: &str) -> Result<()> {
        for misdeed in MISDEEDS {
            let url = format!("{}/processors/{misdeed}/{verb}", self.base);
            self.bench.ask(self.bench.http.post(url)).await?;
        }
        Ok(())
    }
    async fn phase(&mut self, records: u64) -> Result<Phase> {
        let mut phase = Phase::default();
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let millis = |from, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e3;
        for _ in 0..records {
            pace.tick().await;
            let began = self.bench.clock.monotonic();
            let write = format!("{}/topics/in-good/records?acks=1", self.base);
            self.bench.ask(self.bench.http.post(write).json(&json!("key,value"))).await?;
            phase.written.push(millis(began, self.bench.clock.monotonic()));
            let read =
                format!("{}/topics/out-good/records?offset={}&limit=1&wait=30000", self.base, self.through);
            self.bench.ask(self.bench.http.get(read)).await?;
            phase.through.push(millis(began, self.bench.clock.monotonic()));
            self.through += 1;
        }
        Ok(phase)
    }
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bench = Bench::default();
    let (server, _): (Server, f64) = bench.start(&options.potok, folder.path()).await?;
    let mut house = House { base: format!("http://{}/v1", server.address), bench: &bench, through: 0 };
    house.push(&options.guests, "hostile").await?;
    house.push(&options.guests, "rekey").await?;
    house.deploy("good", "rekey", json!({"config": {"column": 1}})).await?;
    house.hostile().await?;
    house.phase(options.records / 4).await?;
    let mut runs: Vec<[Phase; 2]> = Vec::new();
    for _ in 0..options.runs {
        let alone = house.phase(options.records).await?;
        house.all("resume").await?;
        let beside = house.phase(options.records).await?;
        house.all("pause").await?;
        runs.push([alone, beside]);
    }
    println!("{:<32} {:>9} {:>9} {:>7}", "milliseconds", "alone", "beside", "ratio");
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        for (what, times) in
            [("written", Phase::written as fn(&Phase) -> &[f64]), ("through a processor", Phase::through)]
        {
            let [alone, beside] = [0, 1]
                .map(|kind| median(runs.iter().map(|run| percentile(times(&run[kind]), share)).collect()));
            println!(
                "{:<32} {alone:>9.2} {beside:>9.2} {:>6.2} x",
                format!("{what}, {name}"),
                beside / alone
            );
        }
    }
    Ok(())
}

impl Phase {
    fn written(&self) -> &[f64] {
        &self.written
    }
    fn through(&self) -> &[f64] {
        &self.through
    }
}
