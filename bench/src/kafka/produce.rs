//! Batches sent raw: each request carries the same batch for every partition of its connection, so many requests are under way
//! before the first is answered.

use super::connection::Connection;
use super::{Broker, Moved, measure, wire};
use crate::stats::percentile;
use anyhow::{Context, Result, bail, ensure};
use potok_types::{BatchBuilder, Clock, Compression, LeaderEpoch, Offset, SystemClock, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

/// A new topic's partitions may be unknown for a moment: asked again this often.
const TRIES: u32 = 600;
const TRY_STEP: Duration = Duration::from_millis(50);
/// Codes of such a moment: unknown topic or partition, leader not available, not leader.
const NOT_YET: [i16; 3] = [3, 5, 6];
/// Upper bound of what a record takes beside its value, in bytes.
const RECORD_OVERHEAD: usize = 16;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    broker: Broker,
    /// MiB to send.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Bytes of a value; there are no keys.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// A batch has at most this many bytes: 16 KiB is the default of Kafka's producers.
    #[arg(long, default_value_t = 16_384)]
    batch_bytes: usize,
    /// Requests under way on a connection: 5 is the default of Kafka's producers.
    #[arg(long, default_value_t = 5)]
    depth: usize,
    /// 1, or -1 for all.
    #[arg(long, default_value_t = 1, allow_hyphen_values = true)]
    acks: i16,
}

/// A batch of records, and how many it has.
fn batch(options: &Options) -> Result<(Vec<u8>, u64)> {
    let mut builder = BatchBuilder::new(Compression::None);
    let value: Vec<u8> = (b'A'..=b'Z').cycle().take(options.value_bytes).collect();
    let now = SystemClock::shared().now();
    while builder.byte_len() + options.value_bytes + RECORD_OVERHEAD <= options.batch_bytes
        || builder.count() == 0
    {
        builder.push(Timestamp(now.0), None, Some(&value), std::iter::empty());
    }
    let count = builder.count();
    let batch = builder.build()?.context("an empty batch")?.place(Offset::FIRST, LeaderEpoch(-1));
    Ok((batch.bytes().to_vec(), u64::from(count)))
}

pub(super) fn run(options: &Options) -> Result<()> {
    let (batch, batch_records) = batch(options)?;
    let connections = options.broker.shares().len() as u64;
    let latencies = Arc::new(Mutex::new(Vec::new()));
    wait_for_leaders(options, &batch)?;
    let work = {
        let (options, latencies) = (options.clone(), latencies.clone());
        move |share: Vec<u32>, clock: Arc<dyn Clock>| {
            let frame = wire::produce(&options.broker.topic, options.acks, &share, &batch);
            let bytes = (batch.len() * share.len()) as u64;
            let requests = (options.mib << 20).div_ceil(connections * bytes);
            let mut connection = Connection::open(&options.broker.broker)?;
            let millis = send_all(&mut connection, &frame, requests, options.depth, &*clock)?;
            latencies.lock().ok().context("a thread of the client failed")?.extend(millis);
            let records = requests * share.len() as u64 * batch_records;
            Ok(Moved { records, bytes: requests * bytes })
        }
    };
    measure(&options.broker, work)?;
    let millis = latencies.lock().ok().context("a thread of the client failed")?;
    println!("request p50 ms\t{:.3}", percentile(&millis, 0.5));
    println!("request p99 ms\t{:.3}", percentile(&millis, 0.99));
    Ok(())
}

/// Sends one frame again and again; how long each answer took, in milliseconds.
fn send_all(
    connection: &mut Connection,
    frame: &[u8],
    requests: u64,
    depth: usize,
    clock: &dyn Clock,
) -> Result<Vec<f64>> {
    let mut under_way = VecDeque::new();
    let mut millis = Vec::new();
    for request in 0..requests + depth as u64 {
        if under_way.len() == depth || request >= requests {
            let Some(sent) = under_way.pop_front() else { break };
            let code = wire::produce_error(connection.receive()?)?;
            ensure!(code == 0, "a batch was refused: code {code}");
            millis.push((clock.monotonic() - sent).as_secs_f64() * 1e3);
        }
        if request < requests {
            under_way.push_back(clock.monotonic());
            connection.send(frame)?;
        }
    }
    Ok(millis)
}

/// One batch to each partition, until every one is taken.
fn wait_for_leaders(options: &Options, batch: &[u8]) -> Result<()> {
    let all: Vec<u32> = (0..options.broker.partitions).collect();
    let mut connection = Connection::open(&options.broker.broker)?;
    for some in all.chunks(100) {
        let frame = wire::produce(&options.broker.topic, options.acks, some, batch);
        let mut tries = 0;
        loop {
            match wire::produce_error(connection.ask(&frame)?)? {
                0 => break,
                code if NOT_YET.contains(&code) && tries < TRIES => sleep(TRY_STEP),
                code => bail!("topic {} takes no batch: code {code}", options.broker.topic),
            }
            tries += 1;
        }
    }
    Ok(())
}
