//! What a call on a guest costs: nanoseconds a record at batches of 1, 100 and 1,000 of 100 B, beside the same code native; and what
//! a module costs from upload to first record. `cargo bench -p potok-plugin`; builds its guest itself.
//! Figures are of processor time, so that other work on the machine disturbs them little.
//! Expected on one core of 2020 or later: `even` 10–15 ns at 1,000 (the copy of 112 B into the guest), `late` at most 1.2 times
//! native, an instance in well under a millisecond, compiled code loaded in well under 20 ms.

#[path = "../tests/kit/mod.rs"]
mod kit;
#[path = "guest/src/logic.rs"]
mod logic;

use logic::Items;
use potok_plugin::{Instance, InstanceSettings, Plugins, TaskSetup, componentize};
use potok_types::{Clock, Column, Offset, RecordColumns, SystemClock, Timestamp};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Time a figure is taken over, and how many of them the median is of.
const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: usize = 9;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let clock = SystemClock::shared();
    let guest = std::env::var_os("POTOK_BENCH_GUEST").map_or_else(build_guest, PathBuf::from);
    let component =
        componentize(&std::fs::read(guest).expect("the guest is built")).expect("it becomes a component");
    let folder = tempfile::tempdir().expect("a folder");
    let digest = start(&clock, folder.path(), component.into()).await;
    let plugins =
        Plugins::open(potok_plugin::Settings::default(), folder.path()).expect("the registry opens");
    println!("{:<8} {:>6} {:>12} {:>12} {:>7}", "work", "batch", "guest ns/rec", "native", "ratio");
    for work in ["even", "late", "upper"] {
        let mut instance = opened(&plugins, digest, work).await;
        for n in [1, 100, 1_000] {
            let records = batch(n);
            let guest = median_of_guest(&clock, &mut instance, &records).await;
            let native = median(&clock, n, || native(work, &records));
            println!("{work:<8} {n:>6} {guest:>12.1} {native:>12.1} {:>7.2}", guest / native);
        }
    }
}

/// From upload to first record, and what each part of it takes.
async fn start(clock: &Arc<dyn Clock>, folder: &Path, component: bytes::Bytes) -> potok_types::Digest {
    let plugins = Plugins::open(potok_plugin::Settings::default(), folder).expect("the registry opens");
    let (len, began) = (component.len(), clock.monotonic());
    let digest = plugins.push(component).await.expect("it is taken in").digest;
    let pushed = clock.monotonic() - began;
    opened(&plugins, digest, "even").await.process(0, 0, &batch(1)).await.expect("it answers");
    println!("upload of {len} bytes: {pushed:?}; to the first record {:?}", clock.monotonic() - began);
    drop(plugins);
    let plugins = Plugins::open(potok_plugin::Settings::default(), folder).expect("the registry opens");
    let began = clock.monotonic();
    opened(&plugins, digest, "even").await;
    println!("compiled code from the disk, linked, first instance opened: {:?}", clock.monotonic() - began);
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = clock.monotonic();
        opened(&plugins, digest, "even").await;
        times.push((clock.monotonic() - began).as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    println!("one more instance, opened and dropped: median {:.0} µs", times[times.len() / 2]);
    digest
}

async fn opened(plugins: &Plugins, digest: potok_types::Digest, work: &str) -> Instance {
    let port = Arc::new(kit::Memory::default());
    let settings = InstanceSettings::default();
    let mut instance = plugins.instantiate(digest, port, settings, 1, &[]).await.expect("it starts");
    let setup = TaskSetup { config: work.into(), partition: 0, partitions: 1 };
    instance.open(&setup).await.expect("it opens");
    instance
}

async fn median_of_guest(clock: &Arc<dyn Clock>, instance: &mut Instance, records: &RecordColumns) -> f64 {
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let (began, cpu, mut calls) = (clock.monotonic(), cpu_time(), 0_u32);
        while clock.monotonic() - began < ROUND {
            for _ in 0..100_000 / records.len().max(100) {
                black_box(instance.process(0, 0, records).await.expect("it answers"));
                calls += 1;
            }
        }
        figures.push(per_record(cpu_time() - cpu, calls, records.len()));
    }
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
fn median(clock: &Arc<dyn Clock>, n: usize, mut work: impl FnMut()) -> f64 {
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let (began, cpu, mut calls) = (clock.monotonic(), cpu_time(), 0_u32);
        while clock.monotonic() - began < ROUND {
            (0..100_000 / n.max(100)).for_each(|_| {
                work();
                calls += 1;
            });
        }
        figures.push(per_record(cpu_time() - cpu, calls, n));
    }
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
/// What this thread has taken of a processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says what a thread took");
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("its first number"))
}
fn per_record(time: Duration, calls: u32, n: usize) -> f64 {
    time.as_nanos() as f64 / f64::from(calls) / n as f64
}

/// The same code without a boundary: it reads the host's columns where they lie and makes the host's words.
fn native(work: &str, records: &RecordColumns) {
    let (data, ends, _) = black_box(records).values.parts();
    let values = Items { data, ends };
    let indices = |packed: Vec<u8>| -> Vec<u32> {
        packed.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number)).collect()
    };
    match work {
        "even" => drop(black_box(indices(logic::even(values)))),
        "late" => drop(black_box(indices(logic::late(values)))),
        _ => {
            let (data, ends) = logic::upper(values);
            let values = Column::from_parts(data, ends, vec![]).expect("it is sound");
            black_box((values, records.keys.clone(), records.timestamps.clone()));
        }
    }
}

/// Lines of 100 B, half of them late, with keys of 12 B.
fn batch(n: usize) -> RecordColumns {
    let mut records = RecordColumns::default();
    for i in 0..n {
        let head = format!("AA{i:06},JFK,{},", if i % 2 == 0 { 45 } else { 5 });
        let value = format!("{head:-<width$}", width = 100 + i % 2);
        let offset = Offset::new(i as u64).expect("a small number");
        let key = format!("key-{i:08}");
        records.push(offset, Timestamp(0), Some(key.as_bytes()), Some(value.as_bytes()), std::iter::empty());
    }
    records
}

/// Builds the guest with the toolchain that `tools/setup-rust-wasm.sh` names.
fn build_guest() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setup = Command::new(crate_folder.join("../../../tools/setup-rust-wasm.sh"))
        .output()
        .expect("the set-up runs");
    let said = String::from_utf8_lossy(&setup.stdout).into_owned();
    let toolchain = said.lines().last().unwrap_or_default().trim().to_owned();
    let target = std::env::temp_dir().join("potok-boundary-guest");
    let mut cargo = Command::new("cargo");
    if !toolchain.is_empty() {
        cargo.arg(toolchain);
    }
    let built = cargo
        .args(["build", "--release", "--target", "wasm32-unknown-unknown"])
        .current_dir(crate_folder.join("benches/guest"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the guest does not build: run tools/setup-rust-wasm.sh");
    target.join("wasm32-unknown-unknown/release/boundary_guest.wasm")
}
