//! One line of `flights.csv`.
//! In: its 19 columns. Out: those that the examples need. Invariant: a flight has a delay exactly when it departed.

use crate::{Columns, LineError};
use potok_sdk::Timestamp;
use std::time::Duration;

/// A flight out of New York.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight<'a> {
    /// The airline's two letters.
    pub carrier: &'a str,
    /// Its number with that airline.
    pub number: u32,
    /// From.
    pub origin: &'a str,
    /// To.
    pub dest: &'a str,
    /// The aircraft.
    pub tail_number: Option<&'a str>,
    /// The hour in which it was to depart.
    pub hour: Timestamp,
    /// When it was to depart.
    pub scheduled: Timestamp,
    /// How late it departed, in minutes, early ones below 0; `None` when it was cancelled.
    pub delay_minutes: Option<i32>,
}

const MINUTES_OF_AN_HOUR: u64 = 60;

impl<'a> Flight<'a> {
    /// Reads a line.
    pub fn parse(line: &'a str) -> Result<Flight<'a>, LineError> {
        let columns = Columns::<19>::of(line)?;
        let hour = columns.time(18, "time_hour")?;
        let minute: u64 = columns.number(17, "minute")?;
        if minute >= MINUTES_OF_AN_HOUR {
            return Err(columns.wrong(17, "minute"));
        }
        Ok(Flight {
            carrier: columns.text(9, "carrier")?,
            number: columns.number(10, "flight")?,
            origin: columns.text(12, "origin")?,
            dest: columns.text(13, "dest")?,
            tail_number: columns.optional_text(11),
            hour,
            scheduled: hour.after(Duration::from_secs(60 * minute)),
            delay_minutes: columns.optional_number(5, "dep_delay")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";

    #[test]
    fn a_line_has_its_flight() {
        let flight = Flight::parse(LINE).unwrap();
        assert_eq!((flight.carrier, flight.number, flight.origin, flight.dest), ("UA", 1545, "EWR", "IAH"));
        assert_eq!((flight.tail_number, flight.delay_minutes), (Some("N14228"), Some(2)));
        assert_eq!(flight.scheduled.to_string(), "2013-01-01T10:15:00Z");
    }
    #[test]
    fn a_cancelled_flight_has_no_delay() {
        let line = "2013,1,2,NA,1540,NA,NA,1747,NA,EV,4352,NA,EWR,CVG,NA,569,15,40,2013-01-02T20:00:00Z\r\n";
        let flight = Flight::parse(line).unwrap();
        assert_eq!((flight.delay_minutes, flight.tail_number), (None, None));
    }
    #[track_caller]
    fn check(from: &str, to: &str, expect: &str) {
        let line = LINE.replacen(from, to, 1);
        assert_ne!(line, LINE);
        assert_eq!(Flight::parse(&line).unwrap_err().to_string(), expect);
    }
    #[test]
    fn what_is_wrong_is_named() {
        check(",UA", "", "the line has 18 columns instead of 19");
        check("UA", "UA,x", "the line has 20 columns instead of 19");
        check("UA", "NA", "column `carrier` holds \"NA\"");
        check(",2,", ",late,", "column `dep_delay` holds \"late\"");
        check("1545", "-1", "column `flight` holds \"-1\"");
        check("5,15", "5,60", "column `minute` holds \"60\"");
        check("T10:00", " 10:00", "column `time_hour` holds \"2013-01-01 10:00:00Z\"");
        assert!(Flight::parse("").is_err());
    }
}
