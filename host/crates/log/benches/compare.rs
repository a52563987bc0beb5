//! The log against its limits, in one run: bare RocksDB with the same batches, and a plain file.
//! Prints MB/s and ratios; figures and the command stand in `bench/RESULTS.md`. `BENCH_MIB` sets how much each cell writes.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use bytes::BytesMut;
use futures::stream::{FuturesUnordered, StreamExt};
use potok_log::{Acks, Append, Log, NewTopic, ReadRequest, RocksLog, Settings};
use potok_types::{
    BatchBuilder, BatchLimits, Compression, LeaderEpoch, NewBatch, Offset, SystemClock, Timestamp,
    TopicPartition,
};
use rocksdb::{ColumnFamilyDescriptor, DB, Options, WriteBatch, WriteOptions};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const BATCH_BYTES: usize = 16 << 10;
/// What a group commit joins in the bare RocksDB.
const GROUP: usize = 64;
/// Appends that one caller keeps under way.
const IN_FLIGHT: usize = 256;
const RUNS: usize = 3;

fn template() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    while builder.byte_len() < BATCH_BYTES {
        let value: Vec<u8> = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()
        })
        .take(128)
        .flatten()
        .collect();
        builder.push(Timestamp(1_357_000_000_000), Some(b"key-00000001"), Some(&value), std::iter::empty());
    }
    builder.build().unwrap().unwrap().place(Offset::FIRST, LeaderEpoch(0)).bytes().to_vec()
}

fn batch(template: &[u8]) -> NewBatch {
    NewBatch::from_producer(BytesMut::from(template), BatchLimits { batch_len_max: 1 << 20 }).unwrap()
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn mb_per_s(bytes: usize, started: Instant) -> f64 {
    bytes as f64 / 1e6 / started.elapsed().as_secs_f64()
}

/// Bytes that this process made the kernel write to the disk, so far.
fn written_to_disk() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|l| l.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
}

struct Figures {
    append: f64,
    scan: f64,
    amplification: f64,
}

async fn potok(folder: &Path, template: &[u8], partitions: u32, batches: usize) -> Figures {
    let log =
        RocksLog::open(Settings { dir: folder.to_owned(), ..Settings::default() }, SystemClock::shared())
            .unwrap();
    let topic = NewTopic { name: "bench".parse().unwrap(), partitions, config: vec![] };
    let topic = log.create_topic(topic).await.unwrap();
    let at: Vec<TopicPartition> = topic.all_partitions().collect();
    let (started, disk) = (Instant::now(), written_to_disk());
    let mut under_way = FuturesUnordered::new();
    for i in 0..batches {
        if under_way.len() == IN_FLIGHT {
            under_way.next().await;
        }
        let append = Append { to: at[i % at.len()], batch: batch(template) };
        let log = Arc::clone(&log);
        under_way.push(tokio::spawn(async move {
            log.append(vec![append], Acks::Written).await.pop().unwrap().unwrap()
        }));
    }
    while under_way.next().await.is_some() {}
    let bytes = batches * template.len();
    let append = mb_per_s(bytes, started);
    log.close().await.unwrap();
    drop(log);
    let amplification = (written_to_disk() - disk) as f64 / bytes as f64;
    // a new process would find an empty cache; a new log has one
    let log =
        RocksLog::open(Settings { dir: folder.to_owned(), ..Settings::default() }, SystemClock::shared())
            .unwrap();
    let started = Instant::now();
    let mut seen = 0;
    for at in at {
        let mut offset = Offset::FIRST;
        loop {
            let fetched =
                log.read(ReadRequest { at, offset, bytes_max: 1 << 20, committed_only: false }).unwrap();
            let Some(last) = fetched.batches.last() else { break };
            offset = last.header().next_offset();
            seen += fetched.batches.iter().map(potok_types::RecordBatch::len).sum::<usize>();
        }
    }
    assert_eq!(seen, bytes, "everything that was appended is scanned");
    let scan = mb_per_s(bytes, started);
    log.close().await.unwrap();
    Figures { append, scan, amplification }
}

fn bare(folder: &Path, template: &[u8], partitions: usize, batches: usize) -> Figures {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let mut records = Options::default();
    records.set_enable_blob_files(true);
    records.set_min_blob_size(512);
    records.set_write_buffer_size(128 << 20);
    records.set_compression_type(rocksdb::DBCompressionType::None);
    let open = || {
        DB::open_cf_descriptors(&options, folder, [ColumnFamilyDescriptor::new("records", records.clone())])
            .unwrap()
    };
    let db = open();
    let cf = db.cf_handle("records").unwrap();
    let (started, disk) = (Instant::now(), written_to_disk());
    let mut next = vec![0u64; partitions];
    for first in (0..batches).step_by(GROUP) {
        let mut group = WriteBatch::default();
        for i in first..(first + GROUP).min(batches) {
            let partition = i % partitions;
            let key = [(partition as u64).to_be_bytes(), next[partition].to_be_bytes()].concat();
            next[partition] += 16;
            group.put_cf(cf, key, template);
        }
        db.write_opt(group, &WriteOptions::default()).unwrap();
    }
    let bytes = batches * template.len();
    let append = mb_per_s(bytes, started);
    db.flush_cf(cf).unwrap();
    let amplification = (written_to_disk() - disk) as f64 / bytes as f64;
    drop(db);
    let db = open();
    let started = Instant::now();
    let mut options = rocksdb::ReadOptions::default();
    options.set_readahead_size(2 << 20);
    let mut all = db.raw_iterator_cf_opt(db.cf_handle("records").unwrap(), options);
    all.seek_to_first();
    let mut seen = 0;
    while all.valid() {
        seen += bytes::Bytes::copy_from_slice(all.value().unwrap()).len();
        all.next();
    }
    assert_eq!(seen, bytes);
    Figures { append, scan: mb_per_s(bytes, started), amplification }
}

fn file(folder: &Path, template: &[u8], batches: usize) -> Figures {
    let path = folder.join("plain");
    let started = Instant::now();
    let mut file = File::create(&path).unwrap();
    let group = template.repeat(GROUP);
    for _ in 0..batches.div_ceil(GROUP) {
        file.write_all(&group).unwrap();
    }
    // without it the page cache would be measured
    file.sync_data().unwrap();
    let bytes = batches.div_ceil(GROUP) * group.len();
    let append = mb_per_s(bytes, started);
    let started = Instant::now();
    let mut file = File::open(&path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer).unwrap() > 0 {}
    Figures { append, scan: mb_per_s(bytes, started), amplification: 1.0 }
}

async fn synced(folder: &Path, template: &[u8], callers: usize, seconds: f64) -> f64 {
    let log =
        RocksLog::open(Settings { dir: folder.to_owned(), ..Settings::default() }, SystemClock::shared())
            .unwrap();
    let topic = NewTopic { name: "synced".parse().unwrap(), partitions: 1, config: vec![] };
    let at = log.create_topic(topic).await.unwrap().all_partitions().next().unwrap();
    let started = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let (log, template) = (Arc::clone(&log), template.to_vec());
            tokio::spawn(async move {
                let mut done = 0usize;
                while started.elapsed().as_secs_f64() < seconds {
                    let append = Append { to: at, batch: batch(&template) };
                    log.append(vec![append], Acks::Synced).await.pop().unwrap().unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await.unwrap();
    }
    let rate = done as f64 / started.elapsed().as_secs_f64();
    log.close().await.unwrap();
    rate
}

fn fdatasync_loop(folder: &Path, template: &[u8], seconds: f64) -> f64 {
    let mut file = File::create(folder.join("synced")).unwrap();
    let started = Instant::now();
    let mut done = 0usize;
    while started.elapsed().as_secs_f64() < seconds {
        file.write_all(template).unwrap();
        file.sync_data().unwrap();
        done += 1;
    }
    done as f64 / started.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let mib: usize = std::env::var("BENCH_MIB").ok().and_then(|v| v.parse().ok()).unwrap_or(1024);
    let template = template();
    let batches = (mib << 20) / template.len();
    println!("batches of {} bytes, {mib} MiB a run, {RUNS} runs in turn, medians", template.len());
    for partitions in [1, 32] {
        let (mut ours, mut bares, mut files) = (vec![], vec![], vec![]);
        for _ in 0..RUNS {
            let folder = || tempfile::tempdir().unwrap();
            ours.push(potok(folder().path(), &template, partitions, batches).await);
            bares.push(bare(folder().path(), &template, partitions as usize, batches));
            files.push(file(folder().path(), &template, batches));
        }
        let of = |runs: &[Figures], pick: fn(&Figures) -> f64| median(runs.iter().map(pick).collect());
        for (what, pick) in [("append", (|f| f.append) as fn(&Figures) -> f64), ("scan", |f| f.scan)] {
            let (p, r, f) = (of(&ours, pick), of(&bares, pick), of(&files, pick));
            println!(
                "{what} {partitions:>2} partitions: potok {p:.0} MB/s, bare RocksDB {r:.0}, plain file {f:.0}: {:.2} x RocksDB, {:.2} x the better",
                p / r,
                p / r.max(f)
            );
        }
        println!(
            "write amplification {partitions:>2} partitions: potok {:.2}, bare RocksDB {:.2} (WAL included)",
            of(&ours, |f| f.amplification),
            of(&bares, |f| f.amplification)
        );
    }
    for callers in [1, 8, 64] {
        let (mut ours, mut plain) = (vec![], vec![]);
        for _ in 0..RUNS {
            let folder = tempfile::tempdir().unwrap();
            plain.push(fdatasync_loop(folder.path(), &template, 2.0));
            ours.push(synced(&folder.path().join("log"), &template, callers, 2.0).await);
        }
        let (p, f) = (median(ours), median(plain));
        println!(
            "synced appends, {callers:>2} callers: {p:.0}/s, fdatasync in a loop {f:.0}/s: {:.2} x",
            p / f
        );
    }
}
