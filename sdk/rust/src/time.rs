//! Time as Potok counts it: milliseconds since 1970-01-01 UTC.
//! In: the host's clocks, RFC 3339 text. Out: [`Timestamp`]s. Invariant: the clock stands still during one call, so that a call can be
//! replayed. Calendars and time zones are left to other crates.

use crate::host;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// The host's clock. It stands still during one call.
pub fn now() -> Timestamp {
    host::now()
}

/// The largest timestamp that this task had seen before the call at work; `None` before the first record.
pub fn stream_time() -> Option<Timestamp> {
    host::stream_time()
}

/// Milliseconds since 1970-01-01 UTC. As text and in JSON: RFC 3339, as `2013-01-01T10:00:00Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Text that is no moment in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampError(String);

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no time such as 2013-01-01T10:00:00Z", self.0)
    }
}
impl std::error::Error for TimestampError {}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Timestamp {
    /// Reads `2013-01-01T10:00:00Z`, with a fraction of a second of up to nine digits if there is one; only UTC (`Z`).
    pub fn parse(text: &str) -> Result<Timestamp, TimestampError> {
        parse(text.as_bytes()).ok_or_else(|| TimestampError(text.chars().take(40).collect()))
    }
    /// This much later; stops at the end of time.
    pub fn after(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(time)))
    }
    /// This much earlier; stops at the beginning of time.
    pub fn before(self, time: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis(time)))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (&[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1], rest) =
        text.split_first_chunk::<19>()?
    else {
        return None;
    };
    let (year, month, day) = (number(&[y0, y1, y2, y3])?, number(&[m0, m1])?, number(&[d0, d1])?);
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[n0, n1])?, number(&[s0, s1])?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if day == 0 || civil_from_days(days) != (year, month, day) {
        return None;
    }
    let fraction = match rest {
        b"Z" => 0,
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => thousandths(digits)?,
        _ => return None,
    };
    Some(Timestamp(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + fraction))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

fn thousandths(digits: &[u8]) -> Option<i64> {
    number(digits)?;
    let padded: Vec<u8> = digits.iter().copied().chain([b'0'; 3]).take(3).collect();
    number(&padded)
}

/// Days since 1970-01-01 of a day in the Gregorian calendar; eras of 400 years begin on 1 March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if ms % 1000 != 0 {
            write!(f, ".{:03}", ms % 1000)?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Timestamp);
        }
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Timestamp::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<i64>) {
        assert_eq!(Timestamp::parse(text).ok().map(|t| t.0), expect, "{text}");
    }
    #[test]
    fn rfc_3339_in_utc_is_read_to_the_millisecond() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2013-01-01T10:00:00Z", Some(1_357_034_400_000));
        check("2000-02-29T23:59:59.999Z", Some(951_868_799_999));
        check("1969-12-31T23:59:59.9Z", Some(-100));
        check("2013-01-01T10:00:00.123456789Z", Some(1_357_034_400_123));
    }
    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "2013", "2013-02-29T00:00:00Z", "2013-13-01T00:00:00Z", "2013-01-00T00:00:00Z"] {
            check(text, None);
        }
        for text in [
            "2013-01-01T24:00:00Z",
            "2013-01-01T10:00:00",
            "2013-01-01T10:00:00+01:00",
            "2013-01-01T10:00:00.Z",
        ] {
            check(text, None);
        }
        check("2013-01-01T10:00:00.12x4Z", None);
        check("２013-01-01T10:00:00Z", None);
    }
    #[test]
    fn text_and_number_agree_over_five_centuries() {
        for day in (-90_000..90_000).step_by(7) {
            let at = Timestamp(day * DAY_MS + day.rem_euclid(1000) * 86_399);
            assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        }
    }
    #[test]
    fn json_has_the_text() {
        let json = serde_json::to_string(&Timestamp(1)).unwrap();
        assert_eq!(json, "\"1970-01-01T00:00:00.001Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), Timestamp(1));
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }
}
