//! Log lines of a task on their way to the topic `_potok.logs`: rate-limited where they are written, kept in the next
//! unit. Lines of a call that failed are kept as well: they are what its author needs most. The guest and the host have a rate each,
//! so that neither hides what the other says, and a task that reads that topic writes nothing there: it would feed itself for ever.
//!
//! A line is a record: key the processor's name, value JSON such as
//! `{"time":1357034400000,"level":"info","from":"guest","partition":0,"module":"<64 hex digits>","message":"…"}`.

use crate::settings::{HOST_LINES_PER_SECOND, LINE_LEN_MAX, LINES_WAITING_MAX};
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

/// How many lines a second may still come.
#[derive(Debug)]
struct Rate {
    per_second: u32,
    /// In thousandths, so that slow rates need no fractions.
    tokens_milli: u64,
}

impl Rate {
    fn new(per_second: u32) -> Rate {
        Rate { per_second, tokens_milli: u64::from(per_second) * 1_000 }
    }
    fn refill(&mut self, passed_ms: u64) {
        let (rate, full) = (u64::from(self.per_second), u64::from(self.per_second) * 1_000);
        self.tokens_milli = self.tokens_milli.saturating_add(passed_ms.saturating_mul(rate)).min(full);
    }
    fn take(&mut self) -> bool {
        let left = self.tokens_milli.checked_sub(1_000);
        self.tokens_milli = left.unwrap_or(self.tokens_milli);
        left.is_some()
    }
}

/// Lines waiting for a unit, and the rates that they may come at.
#[derive(Debug)]
pub(crate) struct Lines {
    partition: PartitionIndex,
    module: Digest,
    guest: Rate,
    host: Rate,
    refilled_at: Timestamp,
    waiting: Vec<LogLine>,
    dropped: u64,
}

impl Lines {
    pub(crate) fn new(partition: PartitionIndex, module: Digest, per_second: u32, now: Timestamp) -> Lines {
        let (guest, host) = (Rate::new(per_second), Rate::new(HOST_LINES_PER_SECOND));
        Lines { partition, module, guest, host, refilled_at: now, waiting: Vec::new(), dropped: 0 }
    }
    /// Those of a task that reads what it would write: each is dropped and counted.
    pub(crate) fn none(partition: PartitionIndex, module: Digest, now: Timestamp) -> Lines {
        Lines { host: Rate::new(0), ..Lines::new(partition, module, 0, now) }
    }
    /// Lets time pass.
    pub(crate) fn refill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.0.saturating_sub(self.refilled_at.0)).unwrap_or(0);
        self.guest.refill(passed);
        self.host.refill(passed);
        self.refilled_at = now;
    }
    /// A line of the guest; dropped and counted when it is over the rate.
    pub(crate) fn guest(&mut self, now: Timestamp, level: LogLevel, message: String) {
        let within = self.guest.take();
        self.push(within, now, level, "guest", message);
    }
    /// A line of the host about this task; the same. What it tells of is counted elsewhere.
    pub(crate) fn host(&mut self, now: Timestamp, level: LogLevel, message: String) {
        let within = self.host.take();
        self.push(within, now, level, "host", message);
    }
    fn push(&mut self, within: bool, time: Timestamp, level: LogLevel, from: &str, mut message: String) {
        if !within || self.waiting.len() >= LINES_WAITING_MAX {
            self.dropped += 1;
            return;
        }
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
    fn the_host_has_a_rate_of_its_own_and_a_task_that_reads_its_lines_has_none() {
        let mut lines = Lines::new(PartitionIndex(0), Digest([0; 32]), 2, Timestamp(0));
        (0..1_000).for_each(|_| lines.host(Timestamp(0), LogLevel::Warn, "refused".into()));
        lines.guest(Timestamp(0), LogLevel::Info, "heard".into());
        assert_eq!(lines.dropped(), 1_000 - u64::from(HOST_LINES_PER_SECOND));
        assert_eq!(lines.take().pop().unwrap().message, "heard");
        let mut none = Lines::none(PartitionIndex(0), Digest([0; 32]), Timestamp(0));
        none.refill(Timestamp(10_000));
        none.host(Timestamp(10_000), LogLevel::Warn, "unheard".into());
        assert!(none.is_empty() && none.dropped() == 1);
    }
    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut text = "aé".repeat(10);
        cut(&mut text, 5);
        assert_eq!(text, "aéa");
    }
}
