//! What a record's failure is: refused for ever, or tried again later.
//! In: any error, or a sentence. Out: [`Failure`]. Invariant: every failure has a reason that a person can read.
//! What becomes of a refused record is the deployment's choice.

use std::fmt;

/// Why a record was not processed. `?` on any error makes a refusal of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    pub(crate) retry: bool,
    pub(crate) reason: String,
}

impl Failure {
    /// This record can never succeed: it becomes a dead letter (or what else the deployment says), and the next one comes.
    pub fn refuse(reason: impl fmt::Display) -> Failure {
        Failure { retry: false, reason: reason.to_string() }
    }
    /// Something is away for now: the host waits, longer each time, and comes again with this record and those after it.
    pub fn retry(reason: impl fmt::Display) -> Failure {
        Failure { retry: true, reason: reason.to_string() }
    }
    /// Whether it asks to be tried again.
    pub fn is_retry(&self) -> bool {
        self.retry
    }
    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.retry { "retry" } else { "refuse" }, self.reason)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        Failure { retry: false, reason }
    }
}

/// Says what failed, and what follows from it: `text.parse::<u32>().or_refuse("distance")?`.
pub trait OrFail<T> {
    /// Refuses the record with this reason, and the error's if there is one.
    fn or_refuse(self, what: impl fmt::Display) -> Result<T, Failure>;
    /// Asks for the record again later, with this reason, and the error's if there is one.
    fn or_retry(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_refuse(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|e| Failure::refuse(format_args!("{what}: {e}")))
    }
    fn or_retry(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|e| Failure::retry(format_args!("{what}: {e}")))
    }
}

impl<T> OrFail<T> for Option<T> {
    fn or_refuse(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::refuse(what))
    }
    fn or_retry(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::retry(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_refusal_with_its_causes() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("column 6")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let failure: Failure = "x".parse::<u32>().map_err(Outer).unwrap_err().into();
        assert_eq!(format!("{failure:?}"), "refuse: column 6: invalid digit found in string");
    }
    #[test]
    fn results_and_options_say_what_failed() {
        let refused = "x".parse::<u32>().or_refuse("distance").unwrap_err();
        assert_eq!(refused, Failure::refuse("distance: invalid digit found in string"));
        assert_eq!(None::<u8>.or_retry("no rates yet").unwrap_err(), Failure::retry("no rates yet"));
    }
}
