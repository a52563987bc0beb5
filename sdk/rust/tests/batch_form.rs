//! The batch-at-a-time form, scans, and what a processor can reach beside its records.

use potok_sdk::testing::{Harness, Setup, TestRecord};
use potok_sdk::{
    Batch, BatchProcessor, Description, Failure, Level, NoConfig, Output, Progress, Store, Task, Timestamp,
    metrics, secrets, store::Raw, time,
};
use serde::Deserialize;

/// Forwards what begins with `a`, refuses `b`, breaks on `c`, waits at `d`, stops before `e`.
struct Letters;

impl BatchProcessor for Letters {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!().input("in", "").output("out", "").store("seen")
    }
    fn open(_: NoConfig, _: Task) -> Result<Letters, Failure> {
        Ok(Letters)
    }
    fn process(&mut self, batch: &Batch, out: &mut Output<'_>) -> Result<Progress, Failure> {
        for record in batch.iter() {
            match record.value_str().unwrap_or_default().chars().next() {
                Some('a') => out.at(record).forward(),
                Some('b') => out.refuse(record.index(), "a b"),
                Some('c') => return Err(Failure::refuse("a c somewhere")),
                Some('d') => {
                    let wait = Some("at a d".to_owned());
                    return Ok(Progress::Until { covered: record.index(), wait });
                }
                Some('e') if record.index() > 0 => {
                    return Ok(Progress::Until { covered: record.index(), wait: None });
                }
                _ => out.at(record).to(0).key("other").value("new"),
            }
        }
        Ok(Progress::All)
    }
}

#[track_caller]
fn check(records: &[&str], sent: &[&str], refused: &[&str], waiting: Option<&str>) {
    let mut harness = Harness::<Letters>::new("{}");
    harness.send_all(records.iter().map(|value| TestRecord::new(value).timestamp(Timestamp(5))));
    assert_eq!(harness.sent().iter().map(|one| one.value_str()).collect::<Vec<_>>(), sent);
    assert!(harness.sent().iter().all(|one| one.timestamp == Timestamp(5)));
    assert_eq!(harness.refused().iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), refused);
    assert_eq!(harness.waiting(), waiting);
}

#[test]
fn records_are_forwarded_made_and_refused() {
    check(&["a1", "x", "b", "a2"], &["a1", "new", "a2"], &["a b"], None);
}
#[test]
fn a_batch_that_breaks_is_run_by_halves_until_the_record_is_known() {
    check(&["a1", "a2", "c", "a3", "a4"], &["a1", "a2", "a3", "a4"], &["a c somewhere"], None);
    check(&["c", "c", "c"], &[], &["a c somewhere"; 3], None);
}
#[test]
fn a_batch_may_stop_half_way() {
    check(&["a1", "e", "a2", "e"], &["a1", "new", "a2", "new"], &[], None);
    check(&["a1", "b", "d", "a2"], &["a1"], &["a b"], Some("at a d"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    store: String,
}

struct Reacher(Store<(String, i64), u64, Raw>);

impl BatchProcessor for Reacher {
    type Config = Config;

    fn describe() -> Description {
        potok_sdk::describe!().input("in", "").output("out", "").store("series")
    }
    fn open(config: Config, task: Task) -> Result<Reacher, Failure> {
        potok_sdk::info!("partition {} of {}", task.partition, task.partitions);
        let store = Store::open(&config.store)?;
        for (name, at, value) in [("a", -5, 1), ("a", 3, 2), ("a", 9, 3), ("ab", 0, 4), ("b", 1, 5)] {
            store.put(&(name.to_owned(), at), value)?;
        }
        Ok(Reacher(store))
    }
    fn process(&mut self, _: &Batch, out: &mut Output<'_>) -> Result<Progress, Failure> {
        let at = |name: &str, at| (name.to_owned(), at);
        let values = |entries: Vec<Result<((String, i64), u64), _>>| -> Result<Vec<u64>, potok_sdk::store::StateError> {
            entries.into_iter().map(|entry| entry.map(|(_, value)| value)).collect()
        };
        let lines = [
            values(self.0.scan().page(2).collect())?,
            values(self.0.scan().page(2).backwards().collect())?,
            values(self.0.under("a").collect())?,
            values(self.0.range(&at("a", -4)..&at("b", 1)).collect())?,
            values(self.0.range(&at("a", -4)..=&at("b", 1)).collect())?,
            values(self.0.range(&at("b", 9)..&at("a", 0)).collect())?,
        ];
        let latest = self.0.range(&at("a", i64::MIN)..=&at("a", 8)).backwards().first()?;
        out.to(0).value(format!("{lines:?} {latest:?}"));
        metrics::count("calls", 2);
        metrics::gauge("level", 0.5);
        metrics::observe("size", 7.0);
        let stream_time = time::stream_time().map_or(0, |at| at.0);
        let (secret, denied) =
            (secrets::get("granted")?, secrets::get("other").expect_err("it is not granted"));
        out.to(0).value(format!(
            "{} {stream_time} {} {denied}",
            time::now().0,
            String::from_utf8_lossy(&secret)
        ));
        Ok(Progress::All)
    }
}

#[test]
fn scans_go_by_pages_ranges_and_first_parts_in_either_direction() {
    let mut harness = Setup::new(r#"{"store": "series"}"#).secret("granted", "s").open::<Reacher>().unwrap();
    harness.send("");
    let expect =
        r#"[[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1, 2, 3], [2, 3, 4], [2, 3, 4, 5], []] Some((("a", 3), 2))"#;
    assert_eq!(harness.sent()[0].value_str(), expect);
}
#[test]
fn clocks_secrets_lines_and_numbers_are_the_harness_s() {
    let setup =
        Setup::new(r#"{"store": "series"}"#).secret("granted", "s").partition(2, 4).now(Timestamp(77));
    let mut harness = setup.open::<Reacher>().unwrap();
    harness.send(TestRecord::new("").timestamp(Timestamp(11))).send("");
    assert_eq!(
        harness.sent()[3].value_str(),
        "77 11 s secret \"other\" is not granted: give it to the harness with `secret`"
    );
    assert_eq!(harness.logs(), [(Level::Info, "partition 2 of 4".to_owned())]);
    assert_eq!(
        (harness.counter("calls"), harness.gauge("level"), harness.observations("size")),
        (4, Some(0.5), vec![7.0, 7.0])
    );
}
#[test]
fn what_is_wrong_with_a_configuration_is_a_sentence() {
    let reason = |config: &str| Setup::new(config).open::<Reacher>().err().unwrap();
    assert_eq!(reason("{}"), "the configuration does not fit: missing field `store`");
    assert_eq!(
        reason(r#"{"store": 1}"#),
        "the configuration does not fit: invalid type: integer `1`, expected a string"
    );
    assert_eq!(reason(r#"{"store": "other"}"#), "`describe` names no store \"other\"");
}
