//! One line of `weather.csv`.
//! In: its 15 columns. Out: those that the examples need. Invariant: numbers are rounded to hundredths, which is finer than the sensors
//! are: the file has some in converted units with noise behind the decimal point.

use crate::{Columns, LineError};
use potok_sdk::Timestamp;
use serde::{Deserialize, Serialize};

/// An airport's weather at an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Weather<'a> {
    /// The airport.
    pub origin: &'a str,
    /// What was measured.
    pub reading: Reading,
}

/// What a sensor measured. `None` is what it did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When.
    pub observed: Timestamp,
    /// Degrees Fahrenheit.
    pub temperature_f: Option<f64>,
    /// Miles an hour.
    pub wind_speed_mph: Option<f64>,
    /// Miles an hour.
    pub wind_gust_mph: Option<f64>,
    /// Inches in the hour.
    pub precipitation_in: Option<f64>,
    /// Miles.
    pub visibility_mi: Option<f64>,
    /// Hectopascals at sea level.
    pub pressure_hpa: Option<f64>,
}

impl<'a> Weather<'a> {
    /// Reads a line.
    pub fn parse(line: &'a str) -> Result<Weather<'a>, LineError> {
        let columns = Columns::<15>::of(line)?;
        let measured = |index, column| {
            let value: Option<f64> = columns.optional_number(index, column)?;
            match value {
                Some(value) if !value.is_finite() => Err(columns.wrong(index, column)),
                value => Ok(value.map(|value| (value * 100.0).round() / 100.0)),
            }
        };
        Ok(Weather {
            origin: columns.text(0, "origin")?,
            reading: Reading {
                observed: columns.time(14, "time_hour")?,
                temperature_f: measured(5, "temp")?,
                wind_speed_mph: measured(9, "wind_speed")?,
                wind_gust_mph: measured(10, "wind_gust")?,
                precipitation_in: measured(11, "precip")?,
                visibility_mi: measured(13, "visib")?,
                pressure_hpa: measured(12, "pressure")?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "EWR,2013,1,1,5,39.02,28.04,64.43,260,12.658579999999999,NA,0,1011.9,10,2013-01-01T10:00:00Z";

    #[test]
    fn a_line_has_its_reading() {
        let weather = Weather::parse(LINE).unwrap();
        assert_eq!(
            (weather.origin, weather.reading.observed.to_string().as_str()),
            ("EWR", "2013-01-01T10:00:00Z")
        );
        assert_eq!((weather.reading.wind_speed_mph, weather.reading.wind_gust_mph), (Some(12.66), None));
        assert_eq!(
            (weather.reading.precipitation_in, weather.reading.pressure_hpa),
            (Some(0.0), Some(1011.9))
        );
    }
    #[test]
    fn what_is_wrong_is_named() {
        let cold = LINE.replace("39.02", "cold");
        assert_eq!(Weather::parse(&cold).unwrap_err().to_string(), "column `temp` holds \"cold\"");
        let endless = LINE.replace("39.02", "inf");
        assert_eq!(Weather::parse(&endless).unwrap_err().to_string(), "column `temp` holds \"inf\"");
        assert_eq!(Weather::parse("EWR").unwrap_err(), LineError::Columns { want: 15, have: 1 });
    }
}
