//! The real process, killed at any moment while it is written to and while its processors work. After each start: every acknowledged
//! record is there, where it was acknowledged, once and in order; no request is half there; and what the processors put out is what
//! their input says, exactly once. `POTOK_CRASH_KILLS=300 make crash` is the long run; a failure names the seed that repeats it.

use potok_tests::guests::cache_folder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const KILLS_DEFAULT: u64 = 6;
const PARTITIONS: u32 = 4;
/// Records of one request: one key, so one batch, so all of it or nothing.
const REQUEST_RECORDS: u64 = 20;
/// Looks at a condition this often, and gives up after so many times (60 s).
const POLL: Duration = Duration::from_millis(20);
const POLLS_MAX: u32 = 3_000;

fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().unwrap().parent().unwrap().join("potok");
    assert!(binary.is_file(), "{} is not built", binary.display());
    binary
}

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

struct Server {
    process: Child,
    base: String,
    http: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    async fn start(data: &Path) -> Server {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(binary())
            .args(["serve", "--http", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data)
            .env_remove("POTOK_CRASH_KILLS")
            .env_remove("POTOK_CRASH_SEED")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server =
            Server { process, base: format!("http://127.0.0.1:{port}"), http: reqwest::Client::new() };
        for _ in 0..POLLS_MAX {
            if let Ok(answer) = server.http.get(format!("{}/ready", server.base)).send().await
                && answer.status().is_success()
            {
                return server;
            }
            assert!(server.process.try_wait().unwrap().is_none(), "the server ended while it started");
            tokio::time::sleep(POLL).await;
        }
        panic!("the server is not ready");
    }

    /// SIGKILL: nothing of the process runs after this.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn topic(&self, name: &str) {
        let topic = json!({"name": name, "partitions": PARTITIONS});
        self.send(self.http.post(format!("{}/v1/topics", self.base)).json(&topic)).await;
    }

    async fn deploy(&self, name: &str, module: &str, output: &str, config: Value) {
        let path = cache_folder().join("guests").join(format!("{module}.wasm"));
        let component =
            std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; `make guests`", path.display()));
        let put = self.http.put(format!("{}/v1/modules/{module}", self.base));
        self.send(put.header("content-type", "application/wasm").body(component)).await;
        let spec = json!({"module": module, "inputs": ["flights"], "outputs": [output], "config": config, "from": "earliest"});
        self.send(self.http.put(format!("{}/v1/processors/{name}", self.base)).json(&spec)).await;
    }

    /// Everything in a partition: offsets must rise by one from 0.
    async fn partition(&self, topic: &str, partition: u32) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let query = format!("partition={partition}&offset={}&limit=10000", all.len());
            let page =
                self.send(self.http.get(format!("{}/v1/topics/{topic}/records?{query}", self.base))).await;
            let Value::Array(records) = page["records"].clone() else { panic!("no records in {page}") };
            if records.is_empty() {
                return all;
            }
            for record in records {
                assert_eq!(record["offset"], json!(all.len()), "{topic}-{partition} has a gap");
                all.push(record);
            }
        }
    }

    async fn topic_whole(&self, topic: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for partition in 0..PARTITIONS {
            all.extend(self.partition(topic, partition).await);
        }
        all
    }

    /// Waits until a processor has read everything.
    async fn drained(&self, processor: &str) {
        for _ in 0..POLLS_MAX {
            let status = self.send(self.http.get(format!("{}/v1/processors/{processor}", self.base))).await;
            let group =
                self.http.get(format!("{}/v1/groups/processor.{processor}", self.base)).send().await.unwrap();
            let group: Value = serde_json::from_str(&group.text().await.unwrap()).unwrap();
            let positions = group["positions"].as_array().cloned().unwrap_or_default();
            let read = positions.iter().filter(|p| p["lag"] == json!(0)).count();
            if read == PARTITIONS as usize {
                return;
            }
            assert!(status.get("name").is_some(), "{status}");
            tokio::time::sleep(POLL).await;
        }
        let status =
            self.send(self.http.get(format!("{}/v1/processors/{processor}/status", self.base))).await;
        panic!("{processor} does not come to the end: {status:#}");
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
        server.drained(processor).await;
    }
    let input = server.topic_whole("flights").await;
    let rekeyed = server.topic_whole("flights-by-origin").await;
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
        .topic_whole("carrier-stats")
        .await
        .iter()
        .map(|r| (r["key"].as_str().unwrap().to_owned(), r["value"]["flights"].as_u64().unwrap()))
        .collect();
    assert_eq!(newest, expected, "the counts in state are not those of the input");
}

async fn set_up(data: &Path) {
    let server = Server::start(data).await;
    for topic in ["numbers", "flights", "flights-by-origin", "carrier-stats"] {
        server.topic(topic).await;
    }
    server.deploy("by-origin", "rekey", "flights-by-origin", json!({"column": 13, "columns": 19})).await;
    server.deploy("carrier-stats", "carrier-stats", "carrier-stats", json!({})).await;
    server.kill();
}

async fn crash_again_and_again(kills: u64, seed: u64) {
    println!("POTOK_CRASH_SEED={seed}, {kills} kills");
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir().unwrap();
    let flights = flights();
    set_up(folder.path()).await;
    let mut producers: Vec<Told> = (0..4).map(|_| Told::default()).collect();
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
        // how long the load lasts, not a wait for anything
        tokio::time::sleep(Duration::from_millis(5 + chance.below(400))).await;
        server.kill();
        for told in working {
            producers.push(told.await.unwrap());
        }
        playing.await.unwrap();
        let server = Server::start(folder.path()).await;
        check_numbers(&server, &producers).await;
        if kill.is_multiple_of(3) || kill + 1 == kills {
            check_processors(&server).await;
        }
        server.kill();
    }
    assert!(
        producers.iter().any(|told| told.requests.iter().any(|(_, placed)| placed.is_some())),
        "nothing was written"
    );
}

#[test]
fn a_killed_process_keeps_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let kills = number("POTOK_CRASH_KILLS").unwrap_or(KILLS_DEFAULT);
    let seed = number("POTOK_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x9e37);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(crash_again_and_again(kills, seed));
}
