//! The lines of `flights.csv` and `weather.csv` (New York, 2013) as types, shared by the examples.
//! In: one line, without its header. Out: a [`Flight`] or a [`Weather`], borrowing from the line, or the column that is wrong.
//! Invariant: nothing is guessed: `NA` is `None` where the file may have it, and an error everywhere else.

mod flight;
#[cfg(feature = "january")]
pub mod january;
mod weather;

pub use flight::Flight;
pub use weather::{Reading, Weather};

use potok_sdk::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A line that is none of the file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// Too few or too many columns.
    Columns {
        /// How many the file has.
        want: usize,
        /// How many the line has.
        have: usize,
    },
    /// A column holds something else.
    Value {
        /// Its name in the file's header.
        column: &'static str,
        /// What it holds.
        value: String,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Columns { want, have } => write!(f, "the line has {have} columns instead of {want}"),
            LineError::Value { column, value } => write!(f, "column `{column}` holds {value:?}"),
        }
    }
}
impl std::error::Error for LineError {}

/// The columns of a line, each by its number from 0 with its name for the error.
struct Columns<'a, const N: usize>([&'a str; N]);

impl<'a, const N: usize> Columns<'a, N> {
    fn of(line: &'a str) -> Result<Columns<'a, N>, LineError> {
        let mut columns = [""; N];
        let mut have = 0;
        for column in line.trim_end_matches(['\r', '\n']).split(',') {
            if let Some(place) = columns.get_mut(have) {
                *place = column;
            }
            have += 1;
        }
        if have == N { Ok(Columns(columns)) } else { Err(LineError::Columns { want: N, have }) }
    }
    fn wrong(&self, index: usize, column: &'static str) -> LineError {
        LineError::Value { column, value: self.0[index].chars().take(VALUE_LEN_SHOWN).collect() }
    }
    fn text(&self, index: usize, column: &'static str) -> Result<&'a str, LineError> {
        self.optional_text(index).ok_or_else(|| self.wrong(index, column))
    }
    fn optional_text(&self, index: usize) -> Option<&'a str> {
        Some(self.0[index]).filter(|text| !matches!(*text, "" | NOT_AVAILABLE))
    }
    fn number<T: FromStr>(&self, index: usize, column: &'static str) -> Result<T, LineError> {
        self.0[index].parse().map_err(|_| self.wrong(index, column))
    }
    fn optional_number<T: FromStr>(
        &self,
        index: usize,
        column: &'static str,
    ) -> Result<Option<T>, LineError> {
        if self.0[index] == NOT_AVAILABLE { Ok(None) } else { self.number(index, column).map(Some) }
    }
    fn time(&self, index: usize, column: &'static str) -> Result<Timestamp, LineError> {
        Timestamp::parse(self.0[index]).map_err(|_| self.wrong(index, column))
    }
}

/// How the file writes what is not known.
const NOT_AVAILABLE: &str = "NA";
/// Characters of a wrong value that its error shows.
const VALUE_LEN_SHOWN: usize = 40;
