//! Counts flights and cancellations of each carrier, with the mean and the worst departure delay.
//! In: lines of `flights.csv`, keyed by carrier. Out: a carrier's newest numbers as JSON, once a batch, for a compacted topic.
//! Invariant: state holds integers only, so the numbers are exact however the flights are cut into batches; the mean follows from them.

use lines::Flight;
use potok_sdk::{Batch, Description, Failure, NoConfig, Output, Processor, Record, Store, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is known of a carrier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stats {
    flights: u64,
    /// Flights that departed: those with a delay.
    departed: u64,
    delay_sum_minutes: i64,
    worst_delay_minutes: Option<i32>,
}

impl Stats {
    fn add(&mut self, delay_minutes: Option<i32>) {
        self.flights += 1;
        if let Some(delay) = delay_minutes {
            self.departed += 1;
            self.delay_sum_minutes += i64::from(delay);
            self.worst_delay_minutes = self.worst_delay_minutes.max(Some(delay));
        }
    }
    /// To hundredths of a minute.
    fn mean_delay_minutes(&self) -> Option<f64> {
        let mean = self.delay_sum_minutes as f64 / self.departed as f64;
        (self.departed > 0).then(|| (mean * 100.0).round() / 100.0)
    }
}

#[derive(Serialize)]
struct Report<'a> {
    carrier: &'a str,
    flights: u64,
    departed: u64,
    cancelled: u64,
    delay_sum_minutes: i64,
    mean_delay_minutes: Option<f64>,
    worst_delay_minutes: Option<i32>,
}

struct CarrierStats {
    stats: Store<String, Stats>,
    /// Carriers of the batch at work.
    changed: BTreeSet<String>,
}

impl Processor for CarrierStats {
    type Config = NoConfig;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("flights", "lines of flights.csv, keyed by carrier")
            .output("carrier-stats", "a carrier's newest numbers as JSON, keyed by carrier")
            .store("stats")
            .config_schema(r#"{"type": "object", "additionalProperties": false}"#)
    }

    fn open(_config: NoConfig, _task: Task) -> Result<CarrierStats, Failure> {
        Ok(CarrierStats { stats: Store::open("stats")?, changed: BTreeSet::new() })
    }

    fn begin_batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        self.changed.clear();
        self.stats.prefetch_keys(batch.keys())?;
        Ok(())
    }

    fn process(&mut self, record: Record<'_>, _out: &mut Output<'_>) -> Result<(), Failure> {
        let flight = Flight::parse(record.value_str()?)?;
        // a carrier's flights in two partitions would be counted by two tasks, each with half of the truth
        if record.key() != Some(flight.carrier.as_bytes()) {
            return Err(Failure::refuse(
                "the record's key is not its carrier: give this module a topic that is keyed by carrier",
            ));
        }
        self.stats.update(flight.carrier, |stats| stats.add(flight.delay_minutes))?;
        if !self.changed.contains(flight.carrier) {
            self.changed.insert(flight.carrier.to_owned());
        }
        Ok(())
    }

    fn end_batch(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        for carrier in &self.changed {
            let stats = self.stats.get(carrier.as_str())?.unwrap_or_default();
            let report = Report {
                carrier,
                flights: stats.flights,
                departed: stats.departed,
                cancelled: stats.flights - stats.departed,
                delay_sum_minutes: stats.delay_sum_minutes,
                mean_delay_minutes: stats.mean_delay_minutes(),
                worst_delay_minutes: stats.worst_delay_minutes,
            };
            out.send_json(carrier, &report)?;
        }
        Ok(())
    }
}

potok_sdk::processor!(CarrierStats);

#[cfg(test)]
mod tests {
    use super::*;
    use potok_sdk::testing::{Harness, TestRecord};

    fn flight(carrier: &str, delay: &str) -> TestRecord {
        let line = format!(
            "2013,1,1,517,515,{delay},830,819,11,{carrier},1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
        );
        TestRecord::new(line).key(carrier)
    }

    #[test]
    fn a_batch_gives_each_carrier_one_new_record() {
        let mut harness = Harness::<CarrierStats>::new("{}");
        harness.send_all([flight("UA", "4"), flight("AA", "-3"), flight("UA", "NA"), flight("UA", "9")]);
        let sent = harness.take();
        assert_eq!(sent.iter().map(|one| one.key_str()).collect::<Vec<_>>(), ["AA", "UA"]);
        assert_eq!(
            sent[1].value_str(),
            r#"{"carrier":"UA","flights":3,"departed":2,"cancelled":1,"delay_sum_minutes":13,"mean_delay_minutes":6.5,"worst_delay_minutes":9}"#
        );
    }
    #[test]
    fn a_carrier_that_only_cancels_has_no_mean() {
        let mut harness = Harness::<CarrierStats>::new("{}");
        harness.send(flight("OO", "NA"));
        assert!(
            harness.take()[0].value_str().contains(r#""mean_delay_minutes":null,"worst_delay_minutes":null"#)
        );
    }
    #[test]
    fn the_numbers_do_not_depend_on_batches_or_restarts() {
        let delays = ["4", "NA", "-12", "77", "0", "5"];
        let mut whole = Harness::<CarrierStats>::new("{}");
        whole.send_all(delays.map(|delay| flight("UA", delay)));
        let mut cut = Harness::<CarrierStats>::new("{}");
        for delay in delays {
            cut.send(flight("UA", delay)).restart();
        }
        assert_eq!(whole.state("stats"), cut.state("stats"));
        assert_eq!(whole.take().last(), cut.take().last());
    }
    #[test]
    fn a_batch_reads_and_writes_state_once() {
        let mut harness = Harness::<CarrierStats>::new("{}");
        harness.send_all((0..1000).map(|i| flight(["UA", "AA", "B6"][i % 3], "1")));
        assert_eq!(harness.state_calls(), 2);
    }
    #[test]
    fn a_record_with_another_key_is_refused_and_not_counted() {
        let mut harness = Harness::<CarrierStats>::new("{}");
        harness.send(flight("UA", "4").key("EWR"));
        assert!(harness.refused()[0].reason.starts_with("the record's key is not its carrier"));
        assert!(harness.state("stats").is_empty() && harness.sent().is_empty());
    }
    /// The same numbers by another way: columns of the lines, and no state.
    fn counted(lines: &[String], carrier: &str) -> (usize, usize, i64, i64) {
        let columns = lines.iter().map(|line| line.split(',').collect::<Vec<_>>());
        let of_carrier: Vec<_> = columns.filter(|columns| columns[9] == carrier).collect();
        let delays: Vec<i64> = of_carrier.iter().filter_map(|columns| columns[5].parse().ok()).collect();
        (
            of_carrier.len(),
            of_carrier.len() - delays.len(),
            delays.iter().sum(),
            delays.iter().copied().max().unwrap_or(i64::MIN),
        )
    }
    #[test]
    fn january_s_numbers_are_those_of_the_file() {
        let lines = lines::january::flights();
        let mut harness = Harness::<CarrierStats>::new("{}");
        for batch in lines.chunks(997) {
            harness.send_all(
                batch.iter().map(|line| TestRecord::new(line).key(line.split(',').nth(9).unwrap())),
            );
        }
        let newest: std::collections::BTreeMap<String, serde_json::Value> =
            harness.take().iter().map(|one| (one.key_str().to_owned(), one.json())).collect();
        assert_eq!((newest.len(), harness.refused().len()), (16, 0));
        for (carrier, report) in &newest {
            let (flights, cancelled, sum, worst) = counted(&lines, carrier);
            let expect = serde_json::json!([flights, cancelled, sum, worst]);
            let fields = ["flights", "cancelled", "delay_sum_minutes", "worst_delay_minutes"]
                .map(|field| report[field].clone());
            assert_eq!(serde_json::json!(fields), expect, "{carrier}");
        }
        let total = |field: &str| newest.values().filter_map(|report| report[field].as_u64()).sum::<u64>();
        assert_eq!((total("flights"), total("cancelled")), (27_004, 521));
        assert_eq!(
            (&newest["UA"]["mean_delay_minutes"], newest["UA"]["departed"].as_u64()),
            (&serde_json::json!(8.33), Some(4605))
        );
    }
}
