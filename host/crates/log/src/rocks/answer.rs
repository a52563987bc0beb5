//! What a caller of the writer waits for. In comes whether the write (or sync) succeeded, out goes the answer to that
//! caller alone. Invariant: an answer is given once; a caller that has gone away costs nothing.

use crate::api::{Appended, UnitResult};
use crate::error::{AppendError, CommitError, StoreError};
use tokio::sync::oneshot;

/// Results of one call's appends, in its order.
pub(super) type AppendResults = Vec<Result<Appended, AppendError>>;

/// An answer that waits for its write.
pub(super) enum Answer {
    /// To an append.
    Append(oneshot::Sender<AppendResults>, AppendResults),
    /// To a unit.
    Commit(oneshot::Sender<Result<UnitResult, CommitError>>, UnitResult),
    /// To anything else.
    Other(Box<dyn FnOnce(Result<(), StoreError>) + Send>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer")
    }
}

impl Answer {
    /// Gives it; a failure takes the place of every success in it.
    pub(super) fn give(self, outcome: Result<(), StoreError>) {
        match (self, outcome) {
            (Answer::Append(to, results), Ok(())) => drop(to.send(results)),
            (Answer::Append(to, results), Err(error)) => {
                let fail = |result: Result<Appended, AppendError>| result.and(Err(error.clone().into()));
                drop(to.send(results.into_iter().map(fail).collect()));
            }
            (Answer::Commit(to, result), Ok(())) => drop(to.send(Ok(result))),
            (Answer::Commit(to, _), Err(error)) => drop(to.send(Err(error.into()))),
            (Answer::Other(to), outcome) => to(outcome),
        }
    }
}
