//! Joins each flight with the latest weather at its airport at or before the hour in which it was to depart.
//! In: lines of `flights.csv` and of `weather.csv`, both keyed by airport. Out: flights with their weather as JSON, keyed by airport.
//! Invariant: a flight waits in state until the weather of its hour is known, so the result does not depend on which input is read first;
//! each flight is sent exactly once, after `give_up_after_seconds` with the weather that there is.

mod join;

use join::{Joined, Stores, WaitKey};
use lines::{Flight, Reading, Weather};
use potok_sdk::{
    Batch, Clock, Description, Failure, Output, Processor, Record, Task, Timer, Timestamp, time,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

const FLIGHTS: usize = 0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    give_up_after_seconds: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config { give_up_after_seconds: 600 }
    }
}

const CONFIG_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "give_up_after_seconds": {
      "type": "integer", "minimum": 1, "maximum": 31536000, "default": 600,
      "description": "A flight that has waited so long for the weather of its hour goes on with the latest before it, or with none"
    }
  }
}"#;

/// Readings older than this are gone: a month of hours is far more than any flight is late.
const WEATHER_TTL: Duration = Duration::from_secs(31 * 24 * 60 * 60);

struct FlightWeather {
    give_up_after: Duration,
    stores: Stores,
    /// Airports whose newest reading moved on in the batch at work.
    moved_on: BTreeSet<String>,
}

/// The flights of an airport and an hour that wait: the name of their timer.
#[derive(Serialize, Deserialize)]
struct Waiting {
    origin: String,
    hour: Timestamp,
}

impl Processor for FlightWeather {
    type Config = Config;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("flights", "lines of flights.csv, keyed by origin airport")
            .input("weather", "lines of weather.csv, keyed by origin airport")
            .output("flight-weather", "flights with their weather as JSON, keyed by origin airport")
            .store_with_ttl("weather", WEATHER_TTL)
            .store("newest")
            .store("waiting")
            .config_schema(CONFIG_SCHEMA)
    }

    fn open(config: Config, _task: Task) -> Result<FlightWeather, Failure> {
        let give_up_after = Duration::from_secs(config.give_up_after_seconds);
        Ok(FlightWeather { give_up_after, stores: Stores::open()?, moved_on: BTreeSet::new() })
    }

    fn begin_batch(&mut self, _batch: &Batch) -> Result<(), Failure> {
        self.moved_on.clear();
        Ok(())
    }

    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        if record.input() == FLIGHTS { self.flight(record, out) } else { self.weather(record) }
    }

    /// Once a batch: what waited for the readings that came.
    fn end_batch(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        for origin in &self.moved_on {
            let Some(newest) = self.stores.newest.get(origin.as_str())? else { continue };
            for entry in self.stores.waiting_until(origin, newest) {
                let (key, line) = entry?;
                out.cancel_timer(Clock::Wall, timer_key(origin, key.1));
                self.stores.release(&key, &line, out)?;
            }
        }
        Ok(())
    }

    /// The weather of an hour never came.
    fn on_timer(&mut self, timer: &Timer, out: &mut Output<'_>) -> Result<(), Failure> {
        let Waiting { origin, hour } = timer.json()?;
        let mut flights = 0;
        for entry in self.stores.waiting_at(&origin, hour) {
            let (key, line) = entry?;
            self.stores.release(&key, &line, out)?;
            flights += 1;
        }
        potok_sdk::warn!("no weather came for {origin} at {hour}: {flights} flights went on without it");
        Ok(())
    }
}

impl FlightWeather {
    fn flight(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        let line = record.value_str()?;
        let flight = Flight::parse(line)?;
        check_key(record, flight.origin)?;
        if self.stores.newest.get(flight.origin)?.is_some_and(|newest| newest >= flight.hour) {
            let weather = self.stores.weather_at(flight.origin, flight.hour)?;
            return Joined::of(&flight, weather).send(out);
        }
        let key: WaitKey = (flight.origin.to_owned(), flight.hour, record.offset());
        self.stores.waiting.put(&key, line.as_bytes().to_vec())?;
        let waiting = Waiting { origin: key.0, hour: key.1 };
        let at = time::now().after(self.give_up_after);
        out.set_timer(Timer::wall(at, timer_key(flight.origin, flight.hour)).json_payload(&waiting)?);
        Ok(())
    }
    fn weather(&mut self, record: Record<'_>) -> Result<(), Failure> {
        let Weather { origin, reading } = Weather::parse(record.value_str()?)?;
        check_key(record, origin)?;
        let observed = reading.observed;
        self.stores.weather.put(&(origin.to_owned(), observed), reading)?;
        if self.stores.newest.get(origin)?.is_none_or(|newest| observed > newest) {
            self.stores.newest.put(origin, observed)?;
            if !self.moved_on.contains(origin) {
                self.moved_on.insert(origin.to_owned());
            }
        }
        Ok(())
    }
}

fn timer_key(origin: &str, hour: Timestamp) -> String {
    format!("{origin} {hour}")
}

/// Flights and weather only meet in one task when both are keyed by airport.
fn check_key(record: Record<'_>, origin: &str) -> Result<(), Failure> {
    if record.key() == Some(origin.as_bytes()) {
        return Ok(());
    }
    Err(Failure::refuse(
        "the record's key is not its airport: give this module topics that are keyed by airport",
    ))
}

potok_sdk::processor!(FlightWeather);

#[cfg(test)]
mod tests;
