//! Keeps departures that were more than 30 minutes late, as JSON keyed by carrier.
//! In: lines of `flights.csv`. Out: one JSON object for each late departure. Invariant: a line that does not parse is refused, so it becomes
//! a dead letter; a cancelled flight has no delay and is left out.

use lines::Flight;
use potok_sdk::{Description, Failure, Output, Processor, Record, Task, Timestamp};
use serde::{Deserialize, Serialize};

struct FlightDelays {
    config: Config,
}

impl Processor for FlightDelays {
    type Config = Config;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("flights", "lines of flights.csv")
            .output("delayed-flights", "late departures as JSON, keyed by carrier")
            .config_schema(CONFIG_SCHEMA)
    }

    fn open(config: Config, _task: Task) -> Result<FlightDelays, Failure> {
        Ok(FlightDelays { config })
    }

    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        let flight = Flight::parse(record.value_str()?)?;
        match flight.delay_minutes {
            Some(late) if late > self.config.min_delay_minutes => {
                out.send_json(flight.carrier, &LateDeparture::of(&flight, late))
            }
            _ => Ok(()),
        }
    }
}

potok_sdk::processor!(FlightDelays);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    min_delay_minutes: i32,
}

impl Default for Config {
    fn default() -> Config {
        Config { min_delay_minutes: 30 }
    }
}

const CONFIG_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "min_delay_minutes": {
      "type": "integer", "minimum": -1440, "maximum": 10080, "default": 30,
      "description": "Departures later than this are kept"
    }
  }
}"#;

#[derive(Serialize)]
struct LateDeparture<'a> {
    carrier: &'a str,
    flight: u32,
    origin: &'a str,
    dest: &'a str,
    tail_number: Option<&'a str>,
    scheduled: Timestamp,
    delay_minutes: i32,
}

impl<'a> LateDeparture<'a> {
    fn of(flight: &Flight<'a>, delay_minutes: i32) -> LateDeparture<'a> {
        LateDeparture {
            carrier: flight.carrier,
            flight: flight.number,
            origin: flight.origin,
            dest: flight.dest,
            tail_number: flight.tail_number,
            scheduled: flight.scheduled,
            delay_minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_sdk::testing::{Harness, Setup, TestRecord};

    const LATE: &str =
        "2013,1,1,542,540,33,923,850,33,AA,1141,N619AA,JFK,MIA,160,1089,5,40,2013-01-01T10:00:00Z";
    const ON_TIME: &str =
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";
    const CANCELLED: &str =
        "2013,1,2,NA,1540,NA,NA,1747,NA,EV,4352,N16546,EWR,CVG,NA,569,15,40,2013-01-02T20:00:00Z";

    #[test]
    fn a_late_departure_is_kept_as_json_with_its_time() {
        let mut harness = Harness::<FlightDelays>::new("{}");
        harness.send(TestRecord::new(LATE).timestamp(Timestamp(7)));
        let sent = harness.take();
        assert_eq!(sent.len(), 1);
        assert_eq!((sent[0].key_str(), sent[0].timestamp), ("AA", Timestamp(7)));
        assert_eq!(
            sent[0].value_str(),
            r#"{"carrier":"AA","flight":1141,"origin":"JFK","dest":"MIA","tail_number":"N619AA","scheduled":"2013-01-01T10:40:00Z","delay_minutes":33}"#
        );
    }
    #[test]
    fn flights_on_time_and_cancelled_ones_are_left_out() {
        let mut harness = Harness::<FlightDelays>::new("{}");
        harness.send_all([ON_TIME, CANCELLED, &LATE.replace(",33,923", ",30,923")]);
        assert!(harness.sent().is_empty() && harness.refused().is_empty());
    }
    #[test]
    fn a_line_that_does_not_parse_is_refused_and_the_next_one_is_kept() {
        let mut harness = Harness::<FlightDelays>::new("{}");
        harness.send_all(["no flight", LATE]);
        assert_eq!(harness.refused()[0].reason, "the line has 1 columns instead of 19");
        assert_eq!(harness.sent().len(), 1);
        harness.send(TestRecord::tombstone());
        assert_eq!(harness.refused()[1].reason, "the record has no value");
    }
    #[test]
    fn the_configuration_moves_the_limit() {
        let mut harness = Harness::<FlightDelays>::new(r#"{"min_delay_minutes": 1}"#);
        harness.send_all([ON_TIME, LATE]);
        assert_eq!(harness.sent().len(), 2);
        let wrong = Setup::new(r#"{"minimum": 1}"#).open::<FlightDelays>().err().unwrap();
        assert!(wrong.starts_with("the configuration does not fit: unknown field `minimum`"), "{wrong}");
    }
    #[test]
    fn the_sdk_s_readme_begins_with_this_module() {
        let readme = include_str!("../../../sdk/rust/README.md");
        let (_, rest) = readme.split_once("```rust,ignore\n").unwrap();
        let (shown, _) = rest.split_once("```\n").unwrap();
        assert!(include_str!("lib.rs").contains(shown), "copy this module into sdk/rust/README.md again");
        assert!(shown.contains("potok_sdk::processor!(FlightDelays);"));
    }
    #[test]
    fn january_has_3350_late_departures() {
        let mut harness = Harness::<FlightDelays>::new("{}");
        harness.send_all(lines::january::flights());
        assert_eq!((harness.sent().len(), harness.refused().len()), (3350, 0));
    }
}
