//! The record-at-a-time form: what is kept of a record, what is undone, and in which order things come out.
//! One processor obeys a small script in each record's value; the tests look at what comes of it.

use potok_sdk::testing::{Harness, Sent, Setup, TestRecord};
use potok_sdk::{
    Batch, Clock, Description, Failure, NoConfig, OrFail, Output, Processor, Record, Store, Task, Timer,
    Timestamp, time,
};
use std::time::Duration;

/// Obeys words: `send:V`, `to:N:V`, `forward`, `put:K:V`, `delete:K`, `add:K`, `get:K`, `scan`, `timer:K:SECONDS`, `event:K:SECONDS`,
/// `cancel:K`, `refuse`, `until:SECONDS`, `header`, `partition:N:V`.
struct Obedient {
    texts: Store<String, String>,
    counts: Store<String, u64>,
    batches: u32,
}

impl Processor for Obedient {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("left", "")
            .input("right", "")
            .output("first", "")
            .output("second", "")
            .store("texts")
            .store_with_ttl("counts", Duration::from_secs(60))
    }
    fn open(_: NoConfig, _: Task) -> Result<Obedient, Failure> {
        Ok(Obedient { texts: Store::open("texts")?, counts: Store::open("counts")?, batches: 0 })
    }
    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        record.value_str()?.split(' ').try_for_each(|word| self.obey(word, out))
    }
    fn end_batch(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        self.batches += 1;
        out.to(1).value(format!("batch {}", self.batches));
        Ok(())
    }
    fn on_timer(&mut self, timer: &Timer, out: &mut Output<'_>) -> Result<(), Failure> {
        let key = std::str::from_utf8(&timer.key)?;
        out.send(key, "due");
        self.counts.update("timers", |n| *n += 1)?;
        match key {
            "refuse" => Err(Failure::refuse("no such timer")),
            "retry" if time::now() < Timestamp(9000) => Err(Failure::retry("not open")),
            _ => Ok(()),
        }
    }
}

impl Obedient {
    fn obey(&self, word: &str, out: &mut Output<'_>) -> Result<(), Failure> {
        let mut parts = word.split(':');
        let verb = parts.next().unwrap_or_default();
        let (a, b) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match verb {
            "send" => out.to(0).value(a),
            "to" => out.to(a.parse()?).key(a).value(b),
            "forward" => out.forward(),
            "header" => out.to(0).header("name", "h").value("with header"),
            "partition" => out.to(0).partition(a.parse()?).value(b),
            "put" => self.texts.put(a, b.to_owned())?,
            "delete" => self.texts.delete(a)?,
            "add" => self.counts.update(a, |n| *n += 1)?,
            "get" => out.to(0).value(self.texts.get(a)?.unwrap_or_default()),
            "scan" => {
                let all: Result<Vec<String>, _> =
                    self.texts.scan().map(|entry| entry.map(|(k, v)| k + "=" + &v)).collect();
                out.to(0).value(all?.join(","));
            }
            "timer" => out.set_timer(Timer::wall(seconds(b)?, a)),
            "event" => out.set_timer(Timer::event(seconds(b)?, a)),
            "cancel" => out.cancel_timer(Clock::Wall, a),
            "until" if time::now() < seconds(a)? => return Err(Failure::retry("the door is shut")),
            "until" => {}
            "refuse" => return Err(Failure::refuse("as told")),
            other => return Err(Failure::refuse(format_args!("unknown word {other}"))),
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Timestamp, Failure> {
    Ok(Timestamp(1000 * text.parse::<i64>().or_refuse("seconds")?))
}
fn new() -> Harness<Obedient> {
    Harness::new("{}")
}
/// What the first output was sent.
fn first(harness: &mut Harness<Obedient>) -> Vec<String> {
    let text = |one: &Sent| one.value_str().to_owned();
    harness.take().iter().filter(|one| one.output == 0).map(text).collect()
}
fn texts(harness: &Harness<Obedient>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    harness.state("texts").iter().map(|(k, v)| format!("{}={} ", text(k), text(v))).collect()
}

#[test]
fn a_refused_record_leaves_nothing_behind() {
    let mut harness = new();
    harness.send_all([
        "put:a:1 send:x",
        "put:a:2 put:b:2 delete:a send:y to:1:y timer:t:1 add:n refuse",
        "get:a get:b",
    ]);
    assert_eq!(first(&mut harness), ["x", "1", ""]);
    assert_eq!(texts(&harness), "a=\"1\" ");
    assert!(harness.state("counts").is_empty() && harness.timers().is_empty());
    assert_eq!(harness.refused().len(), 1);
    assert_eq!(harness.refused()[0].reason, "as told");
}
#[test]
fn nothing_is_left_behind_either_when_a_scan_came_between() {
    let mut harness = new();
    harness.send("put:a:1 put:b:2");
    harness.send_all(["put:a:7 delete:b put:c:9 scan put:a:8 refuse", "scan", "put:a:3 scan"]);
    assert_eq!(first(&mut harness), [r#"a=1,b=2"#, r#"a=3,b=2"#]);
    assert_eq!(texts(&harness), "a=\"3\" b=\"2\" ");
}
#[test]
fn a_record_that_waits_holds_those_after_it_and_keeps_those_before() {
    let mut harness = new();
    harness.send_all(["send:1 add:n", "send:2 add:n until:10 send:2b", "send:3"]);
    assert_eq!(first(&mut harness), ["1"]);
    assert_eq!(harness.waiting(), Some("the door is shut"));
    assert_eq!(harness.state_json("counts", "n"), Some(1));
    harness.send("send:4").retry();
    assert_eq!((first(&mut harness).len(), harness.waiting().is_some()), (0, true));
    harness.advance(Duration::from_secs(10)).retry();
    assert_eq!(first(&mut harness), ["2", "2b", "3", "4"]);
    assert_eq!((harness.waiting(), harness.state_json("counts", "n")), (None, Some(2)));
}
#[test]
fn order_within_an_output_is_kept_between_forwarded_and_new_records() {
    let mut harness = new();
    harness.send_all([
        "forward",
        "forward send:x",
        "forward forward refuse",
        "forward",
        "partition:3:p",
        "forward",
        "send:end",
    ]);
    let expect = ["forward", "forward send:x", "x", "forward", "p", "forward", "end"];
    let sent = harness.take();
    let first: Vec<&Sent> = sent.iter().filter(|one| one.output == 0).collect();
    assert_eq!(first.iter().map(|one| one.value_str()).collect::<Vec<_>>(), expect);
    assert_eq!(first.iter().filter_map(|one| one.partition).collect::<Vec<_>>(), [3]);
}
#[test]
fn forwarded_records_keep_key_time_and_headers() {
    for before in ["forward", "send:x forward"] {
        let mut harness = new();
        harness.send(TestRecord::new(before).key("k").timestamp(Timestamp(42)).header("h", "v"));
        let sent = harness.take();
        let one = sent.iter().find(|one| one.key.is_some()).unwrap();
        assert_eq!((one.key_str(), one.value_str(), one.timestamp), ("k", before, Timestamp(42)));
        assert_eq!(one.headers, [("h".to_owned(), Some(b"v".to_vec()))]);
    }
}
#[test]
fn headers_may_begin_at_any_record() {
    let mut harness = new();
    harness.send_all(["send:a", "header", "send:b", "header refuse"]);
    let sent = harness.take();
    let headers: Vec<usize> =
        sent.iter().filter(|one| one.output == 0).map(|one| one.headers.len()).collect();
    assert_eq!(headers, [0, 1, 0]);
}
#[test]
fn the_end_of_a_batch_comes_once_and_not_when_nothing_was_done() {
    let mut harness = new();
    harness.send_all(["send:a", "send:b"]).send("refuse").send("until:10");
    let second: Vec<String> =
        harness.take().iter().filter(|one| one.output == 1).map(|one| one.value_str().to_owned()).collect();
    assert_eq!(second, ["batch 1", "batch 2"]);
}
#[test]
fn timers_fire_by_their_own_clock_and_in_order_of_time() {
    let mut harness = Setup::new("{}").now(Timestamp(0)).open::<Obedient>().unwrap();
    harness.send_all([
        "timer:late:30 timer:soon:10 timer:gone:5 timer:moved:5",
        "cancel:gone timer:moved:20 event:e:100",
    ]);
    harness.take();
    harness.advance(Duration::from_secs(9));
    assert!(harness.sent().is_empty());
    harness.advance(Duration::from_secs(30));
    let keys = |harness: &mut Harness<Obedient>| {
        harness.take().iter().map(|one| one.key_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&mut harness), ["soon", "moved", "late"]);
    harness.restart().advance_stream_time(Timestamp(100_000));
    assert_eq!(keys(&mut harness), ["e"]);
    assert!(harness.timers().is_empty());
}
#[test]
fn a_timer_is_refused_or_waits_as_a_record_does() {
    let mut harness = Setup::new("{}").now(Timestamp(0)).open::<Obedient>().unwrap();
    harness.send("timer:ok:1 timer:refuse:2 timer:retry:3 timer:after:4");
    harness.take();
    harness.advance(Duration::from_secs(5));
    assert_eq!(harness.take().iter().map(|one| one.key_str()).collect::<Vec<_>>(), ["ok"]);
    assert_eq!(harness.refused()[0].timer.as_ref().unwrap().key, b"refuse");
    assert_eq!((harness.waiting(), harness.timers().len()), (Some("not open"), 2));
    assert_eq!(harness.state_json("counts", "timers"), Some(1));
    harness.advance(Duration::from_secs(4)).retry();
    assert_eq!(harness.take().iter().map(|one| one.key_str()).collect::<Vec<_>>(), ["retry", "after"]);
}
#[test]
fn an_entry_that_is_not_written_for_its_time_to_live_is_gone() {
    let mut harness = new();
    harness.send("add:a").advance(Duration::from_secs(59)).send("add:b");
    assert_eq!(harness.state("counts").len(), 2);
    harness.advance(Duration::from_secs(1)).send("add:a");
    assert_eq!(harness.state_json("counts", "a"), Some(1));
}
#[test]
#[should_panic(expected = "no output 7: `describe` names 2")]
fn an_output_that_is_not_described_is_a_panic_that_says_so() {
    new().send("to:7:x");
}

/// Draws numbers that look random and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
    fn word(&mut self) -> String {
        let key = self.below(4);
        match self.below(12) {
            0..4 => format!("put:{key}:{}", self.below(100)),
            4..6 => format!("delete:{key}"),
            6..9 => format!("get:{key}"),
            9 => "scan".into(),
            10 => "send:x".into(),
            _ => "refuse".into(),
        }
    }
}

#[test]
fn any_script_gives_what_records_in_batches_of_their_own_give() {
    for seed in 0..300 {
        let mut draw = Draw(seed);
        let script: Vec<String> =
            (0..30).map(|_| (0..=draw.below(6)).map(|_| draw.word()).collect::<Vec<_>>().join(" ")).collect();
        let mut whole = new();
        whole.send_all(&script);
        let mut single = new();
        script.iter().for_each(|record| {
            single.send(record).restart();
        });
        assert_eq!(first(&mut whole), first(&mut single), "seed {seed}");
        assert_eq!(texts(&whole), texts(&single), "seed {seed}");
        assert_eq!(whole.refused().len(), single.refused().len(), "seed {seed}");
    }
}

struct Prefetching(Store<String, u64>);

impl Processor for Prefetching {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!().input("in", "").store("counts")
    }
    fn open(_: NoConfig, _: Task) -> Result<Prefetching, Failure> {
        Ok(Prefetching(Store::open("counts")?))
    }
    fn begin_batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        Ok(self.0.prefetch(batch.iter().filter_map(|record| record.key_str().ok()))?)
    }
    fn process(&mut self, record: Record<'_>, _: &mut Output<'_>) -> Result<(), Failure> {
        Ok(self.0.update(record.key_str()?, |count| *count += 1)?)
    }
}

#[test]
fn a_prefetched_batch_costs_two_calls_of_the_host() {
    let mut harness = Harness::<Prefetching>::new("{}");
    for round in 1..=3u64 {
        harness.send_all((0..1000).map(|i| TestRecord::new("").key(format!("key {}", i % 50))));
        assert_eq!(harness.state_calls(), 2 * round);
    }
    assert_eq!(harness.state_json("counts", "key 7"), Some(60));
}

/// Asks for the keys of its records beforehand, and then counts under the keys that their values name.
struct Crossing(Store<Vec<u8>, u64>);

impl Processor for Crossing {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!().input("in", "").store("counts")
    }
    fn open(_: NoConfig, _: Task) -> Result<Crossing, Failure> {
        Ok(Crossing(Store::open("counts")?))
    }
    fn begin_batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        Ok(self.0.prefetch_keys(batch.keys())?)
    }
    fn process(&mut self, record: Record<'_>, _: &mut Output<'_>) -> Result<(), Failure> {
        Ok(self.0.update(record.value().unwrap_or_default(), |count| *count += 1)?)
    }
}

#[test]
fn a_key_is_itself_whatever_was_asked_for_beforehand() {
    let mut draw = Draw(7);
    for round in 0..50 {
        let mut harness = Harness::<Crossing>::new("{}");
        let mut expect = std::collections::BTreeMap::<Vec<u8>, u64>::new();
        let key = |draw: &mut Draw| {
            let len = usize::try_from(draw.below(12)).unwrap();
            format!("{:0len$}", draw.below(3)).into_bytes()
        };
        let records: Vec<TestRecord> = (0..draw.below(60))
            .map(|_| {
                let (own, named) = (key(&mut draw), key(&mut draw));
                let named = if draw.below(2) == 0 { own.clone() } else { named };
                *expect.entry(named.clone()).or_default() += 1;
                let record = TestRecord::new(named);
                if draw.below(5) == 0 { record } else { record.key(own) }
            })
            .collect();
        harness.send_all(records);
        let found: std::collections::BTreeMap<Vec<u8>, u64> = harness
            .state("counts")
            .into_iter()
            .map(|(key, count)| (key, String::from_utf8(count).unwrap().parse().unwrap()))
            .collect();
        assert_eq!(found, expect, "round {round}");
    }
}
