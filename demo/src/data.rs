//! The month as it lies in `data/`: lines of two gzipped CSV files, merged in the order of time.
//! In come files, out go records ready to be sent. Each line is taken as it stands; only its key and its time are looked at.

use flate2::read::GzDecoder;
use potok_host::exit::Failure;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// A line of one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// When it happened (a flight: when it was due), in milliseconds since 1970-01-01 UTC.
    pub(crate) time: i64,
    /// Carrier of a flight, airport of a reading.
    pub(crate) key: String,
    /// The line without its end.
    pub(crate) text: String,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Month {
    /// In order of time, ties in the order of the file.
    pub(crate) flights: Vec<Line>,
    /// Likewise.
    pub(crate) weather: Vec<Line>,
    /// Carrier to name.
    pub(crate) airlines: BTreeMap<String, String>,
}

/// Columns of `flights.csv`, counted from 0.
pub(crate) mod flight {
    pub(crate) const DEP_DELAY: usize = 5;
    pub(crate) const CARRIER: usize = 9;
    pub(crate) const FLIGHT: usize = 10;
    pub(crate) const TAIL_NUMBER: usize = 11;
    pub(crate) const ORIGIN: usize = 12;
    pub(crate) const DEST: usize = 13;
    pub(crate) const MINUTE: usize = 17;
    pub(crate) const TIME_HOUR: usize = 18;
    pub(crate) const COLUMNS: usize = 19;
}

/// Columns of `weather.csv`, counted from 0.
pub(crate) mod weather {
    pub(crate) const ORIGIN: usize = 0;
    pub(crate) const TEMPERATURE: usize = 5;
    pub(crate) const WIND_SPEED: usize = 9;
    pub(crate) const WIND_GUST: usize = 10;
    pub(crate) const PRECIPITATION: usize = 11;
    pub(crate) const PRESSURE: usize = 12;
    pub(crate) const VISIBILITY: usize = 13;
    pub(crate) const TIME_HOUR: usize = 14;
    pub(crate) const COLUMNS: usize = 15;
}

impl Month {
    /// Reads `january-2013/*.csv.gz` and `airlines.csv` of this folder.
    pub(crate) fn load(folder: &Path) -> Result<Month, Failure> {
        let month = folder.join("january-2013");
        let mut flights = lines(&month.join("flights.csv.gz"), |columns| {
            (columns.len() == flight::COLUMNS).then_some(())?;
            let minute: i64 = columns[flight::MINUTE].parse().ok()?;
            Some((millis(columns[flight::TIME_HOUR])? + minute * MINUTE_MS, columns[flight::CARRIER]))
        })?;
        let mut weather = lines(&month.join("weather.csv.gz"), |columns| {
            (columns.len() == weather::COLUMNS).then_some(())?;
            Some((millis(columns[weather::TIME_HOUR])?, columns[weather::ORIGIN]))
        })?;
        // Stable, so that ties keep the order of the file.
        flights.sort_by_key(|line| line.time);
        weather.sort_by_key(|line| line.time);
        Ok(Month { flights, weather, airlines: airlines(&folder.join("airlines.csv"))? })
    }
}

/// An RFC 3339 time in milliseconds since 1970-01-01 UTC.
pub(crate) fn millis(text: &str) -> Option<i64> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn lines(
    path: &Path,
    look: impl for<'a> Fn(&[&'a str]) -> Option<(i64, &'a str)>,
) -> Result<Vec<Line>, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", path, &error);
    let file = BufReader::new(GzDecoder::new(File::open(path).map_err(failed)?));
    let mut lines = Vec::new();
    for (index, text) in file.lines().enumerate().skip(1) {
        let text = text.map_err(failed)?;
        // No field of these files is quoted, so a comma always parts two columns.
        let columns: Vec<&str> = text.split(',').collect();
        let wrong =
            || Failure::failed(format!("{} line {} is no line of that file", path.display(), index + 1));
        let (time, key) = look(&columns).map(|(time, key)| (time, key.to_owned())).ok_or_else(wrong)?;
        lines.push(Line { time, key, text });
    }
    Ok(lines)
}

fn airlines(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| Failure::file("read", path, &error))?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize::<(String, String)>();
    rows.collect::<Result<_, _>>().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_is_whole_and_in_order() {
        let month = Month::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../data")).unwrap();
        assert_eq!((month.flights.len(), month.weather.len(), month.airlines.len()), (27_004, 2_226, 16));
        assert!(
            month.flights.is_sorted_by_key(|line| line.time)
                && month.weather.is_sorted_by_key(|line| line.time)
        );
        assert_eq!(month.flights[0].time, 1_357_035_300_000, "2013-01-01T10:15:00Z");
    }
}
