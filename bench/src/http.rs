//! HTTP produce and consume: the server over RocksDB against the same server answering from memory, in one process with its clients.
//! Out come records and bytes a second, and the time of one request at the median and at the 99th percentile.

use crate::stats::{median, percentile};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use potok_coordinator::Coordinator;
use potok_http::{Components, Server, Settings};
use potok_log::{Log, MemoryLog, RocksLog};
use potok_plugin::Plugins;
use potok_processor::Processors;
use potok_types::{Clock, SystemClock};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

const PARTITIONS: u32 = 6;
/// Requests under way at once, each on a connection of its own.
const CALLERS: u32 = 4;
/// Records of a body that brings many.
const BODY_RECORDS: u32 = 1_000;
/// Pages that are read of a partition, of 1,000 records at most: about half of what it has, as records without a key are not spread
/// evenly.
const PAGES: u32 = 32;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Records written and read in a run.
    #[arg(long, default_value_t = 400_000)]
    records: u32,
    /// Requests of one record each.
    #[arg(long, default_value_t = 4_000)]
    singles: u32,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Runs; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Memory,
    Rocks,
}

/// What one measurement gave: a rate, and how long its requests took, in milliseconds.
struct Figure {
    records_per_s: f64,
    millis: Vec<f64>,
}

struct House {
    base: String,
    http: Client,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    _folder: TempDir,
}

impl House {
    async fn open(kind: Kind) -> Result<House> {
        let folder = tempfile::tempdir()?;
        let clock = SystemClock::shared();
        let log: Arc<dyn Log> = match kind {
            Kind::Memory => MemoryLog::new(clock.clone()),
            Kind::Rocks => {
                let dir = folder.path().join("log");
                RocksLog::open(potok_log::Settings { dir, ..Default::default() }, clock.clone())?
            }
        };
        let plugins = Plugins::open(potok_plugin::Settings::default(), &folder.path().join("modules"))?;
        let processors = Processors::open(Default::default(), log.clone(), plugins.clone(), clock.clone())?;
        let rooms = potok_coordinator::Components {
            log: log.clone(),
            clock: clock.clone(),
            of_processor: Arc::new(|_| false),
        };
        let components = Components {
            log: log.clone(),
            coordinator: Coordinator::open(Default::default(), rooms)?,
            plugins,
            processors,
            clock: clock.clone(),
            checkpoint: None,
            numbers: Vec::new(),
        };
        let server =
            Server::bind(Settings { listen: "127.0.0.1:0".parse()?, ..Settings::default() }, components)?;
        let base = format!("http://{}/v1/topics", server.local_addr());
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        let house = House { base, http: Client::new(), clock, log, stop, running, _folder: folder };
        let topic = json!({"name": "bench", "partitions": PARTITIONS});
        house.ask(house.http.post(&house.base).json(&topic)).await?;
        Ok(house)
    }
    async fn close(self) -> Result<()> {
        self.stop.cancel();
        self.running.await?;
        self.log.close().await.context("close the log")
    }
    async fn ask(&self, request: RequestBuilder) -> Result<String> {
        read(request).await
    }
    /// `count` requests, [`CALLERS`] at a time, each bringing or fetching `records`.
    async fn measure(
        &self,
        count: u32,
        records: u32,
        request: impl Fn(u32) -> RequestBuilder + Clone + Send + 'static,
    ) -> Result<Figure> {
        let started = self.clock.monotonic();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (clock, request) = (self.clock.clone(), request.clone());
            callers.spawn(async move {
                let mut millis = Vec::new();
                for number in (caller..count).step_by(CALLERS as usize) {
                    let began = clock.monotonic();
                    read(request(number)).await?;
                    millis.push((clock.monotonic() - began).as_secs_f64() * 1e3);
                }
                anyhow::Ok(millis)
            });
        }
        let mut millis = Vec::new();
        while let Some(caller) = callers.join_next().await {
            millis.extend(caller??);
        }
        let seconds = (self.clock.monotonic() - started).as_secs_f64();
        Ok(Figure { records_per_s: f64::from(count) * f64::from(records) / seconds, millis })
    }
}

async fn read(request: RequestBuilder) -> Result<String> {
    let answer = request.timeout(Duration::from_secs(60)).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success() && !text.contains("\"problem\""), "{status}: {text}");
    Ok(text)
}

/// The measurements, in the order of their making: what is read was written before.
const CELLS: [&str; 6] = [
    "produce, bodies of 1,000 lines, acks=1",
    "produce, one record a request, acks=1",
    "produce, one record a request, acks=all",
    "consume, pages of 1,000",
    "consume, pages of 10",
    "consume, one NDJSON stream",
];

async fn cells(options: &Options, kind: Kind) -> Result<Vec<Figure>> {
    let house = House::open(kind).await?;
    let value = format!("\"{}\"", "v".repeat(options.value_bytes.saturating_sub(2)));
    let body = format!("{value}\n").repeat(BODY_RECORDS as usize);
    let write = {
        let (http, url) = (house.http.clone(), format!("{}/bench/records", house.base));
        move |acks: &'static str, kind: &'static str, body: String| {
            let (http, url) = (http.clone(), url.clone());
            move |_| http.post(format!("{url}?acks={acks}")).header("content-type", kind).body(body.clone())
        }
    };
    let page = {
        let (http, url) = (house.http.clone(), format!("{}/bench/records", house.base));
        move |limit: u32| {
            let (http, url) = (http.clone(), url.clone());
            move |number| {
                let (partition, offset) = (number % PARTITIONS, number / PARTITIONS % PAGES * limit);
                http.get(format!("{url}?partition={partition}&offset={offset}&limit={limit}"))
            }
        }
    };
    let many = options.records / BODY_RECORDS;
    let mut figures = vec![
        house.measure(many, BODY_RECORDS, write("1", "application/x-ndjson", body)).await?,
        house.measure(options.singles, 1, write("1", "application/json", value.clone())).await?,
        house.measure(options.singles, 1, write("all", "application/json", value)).await?,
        house.measure(many, BODY_RECORDS, page(BODY_RECORDS)).await?,
        house.measure(options.singles, 10, page(10)).await?,
    ];
    let started = house.clock.monotonic();
    let stream = house.http.get(format!("{}/bench/records?from=earliest", house.base));
    let lines = house.ask(stream.header("accept", "application/x-ndjson")).await?.lines().count();
    let seconds = (house.clock.monotonic() - started).as_secs_f64();
    figures.push(Figure { records_per_s: lines as f64 / seconds, millis: vec![seconds * 1e3] });
    house.close().await?;
    Ok(figures)
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let mut runs: Vec<[Vec<Figure>; 2]> = Vec::new();
    for _ in 0..options.runs {
        runs.push([cells(&options, Kind::Rocks).await?, cells(&options, Kind::Memory).await?]);
    }
    println!(
        "{:<42} {:>11} {:>8} {:>8} {:>8}  {:>9}",
        "", "records/s", "MB/s", "p50 ms", "p99 ms", "of memory"
    );
    for (index, name) in CELLS.iter().enumerate() {
        let [rate, memory] =
            [0, 1].map(|kind| median(runs.iter().map(|run| run[kind][index].records_per_s).collect()));
        let time = |share| median(runs.iter().map(|run| percentile(&run[0][index].millis, share)).collect());
        println!(
            "{name:<42} {rate:>11.0} {:>8.1} {:>8.2} {:>8.2}  {:>8.2} x",
            rate * options.value_bytes as f64 / 1e6,
            time(0.5),
            time(0.99),
            rate / memory
        );
    }
    Ok(())
}
