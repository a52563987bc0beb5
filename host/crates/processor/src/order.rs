//! Which input is next: the one whose next record has the smallest timestamp, so that a task with several inputs sees
//! them in the order of event time. Pure but for the inputs it looks at.
//!
//! The rule: while every input has records, the smallest next timestamp goes first, of equal ones the first input's. When
//! an input has run dry, the others wait for it at most `join_idle_ms`, then go on without it until it has records again. They
//! do not wait when the dry input already gave a record as young as the one that is next.

use crate::input::Input;
use potok_types::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// These of the input's ready records.
    Run { input: usize, range: Range<usize> },
    /// Wait so long for an input that has run dry.
    Wait(Duration),
    /// No input has a record.
    Nothing,
}

/// Since when inputs are dry, by the monotonic clock.
#[derive(Debug)]
pub(crate) struct Idle {
    bound: Duration,
    since: Vec<Option<Duration>>,
}

impl Idle {
    pub(crate) fn new(bound: Duration, inputs: usize) -> Idle {
        Idle { bound, since: vec![None; inputs] }
    }
    /// Chooses among inputs that were filled before.
    pub(crate) fn choose(&mut self, inputs: &[Input], now: Duration) -> Choice {
        let heads: Vec<_> = inputs.iter().map(|input| (input.next_timestamp(), input.newest)).collect();
        let Some((best, at)) = self.best(&heads) else { return Choice::Nothing };
        if let Some(wait) = self.wait(&heads, at, now) {
            return Choice::Wait(wait);
        }
        let input = &inputs[best];
        let bound = run_bound(&heads, best);
        let ready = input.ready();
        let len = match bound {
            None => ready.len(),
            Some(bound) => {
                ready.clone().take_while(|i| bound.allows(input.records().timestamp(*i))).count().max(1)
            }
        };
        Choice::Run { input: best, range: ready.start..ready.start + len }
    }
    fn best(&self, heads: &[(Option<Timestamp>, Option<Timestamp>)]) -> Option<(usize, Timestamp)> {
        heads
            .iter()
            .enumerate()
            .filter_map(|(i, head)| head.0.map(|at| (i, at)))
            .min_by_key(|(i, at)| (*at, *i))
    }
    /// How long to wait for a dry input before the record of time `at` may go; none when it may go now.
    fn wait(
        &mut self,
        heads: &[(Option<Timestamp>, Option<Timestamp>)],
        at: Timestamp,
        now: Duration,
    ) -> Option<Duration> {
        let mut longest = None;
        for (since, (next, newest)) in self.since.iter_mut().zip(heads) {
            if next.is_some() {
                *since = None;
                continue;
            }
            let waited = now.saturating_sub(*since.get_or_insert(now));
            if *newest < Some(at) && waited < self.bound {
                longest = longest.max(Some(self.bound - waited));
            }
        }
        longest
    }
}

/// Up to where a run may go before another input's record is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    at: Timestamp,
    /// The other input comes later in the list, so that ours goes first at the same time.
    ours_first: bool,
}

impl Bound {
    fn allows(self, at: Timestamp) -> bool {
        at < self.at || (at == self.at && self.ours_first)
    }
}

fn run_bound(heads: &[(Option<Timestamp>, Option<Timestamp>)], best: usize) -> Option<Bound> {
    let others = heads.iter().enumerate().filter(|(i, _)| *i != best);
    others.filter_map(|(i, head)| head.0.map(|at| Bound { at, ours_first: best < i })).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(list: &[(Option<i64>, Option<i64>)]) -> Vec<(Option<Timestamp>, Option<Timestamp>)> {
        list.iter().map(|(a, b)| (a.map(Timestamp), b.map(Timestamp))).collect()
    }
    const BOUND: Duration = Duration::from_millis(500);
    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_smallest_timestamp_goes_first_and_of_equal_ones_the_first_input() {
        let idle = Idle::new(BOUND, 3);
        let best = |list: &[_]| idle.best(&heads(list)).map(|b| b.0);
        assert_eq!(best(&[(Some(5), None), (Some(3), None), (Some(4), None)]), Some(1));
        assert_eq!(best(&[(Some(3), None), (Some(3), None), (None, None)]), Some(0));
        assert_eq!(best(&[(None, None), (None, None), (None, None)]), None);
    }
    #[test]
    fn a_run_ends_where_another_input_is_due() {
        let bound = run_bound(&heads(&[(Some(3), None), (Some(7), None), (Some(9), None)]), 0).unwrap();
        assert!(bound.allows(Timestamp(7)) && !bound.allows(Timestamp(8)));
        let bound = run_bound(&heads(&[(Some(7), None), (Some(3), None)]), 1).unwrap();
        assert!(bound.allows(Timestamp(6)) && !bound.allows(Timestamp(7)));
        assert_eq!(run_bound(&heads(&[(Some(7), None), (None, None)]), 0), None);
    }
    #[test]
    fn a_dry_input_is_waited_for_once_and_only_so_long() {
        let mut idle = Idle::new(BOUND, 2);
        let dry = heads(&[(Some(100), None), (None, Some(50))]);
        assert_eq!(idle.wait(&dry, Timestamp(100), ms(1_000)), Some(BOUND));
        assert_eq!(idle.wait(&dry, Timestamp(100), ms(1_200)), Some(ms(300)));
        assert_eq!(idle.wait(&dry, Timestamp(100), ms(1_500)), None);
        assert_eq!(
            idle.wait(&dry, Timestamp(101), ms(1_501)),
            None,
            "it goes on without waiting for each record"
        );
        let full = heads(&[(Some(102), None), (Some(102), Some(50))]);
        assert_eq!(idle.wait(&full, Timestamp(102), ms(1_502)), None);
        assert_eq!(
            idle.wait(&dry, Timestamp(103), ms(1_503)),
            Some(BOUND),
            "it had records again: a new wait"
        );
        let young = heads(&[(Some(100), None), (None, Some(100))]);
        assert_eq!(Idle::new(BOUND, 2).wait(&young, Timestamp(100), ms(0)), None);
    }
}
