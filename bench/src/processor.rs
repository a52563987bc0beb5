//! Records through a processor, log to log: six partitions of 100-byte values, as `bench/kafka/StreamsPeer.java` has them.
//! The clock runs from the deployment to the commit of the last record, so compiling and starting instances count.

use crate::stats::{cpu_time, median};
use anyhow::{Context, Result};
use potok_log::{Acks, Append, Log, NewTopic, RocksLog, Settings};
use potok_plugin::Plugins;
use potok_processor::{DeploySpec, Processors};
use potok_types::{
    BatchBuilder, Compression, SystemClock, Timestamp, TopicName, TopicPartition, partition_for_key,
};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

const PARTITIONS: u32 = 6;
/// Records of a produced batch.
const BATCH_RECORDS: u32 = 1_000;
const TEXT: &str =
    "record of a benchmark, long enough to fill one hundred bytes of value whatever number it begins with";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The component to deploy.
    #[arg(long)]
    module: PathBuf,
    /// Records of a run.
    #[arg(long, default_value_t = 5_000_000)]
    records: u32,
    /// Different keys.
    #[arg(long, default_value_t = 1_000)]
    keys: u32,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Runs; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// What the peer did, in records a second, for the ratio.
    #[arg(long)]
    peer: Option<f64>,
    /// Folder for the data; a temporary one without.
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let mut rates = Vec::new();
    for run in 0..options.runs {
        let rate = once(&options, run).await?;
        rates.push(rate);
    }
    let rate = median(rates);
    println!("median: {rate:.0} records/s");
    if let Some(peer) = options.peer {
        println!("peer: {peer:.0} records/s; ratio {:.1}", rate / peer);
    }
    Ok(())
}

async fn once(options: &Options, run: usize) -> Result<f64> {
    let folder = tempfile::tempdir_in(options.folder.clone().unwrap_or_else(std::env::temp_dir))?;
    let clock = SystemClock::shared();
    let log =
        RocksLog::open(Settings { dir: folder.path().join("log"), ..Settings::default() }, clock.clone())?;
    let plugins = Plugins::open(potok_plugin::Settings::default(), &folder.path().join("modules"))?;
    let processors =
        Processors::open(potok_processor::Settings::default(), log.clone(), plugins.clone(), clock.clone())?;
    let input: TopicName = "bench-in".parse()?;
    let output: TopicName = "bench-out".parse()?;
    for name in [&input, &output] {
        log.create_topic(NewTopic { name: name.clone(), partitions: PARTITIONS, config: vec![] }).await?;
    }
    fill(&*log, &input, options).await?;
    let component =
        std::fs::read(&options.module).with_context(|| format!("read {}", options.module.display()))?;
    let module = plugins.push(component.into()).await?;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (processors, stop) = (processors.clone(), stop.clone());
        async move { processors.run(stop).await }
    });
    let spec: DeploySpec = serde_json::from_value(serde_json::json!({
        "module": module.digest, "inputs": [input], "outputs": [output], "from": "earliest",
    }))?;
    let cpu = cpu_time(std::process::id());
    let started = clock.monotonic();
    let name = "bench".parse()?;
    processors.deploy(name, spec).await?;
    let group = potok_processor::group_of(&"bench".parse()?);
    wait_until_committed(&*log, &group, &input).await?;
    let seconds = (clock.monotonic() - started).as_secs_f64();
    let cpu = (cpu_time(std::process::id()) - cpu).as_secs_f64();
    let status = processors.status(&"bench".parse()?)?;
    let guest: u64 = status.tasks.iter().map(|t| t.guest_micros).sum();
    let out: u64 = status.tasks.iter().map(|t| t.records_out).sum();
    let n = f64::from(options.records);
    println!(
        "run {run}: {:.0} records/s, {out} out, {:.0} ns CPU a record, {:.0} ns in the guest",
        n / seconds,
        cpu * 1e9 / n,
        guest as f64 * 1e3 / n
    );
    stop.cancel();
    running.await?;
    log.close().await?;
    Ok(n / seconds)
}

async fn fill(log: &dyn Log, input: &TopicName, options: &Options) -> Result<()> {
    let topic = log.topic(input).context("the input is there")?;
    let at: Vec<TopicPartition> = topic.all_partitions().collect();
    let mut open: Vec<BatchBuilder> = at.iter().map(|_| BatchBuilder::new(Compression::None)).collect();
    for i in 0..options.records {
        let key = format!("k{}", i % options.keys);
        let mut value = format!(
            "{}{i} {}",
            if i % 10 == 0 { 'x' } else { 'a' },
            TEXT.repeat(options.value_bytes / TEXT.len() + 1)
        );
        value.truncate(options.value_bytes);
        let partition = partition_for_key(key.as_bytes(), PARTITIONS).0 as usize;
        open[partition].push(
            Timestamp(1_357_000_000_000 + i64::from(i)),
            Some(key.as_bytes()),
            Some(value.as_bytes()),
            std::iter::empty(),
        );
        if open[partition].count() == BATCH_RECORDS {
            let full = std::mem::replace(&mut open[partition], BatchBuilder::new(Compression::None));
            send(log, at[partition], full).await?;
        }
    }
    for (partition, rest) in open.into_iter().enumerate() {
        send(log, at[partition], rest).await?;
    }
    Ok(())
}

async fn send(log: &dyn Log, to: TopicPartition, batch: BatchBuilder) -> Result<()> {
    let Some(batch) = batch.build()? else { return Ok(()) };
    let answers = log.append(vec![Append { to, batch }], Acks::Written).await;
    answers.into_iter().try_for_each(|answer| answer.map(|_| ()).map_err(Into::into))
}

/// Waits until every input position has reached its end.
async fn wait_until_committed(log: &dyn Log, group: &str, input: &TopicName) -> Result<()> {
    let topic = log.topic(input).context("the input is there")?;
    for at in topic.all_partitions() {
        let end = log.ends(at)?.high_watermark;
        while log.committed(group, at)?.is_none_or(|committed| committed.offset < end) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
    Ok(())
}
