//! What must come out, computed from the CSV alone: no module, no SDK and no part of the host has a hand in it.
//! In comes the month, out go the expected records in a form that compares: integers exact, decimals as hundredths.

use crate::data::{Line, Month, flight, millis, weather};
use std::collections::BTreeMap;

/// Minutes above which a departure is late.
const LATE_MINUTES: i64 = 30;
/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// A late departure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Late {
    pub(crate) carrier: String,
    pub(crate) flight: u64,
    pub(crate) origin: String,
    pub(crate) dest: String,
    pub(crate) tail_number: Option<String>,
    pub(crate) scheduled: i64,
    pub(crate) delay_minutes: i64,
}

/// A carrier's month.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Carrier {
    pub(crate) flights: u64,
    pub(crate) departed: u64,
    pub(crate) cancelled: u64,
    pub(crate) delay_sum_minutes: i64,
    pub(crate) mean_hundredths: Option<i64>,
    pub(crate) worst_delay_minutes: Option<i64>,
}

/// A flight with its weather.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Joined {
    pub(crate) carrier: String,
    pub(crate) flight: u64,
    pub(crate) origin: String,
    pub(crate) dest: String,
    pub(crate) tail_number: Option<String>,
    pub(crate) scheduled: i64,
    pub(crate) delay_minutes: Option<i64>,
    pub(crate) weather: Option<Reading>,
}

/// A reading; what is missing in the file is none. Hundredths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reading {
    pub(crate) observed: i64,
    pub(crate) temperature: Option<i64>,
    pub(crate) wind_speed: Option<i64>,
    pub(crate) wind_gust: Option<i64>,
    pub(crate) precipitation: Option<i64>,
    pub(crate) visibility: Option<i64>,
    pub(crate) pressure: Option<i64>,
}

/// Everything expected.
#[derive(Debug)]
pub(crate) struct Truth {
    /// Sorted.
    pub(crate) late: Vec<Late>,
    pub(crate) carriers: BTreeMap<String, Carrier>,
    /// Origin and line, sorted.
    pub(crate) by_origin: Vec<(String, String)>,
    /// Sorted.
    pub(crate) joined: Vec<Joined>,
}

impl Truth {
    pub(crate) fn of(month: &Month) -> Truth {
        let readings = readings(&month.weather);
        let mut truth =
            Truth { late: Vec::new(), carriers: BTreeMap::new(), by_origin: Vec::new(), joined: Vec::new() };
        for line in &month.flights {
            truth.add(line, &readings);
        }
        for carrier in truth.carriers.values_mut() {
            carrier.cancelled = carrier.flights - carrier.departed;
            carrier.mean_hundredths = mean_hundredths(carrier.delay_sum_minutes, carrier.departed);
        }
        truth.late.sort();
        truth.by_origin.sort();
        truth.joined.sort();
        truth
    }
    fn add(&mut self, line: &Line, readings: &BTreeMap<(String, i64), Reading>) {
        let columns: Vec<&str> = line.text.split(',').collect();
        let text = |column: usize| columns[column].to_owned();
        let known = |column: usize| (columns[column] != "NA").then(|| columns[column]);
        let (carrier, origin, dest) = (text(flight::CARRIER), text(flight::ORIGIN), text(flight::DEST));
        let number = columns[flight::FLIGHT].parse().unwrap_or_default();
        let delay: Option<i64> = known(flight::DEP_DELAY).and_then(|delay| delay.parse().ok());
        let hour = millis(columns[flight::TIME_HOUR]).unwrap_or_default();
        let scheduled = hour + columns[flight::MINUTE].parse::<i64>().unwrap_or_default() * MINUTE_MS;
        let tail_number = known(flight::TAIL_NUMBER).map(str::to_owned);

        let total = self.carriers.entry(carrier.clone()).or_default();
        total.flights += 1;
        if let Some(delay) = delay {
            total.departed += 1;
            total.delay_sum_minutes += delay;
            total.worst_delay_minutes =
                Some(total.worst_delay_minutes.map_or(delay, |worst| worst.max(delay)));
        }
        if let Some(delay_minutes) = delay.filter(|delay| *delay > LATE_MINUTES) {
            let (carrier, origin, dest, tail_number) =
                (carrier.clone(), origin.clone(), dest.clone(), tail_number.clone());
            self.late.push(Late {
                carrier,
                flight: number,
                origin,
                dest,
                tail_number,
                scheduled,
                delay_minutes,
            });
        }
        let newest = readings.range((origin.clone(), i64::MIN)..=(origin.clone(), hour)).next_back();
        let weather = newest.map(|(_, reading)| reading.clone());
        self.by_origin.push((origin.clone(), line.text.clone()));
        self.joined.push(Joined {
            carrier,
            flight: number,
            origin,
            dest,
            tail_number,
            scheduled,
            delay_minutes: delay,
            weather,
        });
    }
}

fn readings(lines: &[Line]) -> BTreeMap<(String, i64), Reading> {
    let reading = |line: &Line| {
        let columns: Vec<&str> = line.text.split(',').collect();
        let number = |column: usize| columns[column].parse::<f64>().ok().map(hundredths);
        let reading = Reading {
            observed: line.time,
            temperature: number(weather::TEMPERATURE),
            wind_speed: number(weather::WIND_SPEED),
            wind_gust: number(weather::WIND_GUST),
            precipitation: number(weather::PRECIPITATION),
            visibility: number(weather::VISIBILITY),
            pressure: number(weather::PRESSURE),
        };
        ((columns[weather::ORIGIN].to_owned(), line.time), reading)
    };
    lines.iter().map(reading).collect()
}

/// A decimal as hundredths, so that it compares.
#[expect(clippy::cast_possible_truncation, reason = "weather and delays are far below the limits of an i64")]
pub(crate) fn hundredths(number: f64) -> i64 {
    (number * 100.0).round() as i64
}

/// sum / count in hundredths, rounded half away from zero, by integers alone.
fn mean_hundredths(sum: i64, count: u64) -> Option<i64> {
    let count = i64::try_from(count).ok().filter(|count| *count > 0)?;
    let (twice, sign) = (sum.abs() * 200, sum.signum());
    Some(sign * ((twice + count) / (2 * count)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn january_adds_up() {
        let month = Month::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../data")).unwrap();
        let truth = Truth::of(&month);
        assert_eq!((truth.late.len(), truth.joined.len(), truth.carriers.len()), (3_350, 27_004, 16));
        assert_eq!(truth.carriers.values().map(|carrier| carrier.cancelled).sum::<u64>(), 521);
        assert!(truth.joined.iter().all(|joined| joined.weather.is_some()));
    }
    #[test]
    fn a_mean_is_rounded_half_away_from_zero() {
        assert_eq!(mean_hundredths(1, 3), Some(33));
        assert_eq!(mean_hundredths(-1, 8), Some(-13));
        assert_eq!(mean_hundredths(1, 8), Some(13));
        assert_eq!(mean_hundredths(5, 0), None);
    }
}
