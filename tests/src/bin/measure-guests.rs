//! Measures the five guests at the boundary, in the product's own runtime: `measure-guests [LANGUAGE]...`.
//! Out: tables in Markdown on stdout, kept as `bench/results-five-languages.md`. Times are the thread's CPU time, so that other
//! work on the machine disturbs them little; each figure is the median of several rounds. What it is compared with is the same
//! logic as a native function over the same columns.

use potok_plugin::InstanceSettings;
use potok_tests::five::{LANGUAGES, Mode, Model, Room, Running, plain_batch};
use std::time::Duration;

/// Records of a call.
const BATCHES: [u64; 3] = [1, 100, 1_000];
/// Rounds of which the median counts.
const ROUNDS: usize = 7;
/// CPU time of one round; the kernel counts in ticks of some milliseconds.
const ROUND: Duration = Duration::from_millis(200);
/// Instances started to know what one costs.
const STARTS: usize = 15;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let languages: Vec<&str> =
        if asked.is_empty() { LANGUAGES.to_vec() } else { asked.iter().map(String::as_str).collect() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(measure(&languages));
}

async fn measure(languages: &[&str]) {
    println!("# The boundary in five languages\n");
    println!(
        "`make guests && cargo run --release -p potok-tests --bin measure-guests > bench/results-five-languages.md`\n"
    );
    println!(
        "Nanoseconds of CPU a record, by records of a call: median of {ROUNDS} rounds. Keys of 12 bytes (100 of them), values of"
    );
    println!(
        "100 and 101 bytes; `filter` forwards half by index, `count` gets, adds and puts one value a key, and emits it."
    );
    println!("Store: a hash map. Load of the machine at the start: {}\n", load());
    println!("| guest | filter 1 | 100 | 1,000 | count 1 | 100 | 1,000 |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    println!("| native | {} |", native().join(" | "));
    let mut starts = Vec::new();
    for language in languages {
        let room = Room::with(language).await;
        let mut cells = Vec::new();
        let mut memory = (0, 0);
        for mode in [Mode::Filter, Mode::Count] {
            let mut guest = room.start(mode, InstanceSettings::default()).await;
            memory.0 = memory.0.max(guest.memory_bytes());
            for records in BATCHES {
                cells.push(nanoseconds(&mut guest, records).await);
            }
            memory.1 = memory.1.max(guest.memory_max);
        }
        println!("| {language} | {} |", cells.join(" | "));
        starts.push(format!("| {language} | {} | {} |", started(&room).await, mebibytes(memory)));
    }
    println!(
        "\n| guest | component, KiB | instance and `open`, µs | memory at the start, MiB | most while measured, MiB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    starts.iter().for_each(|row| println!("{row}"));
}

async fn nanoseconds(guest: &mut Running<'_>, records: u64) -> String {
    let batch = plain_batch(records);
    let mut rounds = Vec::new();
    // the first round warms up
    for _ in 0..=ROUNDS {
        let (from, mut calls) = (cpu(), 0);
        while cpu_passed(from, calls) {
            guest.process_only(&batch).await.expect("a plain batch succeeds");
            calls += 1;
        }
        rounds.push(per_record(cpu().saturating_sub(from), calls * records));
        guest.port().take_timers();
    }
    median(rounds.split_off(1))
}

/// The same logic, native.
fn native() -> Vec<String> {
    let mut cells = Vec::new();
    for mode in [Mode::Filter, Mode::Count] {
        for records in BATCHES {
            let (batch, mut model, mut rounds) = (plain_batch(records), Model::default(), Vec::new());
            for _ in 0..=ROUNDS {
                let (from, mut calls) = (cpu(), 0);
                while cpu_passed(from, calls) {
                    std::hint::black_box(model.answer(mode, std::hint::black_box(&batch)));
                    calls += 1;
                }
                rounds.push(per_record(cpu().saturating_sub(from), calls * records));
            }
            cells.push(median(rounds.split_off(1)));
        }
    }
    cells
}

/// Size, and what a fresh instance costs.
async fn started(room: &Room) -> String {
    let mut rounds = Vec::new();
    for _ in 0..STARTS {
        let from = cpu();
        let guest = room.start(Mode::Filter, InstanceSettings::default()).await;
        rounds.push(cpu().saturating_sub(from).as_secs_f64() * 1e6);
        drop(guest);
    }
    format!("{} | {}", room.module().size / 1024, median(rounds))
}

/// Whether a round goes on; the clock is looked at once in many calls, as looking costs a system call.
fn cpu_passed(from: Duration, calls: u64) -> bool {
    !calls.is_multiple_of(64) || cpu().saturating_sub(from) < ROUND
}

/// CPU time that this thread had so far.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts a thread's time");
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first word is nanoseconds"))
}

fn per_record(time: Duration, records: u64) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(u32::try_from(records).unwrap_or(u32::MAX))
}

fn median(mut rounds: Vec<f64>) -> String {
    rounds.sort_by(f64::total_cmp);
    let middle = rounds[rounds.len() / 2];
    if middle < 10.0 { format!("{middle:.1}") } else { format!("{middle:.0}") }
}

fn mebibytes((start, most): (usize, usize)) -> String {
    let one = |bytes: usize| format!("{}.{}", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20);
    format!("{} | {}", one(start), one(most))
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
