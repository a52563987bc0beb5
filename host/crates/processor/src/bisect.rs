//! Finds the one record at which a guest fails, by halves. Pure: it is told how calls ended and says how many records the
//! next call gets. Invariant: when a call of one record fails, that record is to blame; nothing else is ever blamed.

/// The search over the records (or timers) at the head of one input.
#[derive(Debug)]
pub(crate) struct Bisect {
    max: usize,
    /// Records a call when nothing is suspected.
    limit: usize,
    /// So many records from the head hold the one that fails; 0 when nothing is known.
    suspect: usize,
    /// The largest call that went well during this search.
    went_well: usize,
    /// Calls that must go well before the limit grows again.
    hold: u32,
}

/// Calls at a limit that was found by failures of many records together, before a larger one is tried: a deadline that was
/// too short for 500 records is likely to be so again.
const HOLD_CALLS: u32 = 16;

impl Bisect {
    /// `max` records a call as long as all goes well.
    pub(crate) fn new(max: usize) -> Bisect {
        Bisect { max, limit: max, suspect: 0, went_well: 0, hold: 0 }
    }
    /// How many of the `available` records the next call gets; at least one.
    pub(crate) fn next_len(&self, available: usize) -> usize {
        let wanted = if self.suspect > 0 { self.suspect.div_ceil(2).min(self.suspect) } else { self.limit };
        wanted.min(available).max(1)
    }
    /// A call with `len` records failed. True: its one record is to blame.
    pub(crate) fn failed(&mut self, len: usize) -> bool {
        if len > 1 {
            if self.suspect == 0 {
                self.went_well = 0;
            }
            self.suspect = len;
            return false;
        }
        // bad records often come in swarms: begin small and grow with every success
        (self.suspect, self.limit, self.hold) = (0, 1, 0);
        true
    }
    /// A call with `len` records went well and covered the first `covered` of them.
    pub(crate) fn succeeded(&mut self, covered: usize, len: usize) {
        if self.suspect == 0 {
            if covered < len {
                // it takes less than it is given: what it would not take need not be handed over again and again
                (self.limit, self.hold) = (covered.max(1), 0);
            } else if self.hold == 0 {
                self.limit = (self.limit * 2).clamp(1, self.max);
            }
            self.hold = self.hold.saturating_sub(1);
            return;
        }
        self.went_well = self.went_well.max(covered);
        self.suspect = self.suspect.saturating_sub(covered);
        if self.suspect == 0 {
            // none failed on its own, so it was their number (a deadline, memory): stay below it for a while
            (self.limit, self.hold) = (self.went_well.max(1), HOLD_CALLS);
        }
    }
    /// Whether anything but full batches is being tried.
    #[cfg(test)]
    pub(crate) fn is_searching(&self) -> bool {
        self.suspect > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `count` records past a guest that fails when a call holds one of `bad`, or more than `most`; says which were
    /// blamed and how many calls it took.
    fn run(count: usize, bad: &[usize], most: usize) -> (Vec<usize>, usize) {
        let mut bisect = Bisect::new(1_000);
        let (mut at, mut calls, mut blamed) = (0, 0, Vec::new());
        while at < count {
            let len = bisect.next_len((count - at).min(1_000));
            calls += 1;
            if len > most || bad.iter().any(|b| (at..at + len).contains(b)) {
                if bisect.failed(len) {
                    blamed.push(at);
                    at += 1;
                }
            } else {
                bisect.succeeded(len, len);
                at += len;
            }
        }
        (blamed, calls)
    }

    #[test]
    fn the_one_record_is_found_in_a_logarithm_of_calls() {
        for bad in [0, 1, 499, 500, 998, 999] {
            let (blamed, calls) = run(1_000, &[bad], usize::MAX);
            assert_eq!(blamed, vec![bad]);
            assert!(calls <= 2 * 10 + 10, "{calls} calls for {bad}");
        }
    }
    #[test]
    fn every_bad_record_and_no_other_is_blamed() {
        let bad = [3, 4, 5, 77, 2_000, 2_001, 4_999];
        assert_eq!(run(5_000, &bad, usize::MAX).0, bad);
        let all: Vec<usize> = (0..50).collect();
        let (blamed, calls) = run(50, &all, usize::MAX);
        assert_eq!(blamed, all);
        assert!(calls < 70, "{calls} calls for a swarm of 50");
    }
    #[test]
    fn records_that_only_fail_together_are_not_blamed() {
        let (blamed, calls) = run(10_000, &[], 300);
        assert!(blamed.is_empty());
        assert!(calls < 200, "{calls} calls");
    }
    #[test]
    fn a_search_ends_when_its_records_are_through() {
        let mut bisect = Bisect::new(8);
        assert!(!bisect.failed(8));
        assert!(bisect.is_searching());
        let len = bisect.next_len(8);
        bisect.succeeded(len, len);
        bisect.succeeded(2, 2);
        bisect.succeeded(1, 1);
        bisect.succeeded(1, 1);
        assert!(!bisect.is_searching());
    }
    #[test]
    fn a_guest_that_takes_little_is_handed_little() {
        let mut bisect = Bisect::new(4_096);
        bisect.succeeded(1, 4_096);
        assert_eq!(bisect.next_len(4_095), 1);
        bisect.succeeded(1, 1);
        assert_eq!(bisect.next_len(4_094), 2);
    }
}
