//! Offsets that open transactions will commit, by group: what reads of stable offsets wait for. Derived from the transactions, never kept.

use parking_lot::Mutex;
use potok_types::TopicPartition;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Pending offsets.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    all: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Group, then transactional id.
    by_group: HashMap<String, BTreeMap<String, Vec<TopicPartition>>>,
    /// Groups in which a transactional id has something pending.
    groups_of: HashMap<String, Vec<String>>,
}

impl Pending {
    /// What the transaction of `id` has pending now.
    pub(crate) fn set<'a>(&self, id: &str, pending: impl Iterator<Item = (&'a str, TopicPartition)>) {
        let mut all = self.all.lock();
        let Index { by_group, groups_of } = &mut *all;
        for group in groups_of.remove(id).unwrap_or_default() {
            if let Some(ids) = by_group.get_mut(&group) {
                ids.remove(id);
                if ids.is_empty() {
                    by_group.remove(&group);
                }
            }
        }
        for (group, at) in pending {
            let ids = by_group.entry(group.to_owned()).or_default();
            if !ids.contains_key(id) {
                groups_of.entry(id.to_owned()).or_default().push(group.to_owned());
            }
            ids.entry(id.to_owned()).or_default().push(at);
        }
    }
    /// Partitions in which an offset of `group` is pending.
    pub(crate) fn of_group(&self, group: &str) -> HashSet<TopicPartition> {
        let all = self.all.lock();
        all.by_group.get(group).into_iter().flat_map(|ids| ids.values().flatten().copied()).collect()
    }
}
