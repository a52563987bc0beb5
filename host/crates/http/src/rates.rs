//! Records a second of every task, over the last seconds: counters are looked at every few seconds, and a rate is the
//! difference between the newest look and the oldest that is kept.

use parking_lot::Mutex;
use potok_processor::ProcessorStatus;
use potok_types::{PartitionIndex, ProcessorName};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Time between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks that are kept: with the time between them, rates are over ten seconds.
const LOOKS_MAX: usize = 6;

/// Looks of every task.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    looks: Mutex<HashMap<(ProcessorName, PartitionIndex), Looks>>,
}

#[derive(Debug, Default)]
struct Looks(VecDeque<Look>);

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    records_in: u64,
    records_out: u64,
}

/// Records a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) records_in: f64,
    pub(crate) records_out: f64,
}

impl Rates {
    /// Takes a look; tasks that are no longer there are forgotten.
    pub(crate) fn look(&self, at: Duration, processors: &[ProcessorStatus]) {
        let mut looks = self.looks.lock();
        let mut before = std::mem::take(&mut *looks);
        for processor in processors {
            for task in &processor.tasks {
                let key = (processor.deployment.name.clone(), task.partition);
                let mut of_task = before.remove(&key).unwrap_or_default();
                of_task.add(Look { at, records_in: task.records_in, records_out: task.records_out });
                looks.insert(key, of_task);
            }
        }
    }
    /// The rate of a task; 0 before it was looked at twice.
    pub(crate) fn of(&self, name: &ProcessorName, partition: PartitionIndex) -> Rate {
        let looks = self.looks.lock();
        looks.get(&(name.clone(), partition)).map_or(Rate::default(), Looks::rate)
    }
}

impl Looks {
    fn add(&mut self, look: Look) {
        if self.0.len() == LOOKS_MAX {
            self.0.pop_front();
        }
        // a counter that fell was begun anew: what was seen of it before says nothing
        if self.0.back().is_some_and(|last| look.records_in < last.records_in) {
            self.0.clear();
        }
        self.0.push_back(look);
    }
    fn rate(&self) -> Rate {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Rate::default() };
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rate::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let rate = |first: u64, last: u64| last.saturating_sub(first) as f64 / seconds;
        Rate {
            records_in: rate(first.records_in, last.records_in),
            records_out: rate(first.records_out, last.records_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_over_the_last_looks_and_begins_anew_with_its_counter() {
        let mut looks = Looks::default();
        let look = |seconds, records_in| Look {
            at: Duration::from_secs(seconds),
            records_in,
            records_out: records_in / 2,
        };
        assert_eq!(looks.rate(), Rate::default());
        for i in 0..20 {
            looks.add(look(2 * i, 1_000 * i));
        }
        assert_eq!(looks.rate(), Rate { records_in: 500.0, records_out: 250.0 });
        looks.add(look(40, 10));
        assert_eq!(looks.rate(), Rate::default());
        looks.add(look(42, 30));
        assert_eq!(looks.rate().records_in, 10.0);
    }
}
