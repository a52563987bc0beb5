//! The state of the join, and what comes out of it.
//! In: readings, flights that wait. Out: joined flights. Invariant: the weather of a flight is the latest at or before its hour.

use super::*;
use potok_sdk::Store;
use potok_sdk::store::{Entries, Raw, StateError};

/// Airport, hour of departure, offset of the flight's record.
pub(crate) type WaitKey = (String, Timestamp, u64);

pub(crate) struct Stores {
    /// Readings by airport and hour.
    pub(crate) weather: Store<(String, Timestamp), Reading>,
    /// The newest reading's hour of each airport.
    pub(crate) newest: Store<String, Timestamp>,
    /// Lines of flights whose weather is not known yet.
    pub(crate) waiting: Store<WaitKey, Vec<u8>, Raw>,
}

impl Stores {
    pub(crate) fn open() -> Result<Stores, StateError> {
        Ok(Stores {
            weather: Store::open("weather")?,
            newest: Store::open("newest")?,
            waiting: Store::open("waiting")?,
        })
    }
    /// The latest reading of an airport at or before an hour.
    pub(crate) fn weather_at(&self, origin: &str, hour: Timestamp) -> Result<Option<Reading>, StateError> {
        let key = (origin.to_owned(), hour);
        if let Some(reading) = self.weather.get(&key)? {
            return Ok(Some(reading));
        }
        // a scan hands the batch's changes to the host first, so it is kept for the rare hour that the sensor missed
        let earliest = (origin.to_owned(), Timestamp(i64::MIN));
        Ok(self.weather.range(&earliest..=&key).backwards().first()?.map(|(_, reading)| reading))
    }
    pub(crate) fn waiting_until(&self, origin: &str, hour: Timestamp) -> Entries<WaitKey, Vec<u8>, Raw> {
        self.between(origin, Timestamp(i64::MIN), hour)
    }
    pub(crate) fn waiting_at(&self, origin: &str, hour: Timestamp) -> Entries<WaitKey, Vec<u8>, Raw> {
        self.between(origin, hour, hour)
    }
    fn between(&self, origin: &str, from: Timestamp, to: Timestamp) -> Entries<WaitKey, Vec<u8>, Raw> {
        let (first, last) = ((origin.to_owned(), from, 0), (origin.to_owned(), to, u64::MAX));
        self.waiting.range(&first..=&last)
    }
    /// Sends a flight that waited.
    pub(crate) fn release(&self, key: &WaitKey, line: &[u8], out: &mut Output<'_>) -> Result<(), Failure> {
        let line = std::str::from_utf8(line)?;
        let flight = Flight::parse(line)?;
        Joined::of(&flight, self.weather_at(&key.0, key.1)?).send(out)?;
        self.waiting.delete(key)?;
        Ok(())
    }
}

/// A flight with its weather.
#[derive(Serialize)]
pub(crate) struct Joined<'a> {
    carrier: &'a str,
    flight: u32,
    origin: &'a str,
    dest: &'a str,
    tail_number: Option<&'a str>,
    scheduled: Timestamp,
    delay_minutes: Option<i32>,
    cancelled: bool,
    weather: Option<Reading>,
}

impl<'a> Joined<'a> {
    pub(crate) fn of(flight: &Flight<'a>, weather: Option<Reading>) -> Joined<'a> {
        Joined {
            carrier: flight.carrier,
            flight: flight.number,
            origin: flight.origin,
            dest: flight.dest,
            tail_number: flight.tail_number,
            scheduled: flight.scheduled,
            delay_minutes: flight.delay_minutes,
            cancelled: flight.delay_minutes.is_none(),
            weather,
        }
    }
    pub(crate) fn send(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        out.to(0).key(self.origin).timestamp(self.scheduled).json(self)
    }
}
