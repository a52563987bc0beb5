//! Log lines of a task on their way to the topic `_potok.logs`: rate-limited where they are written, kept in the next
//! unit. Lines of a call that failed are kept as well: they are what its author needs most.
//!
//! A line is a record: key the processor's name, value JSON such as
//! `{"time":1357034400000,"level":"info","from":"guest","partition":0,"module":"<64 hex digits>","message":"…"}`.

use crate::settings::{LINE_LEN_MAX, LINES_WAITING_MAX};
use potok_plugin::LogLevel;
use potok_types::{Digest, PartitionIndex, Timestamp};
use serde::{Deserialize, Serialize};

/// One line as its topic keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time: Timestamp,
    /// How loud.
    pub level: LogLevel,
    /// `guest` or `host`.
    pub from: String,
    /// Of which task.
    pub partition: PartitionIndex,
    /// Which module ran.
    pub module: Digest,
    /// The line.
    pub message: String,
}

/// Lines waiting for a unit, and the rate that they may come at.
#[derive(Debug)]
pub(crate) struct Lines {
    partition: PartitionIndex,
    module: Digest,
    per_second: u32,
    /// Lines that may still come, in thousandths, so that slow rates need no fractions.
    tokens_milli: u64,
    refilled_at: Timestamp,
    waiting: Vec<LogLine>,
    dropped: u64,
}

impl Lines {
    pub(crate) fn new(partition: PartitionIndex, module: Digest, per_second: u32, now: Timestamp) -> Lines {
        let tokens_milli = u64::from(per_second) * 1_000;
        Lines {
            partition,
            module,
            per_second,
            tokens_milli,
            refilled_at: now,
            waiting: Vec::new(),
            dropped: 0,
        }
    }
    /// Lets time pass.
    pub(crate) fn refill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.0.saturating_sub(self.refilled_at.0)).unwrap_or(0);
        let full = u64::from(self.per_second) * 1_000;
        self.tokens_milli = (self.tokens_milli + passed.saturating_mul(u64::from(self.per_second))).min(full);
        self.refilled_at = now;
    }
    /// A line of the guest; dropped and counted when it is over the rate.
    pub(crate) fn guest(&mut self, now: Timestamp, level: LogLevel, message: String) {
        if self.tokens_milli < 1_000 || self.waiting.len() >= LINES_WAITING_MAX {
            self.dropped += 1;
            return;
        }
        self.tokens_milli -= 1_000;
        self.push(now, level, "guest", message);
    }
    /// A line of the host about this task. It has no rate: each is an event that was counted elsewhere.
    pub(crate) fn host(&mut self, now: Timestamp, level: LogLevel, message: String) {
        if self.waiting.len() >= LINES_WAITING_MAX {
            self.dropped += 1;
            return;
        }
        self.push(now, level, "host", message);
    }
    fn push(&mut self, time: Timestamp, level: LogLevel, from: &str, mut message: String) {
        cut(&mut message, LINE_LEN_MAX);
        let (partition, module) = (self.partition, self.module);
        self.waiting.push(LogLine { time, level, from: from.to_owned(), partition, module, message });
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
    pub(crate) fn take(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.waiting)
    }
    /// Lines dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Cuts a text to at most `len_max` bytes, at the start of a character.
pub(crate) fn cut(text: &mut String, len_max: usize) {
    if text.len() > len_max {
        let end = (0..=len_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_rate_are_counted_and_time_brings_new_ones() {
        let mut lines = Lines::new(PartitionIndex(0), Digest([0; 32]), 2, Timestamp(0));
        for i in 0..5 {
            lines.guest(Timestamp(0), LogLevel::Info, i.to_string());
        }
        lines.host(Timestamp(0), LogLevel::Warn, "host".into());
        assert_eq!((lines.take().len(), lines.dropped()), (3, 3));
        lines.refill(Timestamp(499));
        lines.guest(Timestamp(499), LogLevel::Info, "early".into());
        lines.refill(Timestamp(500));
        lines.guest(Timestamp(500), LogLevel::Info, "in time".into());
        assert_eq!(lines.take().into_iter().map(|l| l.message).collect::<Vec<_>>(), vec!["in time"]);
    }
    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut text = "aé".repeat(10);
        cut(&mut text, 5);
        assert_eq!(text, "aéa");
    }
}
