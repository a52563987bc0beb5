//! A raw client of Kafka's protocol, the same for Potok and for Kafka: what a broker does when its clients cost next to nothing.
//! Each run prints its figures as `name TAB value`; `bench/kafka.sh` puts those of two brokers side by side.
//! The broker's CPU time is taken after it has come to rest, so that what it puts off is counted too.

mod connection;
mod fetch;
mod produce;
mod wire;

use crate::stats::{cpu_time, resident_mib};
use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use connection::Connection;
use potok_types::{Clock, SystemClock};
use std::sync::Arc;
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// A broker that uses less of one core than this is at rest: Kafka that has nothing to do takes 0.035.
const REST: f64 = 0.05;
/// It is waited for so long at most.
const REST_WAIT: Duration = Duration::from_secs(20);
/// Over which its CPU time is looked at.
const REST_STEP: Duration = Duration::from_millis(500);
/// Kafka refuses what would write more than 10,000 records at once to its own log: one for each partition, some for the topic.
const PARTITIONS_AT_ONCE: u32 = 5_000;
/// Enough for a thread that holds a socket and a counter.
const STACK_LEN: usize = 256 * 1024;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Broker {
    /// Where it listens.
    #[arg(long)]
    broker: String,
    /// Its process, for CPU time and memory.
    #[arg(long)]
    pid: u32,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 1)]
    partitions: u32,
    /// Connections, each with partitions of its own.
    #[arg(long, default_value_t = 1)]
    connections: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Create a topic.
    Topic {
        #[command(flatten)]
        broker: Broker,
        /// Its settings, each NAME=VALUE.
        #[arg(long = "setting", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Send batches that were encoded beforehand.
    Produce(produce::Options),
    /// Read a topic from its first record to its end, looking at no more than the batches' headers.
    Fetch(fetch::Options),
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(what: What) -> Result<()> {
    match what {
        What::Topic { broker, settings } => create_topic(&broker, &settings),
        What::Produce(options) => produce::run(&options),
        What::Fetch(options) => fetch::run(&options),
    }
}

fn create_topic(broker: &Broker, settings: &[(String, String)]) -> Result<()> {
    let clock = SystemClock::shared();
    let started = clock.monotonic();
    let mut connection = Connection::open(&broker.broker)?;
    let mut there = broker.partitions.min(PARTITIONS_AT_ONCE);
    let mut frame = wire::create_topic(&broker.topic, there, settings);
    loop {
        let code = wire::create_error(connection.ask(&frame)?)?;
        ensure!(code == 0, "topic {} could not be created: code {code}", broker.topic);
        if there == broker.partitions {
            break;
        }
        there = broker.partitions.min(there + PARTITIONS_AT_ONCE);
        frame = wire::create_partitions(&broker.topic, there);
    }
    println!("create s\t{:.3}", (clock.monotonic() - started).as_secs_f64());
    Ok(())
}

impl Broker {
    /// The partitions of each connection, dealt in turn.
    fn shares(&self) -> Vec<Vec<u32>> {
        let connections = self.connections.clamp(1, self.partitions.max(1));
        (0..connections)
            .map(|first| (first..self.partitions).step_by(connections as usize).collect())
            .collect()
    }
    /// Waits until the broker does nothing any more; its CPU time then.
    fn rest(&self, clock: &dyn Clock) -> Duration {
        let until = clock.monotonic() + REST_WAIT;
        let mut before = cpu_time(self.pid);
        loop {
            sleep(REST_STEP);
            let now = cpu_time(self.pid);
            if (now - before).as_secs_f64() < REST * REST_STEP.as_secs_f64() || clock.monotonic() > until {
                return now;
            }
            before = now;
        }
    }
}

/// What one thread moved.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    records: u64,
    bytes: u64,
}

/// Runs one thread a share and waits for all; prints rates and what they cost the broker.
fn measure<W>(broker: &Broker, work: W) -> Result<()>
where
    W: Fn(Vec<u32>, Arc<dyn Clock>) -> Result<Moved> + Clone + Send + 'static,
{
    let clock = SystemClock::shared();
    let cpu_before = broker.rest(&*clock);
    let started = clock.monotonic();
    let threads: Vec<JoinHandle<Result<Moved>>> = broker
        .shares()
        .into_iter()
        .map(|share| {
            let (work, clock) = (work.clone(), clock.clone());
            std::thread::Builder::new().stack_size(STACK_LEN).spawn(move || work(share, clock))
        })
        .collect::<Result<_, _>>()?;
    let mut all = Moved::default();
    for thread in threads {
        let moved = thread.join().ok().context("a thread of the client failed")??;
        all.records += moved.records;
        all.bytes += moved.bytes;
    }
    let seconds = (clock.monotonic() - started).as_secs_f64();
    let resident = resident_mib(broker.pid);
    let cpu = broker.rest(&*clock) - cpu_before;
    let gib = all.bytes as f64 / f64::from(1 << 30);
    println!("records/s\t{:.0}", all.records as f64 / seconds);
    println!("MiB/s\t{:.1}", gib * 1024.0 / seconds);
    println!("CPU s/GiB\t{:.3}", cpu.as_secs_f64() / gib);
    println!("resident MiB\t{resident:.1}");
    Ok(())
}
