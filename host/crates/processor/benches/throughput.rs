//! Log to log through a real component, with tasks, units, state and metrics: records a second, and where the time goes.
//! `cargo bench -p potok-processor -- [filter|count] [million records] [bytes] [keys]`; the guest is `guests-in-five/rust`, built by
//! `make guests`. Expected on two idle cores, 100 B: filter 4 to 5 million a second, count 3 to 4.

use anyhow::Context;
use potok_log::{Acks, Append, Log, NewTopic, RocksLog};
use potok_plugin::Plugins;
use potok_processor::{DeploySpec, Processors, Settings};
use potok_types::{BatchBuilder, Compression, SystemClock, Timestamp};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const PARTITIONS: u32 = 2;
const BATCH_RECORDS: u64 = 1_000;

struct Plan {
    mode: String,
    records: u64,
    value_len: usize,
    keys: u64,
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |arg| arg.parse());
    let modes = match args.first() {
        Some(mode) => vec![mode.clone()],
        None => vec!["filter".to_owned(), "count".to_owned()],
    };
    for mode in modes {
        let plan = Plan {
            mode,
            records: number(1, 4)? * 1_000_000,
            value_len: usize::try_from(number(2, 100)?)?,
            keys: number(3, 10_000)?,
        };
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?
            .block_on(run(&plan))?;
    }
    Ok(())
}

async fn run(plan: &Plan) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let clock = SystemClock::shared();
    let settings = potok_log::Settings { dir: folder.path().join("log"), ..potok_log::Settings::default() };
    let log: Arc<dyn Log> = RocksLog::open(settings, clock.clone())?;
    let plugins = Plugins::open(potok_plugin::Settings::default(), &folder.path().join("modules"))?;
    let digest = plugins.push(guest()?.into()).await?.digest;
    let room = Processors::open(Settings::default(), log.clone(), plugins, clock.clone())?;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (room, stop) = (room.clone(), stop.clone());
        async move { room.run(stop).await }
    });
    for topic in ["in", "forwarded", "made"] {
        let (name, config) = (topic.parse()?, Vec::new());
        log.create_topic(NewTopic { name, partitions: PARTITIONS, config }).await?;
    }
    fill(&*log, plan).await?;
    let spec: DeploySpec = serde_json::from_value(serde_json::json!({
        "module": digest.to_string(), "inputs": ["in"], "outputs": ["forwarded", "made"],
        "config": {"mode": plan.mode}, "from": "earliest",
    }))?;
    let name = "bench".parse()?;
    let began = clock.monotonic();
    room.deploy(std::clone::Clone::clone(&name), spec).await?;
    room.drained(&name).await?;
    report(plan, &room.status(&name)?, clock.monotonic() - began);
    stop.cancel();
    running.await?;
    log.close().await?;
    Ok(())
}

fn guest() -> anyhow::Result<Vec<u8>> {
    let home = std::env::var("HOME")?;
    let path = Path::new(&home).join(".cache/potok/guests-in-five/rust.wasm");
    std::fs::read(&path).with_context(|| format!("{} is not there: `make guests`", path.display()))
}

async fn fill(log: &dyn Log, plan: &Plan) -> anyhow::Result<()> {
    let topic = log.topic(&"in".parse()?).context("the input topic")?;
    let value = vec![b'x'; plan.value_len];
    let mut key = 0u64;
    for _ in 0..plan.records / u64::from(PARTITIONS) / BATCH_RECORDS {
        let mut appends = Vec::new();
        for to in topic.all_partitions() {
            let mut batch = BatchBuilder::new(Compression::None);
            for _ in 0..BATCH_RECORDS {
                key = (key + 7_919) % plan.keys;
                batch.push(
                    Timestamp(1_000),
                    Some(format!("key-{key:0>8}").as_bytes()),
                    Some(&value),
                    std::iter::empty(),
                );
            }
            appends.push(Append { to, batch: batch.build()?.context("a batch")? });
        }
        for answer in log.append(appends, Acks::Written).await {
            answer?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn report(plan: &Plan, status: &potok_processor::ProcessorStatus, took: std::time::Duration) {
    let records: u64 = status.tasks.iter().map(|task| task.records_in).sum();
    let out: u64 = status.tasks.iter().map(|task| task.records_out).sum();
    let calls: u64 = status.tasks.iter().map(|task| task.batches).sum();
    let nanos = |micros: u64| micros as f64 * 1_000.0 / records as f64;
    println!(
        "{:<7} {} B, {} keys: {:.2} million records/s; ns a record: guest {:.0}, host {:.0}; {records} in, {out} out, {calls} calls",
        plan.mode,
        plan.value_len,
        plan.keys,
        records as f64 / took.as_secs_f64() / 1e6,
        nanos(status.tasks.iter().map(|task| task.guest_micros).sum()),
        nanos(status.tasks.iter().map(|task| task.host_micros).sum()),
    );
}
