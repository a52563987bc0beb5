//! The real process, killed at any moment while it is written to, while its processors work or trap and while modules are uploaded.
//! After each start: every acknowledged record is there, where it was acknowledged, once and in order; no request is half there; what
//! the processors put out is what their input says, exactly once; every record that traps is a dead letter, exactly once; and every
//! module is whole or not there.
//! `POTOK_CRASH_KILLS=300 make crash` is the long run; a failure names the seed that repeats it.

mod traps;
mod uploads;

use potok_tests::guests::built_guest;
use potok_tests::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use uploads::Uploads;

const KILLS_DEFAULT: u64 = 6;
const PARTITIONS: u32 = 4;
/// Records of one request: one key, so one batch, so all of it or nothing.
const REQUEST_RECORDS: u64 = 20;
/// Numbers from a seed (xorshift), so that a failing run can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What a producer was told: each request's first number, and partition and offset of its first record when it was answered.
#[derive(Default)]
struct Told {
    requests: Vec<(u64, Option<(u64, u64)>)>,
    next: u64,
}

/// Sends numbers in order until the server is gone.
async fn produce(base: String, http: reqwest::Client, producer: usize, mut told: Told) -> Told {
    let acks = if producer.is_multiple_of(2) { "1" } else { "all" };
    let url = format!("{base}/v1/topics/numbers/records?key=p{producer}&acks={acks}");
    loop {
        let first = told.next;
        let numbers: Vec<u64> = (first..first + REQUEST_RECORDS).collect();
        told.next += REQUEST_RECORDS;
        let sent = async {
            let answer = http.post(&url).json(&numbers).send().await.ok()?.error_for_status().ok()?;
            let placed: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
            let record = &placed["records"][0];
            Some((record["partition"].as_u64()?, record["offset"].as_u64()?))
        };
        let placed = sent.await;
        told.requests.push((first, placed));
        if placed.is_none() {
            return told;
        }
    }
}

/// Sends flights until the server is gone. What came to lie in the log is the truth that the processors are measured by.
async fn play(base: String, http: reqwest::Client, lines: Vec<String>) {
    for chunk in lines.chunks(200) {
        let body: String = chunk.iter().map(|line| format!("{}|{line}\n", carrier(line))).collect();
        let request = http.post(format!("{base}/v1/topics/flights/records?key_separator=%7C&acks=1"));
        if request.header("content-type", "text/plain").body(body).send().await.is_err() {
            return;
        }
    }
}

fn carrier(line: &str) -> &str {
    line.split(',').nth(9).unwrap()
}

fn flights() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let unpacked = Command::new("zcat").arg(root.join("data/january-2013/flights.csv.gz")).output().unwrap();
    let text = String::from_utf8(unpacked.stdout).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

async fn check_numbers(server: &Server, producers: &[Told]) {
    let mut found: BTreeMap<(usize, u64), (u64, u64)> = BTreeMap::new();
    let mut last: BTreeMap<usize, u64> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        for record in server.partition("numbers", partition).await {
            let producer: usize = record["key"].as_str().unwrap()[1..].parse().unwrap();
            let number = record["value"].as_u64().unwrap();
            let before = last.insert(producer, number);
            assert!(before.is_none_or(|before| before < number), "p{producer}: {number} after {before:?}");
            found.insert((producer, number), (u64::from(partition), record["offset"].as_u64().unwrap()));
        }
    }
    for (producer, told) in producers.iter().enumerate() {
        for (first, placed) in &told.requests {
            let there = (*first..first + REQUEST_RECORDS)
                .filter(|n| found.contains_key(&(producer, *n)))
                .count() as u64;
            match placed {
                Some(placed) => {
                    assert_eq!(there, REQUEST_RECORDS, "p{producer}: {first} was acknowledged");
                    assert_eq!(found[&(producer, *first)], *placed, "p{producer}: {first} lies elsewhere");
                }
                None => {
                    assert!(there == 0 || there == REQUEST_RECORDS, "p{producer}: half of {first} is there")
                }
            }
        }
    }
}

fn counted<'a>(values: impl Iterator<Item = &'a Value>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value.as_str().unwrap_or_default().to_owned()).or_default() += 1);
    counts
}

async fn check_processors(server: &Server) {
    for processor in ["by-origin", "carrier-stats"] {
        server.drained(processor, PARTITIONS).await;
    }
    let input = server.topic_whole("flights", PARTITIONS).await;
    let rekeyed = server.topic_whole("flights-by-origin", PARTITIONS).await;
    let (sent, got) =
        (counted(input.iter().map(|r| &r["value"])), counted(rekeyed.iter().map(|r| &r["value"])));
    assert_eq!(
        sent.values().sum::<u64>(),
        got.values().sum::<u64>(),
        "not every flight was rekeyed exactly once"
    );
    assert_eq!(sent, got);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for record in &input {
        *expected.entry(record["key"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let newest: BTreeMap<String, u64> = server
        .topic_whole("carrier-stats", PARTITIONS)
        .await
        .iter()
        .map(|r| (r["key"].as_str().unwrap().to_owned(), r["value"]["flights"].as_u64().unwrap()))
        .collect();
    assert_eq!(newest, expected, "the counts in state are not those of the input");
}

async fn set_up(data: &Path) {
    let server = Server::start(data).await;
    for topic in ["numbers", "flights", "flights-by-origin", "carrier-stats"] {
        server.topic(topic, PARTITIONS).await;
    }
    let config = json!({"config": {"column": 13, "columns": 19}});
    server.deploy("by-origin", "rekey", "flights", "flights-by-origin", config).await;
    server.deploy("carrier-stats", "carrier-stats", "flights", "carrier-stats", json!({})).await;
    traps::set_up(&server).await;
    // one of the modules that come and go stays compiled: its uploads are answered at once, the other's are killed in the middle
    server.send(server.push("pinned", built_guest(uploads::MODULES[0]))).await;
    server.kill();
}

async fn crash_again_and_again(kills: u64, seed: u64) {
    println!("POTOK_CRASH_SEED={seed}, {kills} kills");
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir().unwrap();
    let flights = flights();
    set_up(folder.path()).await;
    let mut producers: Vec<Told> = (0..4).map(|_| Told::default()).collect();
    let mut uploads = Uploads::default();
    for kill in 0..kills {
        let server = Server::start(folder.path()).await;
        let working: Vec<_> = std::mem::take(&mut producers)
            .into_iter()
            .enumerate()
            .map(|(i, told)| tokio::spawn(produce(server.base.clone(), server.http.clone(), i, told)))
            .collect();
        let from = usize::try_from(chance.below(flights.len() as u64 - 2_000)).unwrap();
        let playing = tokio::spawn(play(
            server.base.clone(),
            server.http.clone(),
            flights[from..from + 2_000].to_vec(),
        ));
        let laying = tokio::spawn(traps::lay(server.base.clone(), server.http.clone(), kill));
        let uploading = tokio::spawn(uploads.run(server.base.clone(), server.http.clone()));
        // how long the load lasts, not a wait for anything
        tokio::time::sleep(Duration::from_millis(5 + chance.below(400))).await;
        server.kill();
        for told in working {
            producers.push(told.await.unwrap());
        }
        playing.await.unwrap();
        laying.await.unwrap();
        uploads = uploading.await.unwrap();
        let server = Server::start(folder.path()).await;
        check_numbers(&server, &producers).await;
        uploads.check(&server).await;
        if kill.is_multiple_of(3) || kill + 1 == kills {
            check_processors(&server).await;
            traps::check(&server).await;
        }
        server.kill();
    }
    assert!(
        producers.iter().any(|told| told.requests.iter().any(|(_, placed)| placed.is_some())),
        "nothing was written"
    );
    assert!(uploads.answered > 0, "nothing was uploaded");
}

#[test]
fn a_killed_process_keeps_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let kills = number("POTOK_CRASH_KILLS").unwrap_or(KILLS_DEFAULT);
    let seed = number("POTOK_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x9e37);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(crash_again_and_again(kills, seed));
}
