//! The thread that syncs the journal for those who asked for it, all that wait by one sync.
//! In come answers that may go out once everything written so far is on disk; nobody else waits for them.
//! Invariant: after a failed sync there is no other one (the kernel may have dropped the pages and would report success):
//! the log refuses writes from then on.

use super::answer::Answer;
use super::group::io_failure;
use super::health::Refusal;
use super::journal::Journal;
use parking_lot::{Condvar, Mutex};

/// Answers that wait for a sync.
#[derive(Debug, Default)]
pub(super) struct SyncQueue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: Vec<Answer>,
    closed: bool,
}

impl SyncQueue {
    /// Answers to give after the next sync. What they are about is written already.
    pub(super) fn push(&self, answers: &mut Vec<Answer>) {
        let mut waiting = self.waiting.lock();
        waiting.answers.append(answers);
        drop(waiting);
        self.filled.notify_one();
    }
    /// Ends the thread once nothing waits.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_one();
    }
    fn take(&self) -> Option<Vec<Answer>> {
        let mut waiting = self.waiting.lock();
        while waiting.answers.is_empty() {
            if waiting.closed {
                return None;
            }
            self.filled.wait(&mut waiting);
        }
        Some(std::mem::take(&mut waiting.answers))
    }
}

/// The thread's whole life.
pub(super) fn run(queue: &SyncQueue, journal: &Journal, refusal: &Refusal) {
    while let Some(answers) = queue.take() {
        let outcome = sync(journal, refusal);
        for answer in answers {
            answer.give(outcome.clone());
        }
    }
}

/// Syncs what was written so far; the first failure is the last sync.
pub(super) fn sync(journal: &Journal, refusal: &Refusal) -> Result<(), crate::error::StoreError> {
    refusal.check()?;
    journal.sync().map_err(|error| {
        refusal.refuse(&format!("a sync of the journal failed: {error}"));
        io_failure(error)
    })
}
