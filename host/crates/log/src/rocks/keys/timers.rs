//! Keys of `timers` and `timers_due`: each timer lies in both, by its name and by its time.
//!
//! ```text
//! timers     | processor u32 BE | partition u32 BE | clock u8 | the user's key |               value: | at i64, ordered |
//! timers_due | processor u32 BE | partition u32 BE | clock u8 | at i64, ordered | the user's key |   value: the payload
//! clock: 0 event, 1 wall
//! ```
//! Invariant: the two families hold the same timers; one write changes both.

use super::{from_ordered, ordered, state, u64_at};
use crate::api::{TaskKey, TimerClock};
use potok_types::Timestamp;

/// Bytes of task and clock.
pub(in crate::rocks) const PREFIX_LEN: usize = state::TASK_LEN + 1;
const DUE_LEN: usize = PREFIX_LEN + size_of::<i64>();
const _: () = assert!(PREFIX_LEN == 9 && DUE_LEN == 17, "the key layout is on disk");

/// All timers of a task on one clock begin so, in both families.
pub(in crate::rocks) fn prefix(task: TaskKey, clock: TimerClock) -> [u8; PREFIX_LEN] {
    let mut key = [0; PREFIX_LEN];
    key[..state::TASK_LEN].copy_from_slice(&state::task_prefix(task));
    key[state::TASK_LEN] = match clock {
        TimerClock::Event => 0,
        TimerClock::Wall => 1,
    };
    key
}
/// Key in `timers`.
pub(in crate::rocks) fn by_name(task: TaskKey, clock: TimerClock, name: &[u8]) -> Vec<u8> {
    [&prefix(task, clock)[..], name].concat()
}
/// Key in `timers_due`.
pub(in crate::rocks) fn by_time(task: TaskKey, clock: TimerClock, at: Timestamp, name: &[u8]) -> Vec<u8> {
    [&prefix(task, clock)[..], &ordered(at), name].concat()
}
/// Time and name of a key in `timers_due`.
pub(in crate::rocks) fn parse_by_time(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (_, name) = key.split_at_checked(DUE_LEN)?;
    Some((from_ordered(u64_at(key, PREFIX_LEN)?), name))
}
/// Value in `timers`.
pub(in crate::rocks) fn time_value(at: Timestamp) -> [u8; 8] {
    ordered(at)
}
/// Back from [`time_value`].
pub(in crate::rocks) fn parse_time_value(value: &[u8]) -> Option<Timestamp> {
    if value.len() == 8 { u64_at(value, 0).map(from_ordered) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_types::PartitionIndex;

    const TASK: TaskKey = TaskKey { processor: 1, partition: PartitionIndex(2) };

    #[test]
    fn timers_come_in_order_of_time_then_name() {
        let key = |at, name: &[u8]| by_time(TASK, TimerClock::Event, Timestamp(at), name);
        assert!(key(-3, b"z") < key(1, b"a"));
        assert!(key(1, b"a") < key(1, b"b"));
        assert!(key(i64::MAX, b"z") < by_time(TASK, TimerClock::Wall, Timestamp(i64::MIN), b""));
        assert_eq!(parse_by_time(&key(-3, b"z")), Some((Timestamp(-3), &b"z"[..])));
        assert_eq!(parse_time_value(&time_value(Timestamp(-9))), Some(Timestamp(-9)));
    }
}
