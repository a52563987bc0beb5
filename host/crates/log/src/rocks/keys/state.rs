//! Keys of `state`: keyed state of tasks.
//!
//! ```text
//! | processor u32 BE | partition u32 BE | store u32 BE | the user's key |   value: the user's value
//! ```
//! What lies under one task lies together, one store after the other, so that a reset is one range.

use crate::api::{StateStore, TaskKey};

/// Bytes before the user's key.
pub(in crate::rocks) const PREFIX_LEN: usize = TASK_LEN + size_of::<u32>();
/// Bytes of a task.
pub(in crate::rocks) const TASK_LEN: usize = 2 * size_of::<u32>();
const _: () = assert!(PREFIX_LEN == 12 && TASK_LEN == 8, "the key layout is on disk");

/// All keys of a task begin so.
pub(in crate::rocks) fn task_prefix(task: TaskKey) -> [u8; TASK_LEN] {
    let mut key = [0; TASK_LEN];
    key[..4].copy_from_slice(&task.processor.to_be_bytes());
    key[4..].copy_from_slice(&task.partition.0.to_be_bytes());
    key
}
/// All keys of a store begin so.
pub(in crate::rocks) fn prefix(store: StateStore) -> [u8; PREFIX_LEN] {
    let mut key = [0; PREFIX_LEN];
    key[..TASK_LEN].copy_from_slice(&task_prefix(store.task));
    key[TASK_LEN..].copy_from_slice(&store.store.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_types::PartitionIndex;

    #[test]
    fn stores_and_tasks_do_not_mix() {
        let store = |processor, partition, store| StateStore {
            task: TaskKey { processor, partition: PartitionIndex(partition) },
            store,
        };
        let last = [&prefix(store(1, 2, 3))[..], &[255; 30]].concat();
        assert!(last.as_slice() < &prefix(store(1, 2, 4))[..]);
        assert!(last.as_slice() < &prefix(store(1, 3, 0))[..]);
        assert!(last.starts_with(&task_prefix(store(1, 2, 0).task)));
    }
}
