//! Who is to have what: the `uniform` and the `range` assignor of Kafka's group coordinator.
//! Uniform gives everybody about as many partitions and moves as few as it can; range gives each member a run of every topic.

use super::{Assignment, ConsumerGroup, TopicId, Topics};
use std::collections::{BTreeMap, BTreeSet};

impl ConsumerGroup {
    /// Topics that a member subscribes to, by name and by pattern, that exist.
    fn subscribed(&self, id: &str, topics: &dyn Topics) -> BTreeMap<String, (TopicId, u32)> {
        let Some(member) = self.members.get(id) else { return BTreeMap::new() };
        let by_pattern = member.pattern.as_deref().and_then(|p| topics.matching(p)).unwrap_or_default();
        let names = member.topics.iter().cloned().chain(by_pattern);
        names.filter_map(|name| topics.topic(&name).map(|t| (name, t))).collect()
    }

    /// All topics that the group subscribes to, as they are now.
    pub(super) fn subscribed_now(&self, topics: &dyn Topics) -> BTreeMap<String, (TopicId, u32)> {
        self.members.keys().flat_map(|id| self.subscribed(id, topics)).collect()
    }

    /// Whether the group's topics are others than when the target was computed. Looked at once for each version of the topics.
    pub(super) fn topics_changed(&mut self, topics: &dyn Topics) -> bool {
        let version = topics.version();
        let looked = std::mem::replace(&mut self.seen_version, version) == version;
        !looked && self.seen != self.subscribed_now(topics)
    }

    pub(super) fn compute_target(&mut self, topics: &dyn Topics) {
        let wants: BTreeMap<String, BTreeMap<String, (TopicId, u32)>> =
            self.members.keys().map(|id| (id.clone(), self.subscribed(id, topics))).collect();
        let targets = if self.assignor() == "range" { range(&wants) } else { self.uniform(&wants) };
        self.seen = wants.into_values().flatten().collect();
        for (id, member) in &mut self.members {
            member.target = targets.get(id).cloned().unwrap_or_default();
        }
        self.target_epoch = self.epoch;
    }

    /// Keeps what a member has while that leaves the shares even; the rest goes to whoever has least.
    fn uniform(&self, wants: &Wants) -> BTreeMap<String, Assignment> {
        let mut load: BTreeMap<&str, usize> = wants.keys().map(|id| (id.as_str(), 0)).collect();
        let mut targets: BTreeMap<String, Assignment> = BTreeMap::new();
        let all: BTreeMap<TopicId, u32> =
            wants.values().flat_map(|topics| topics.values().copied()).collect();
        let total: usize = all.values().map(|n| *n as usize).sum();
        let quota = total.div_ceil(wants.len().max(1));
        // so many members may have the larger share
        let mut larger = if wants.is_empty() { 0 } else { total % wants.len() };
        if total.is_multiple_of(wants.len().max(1)) {
            larger = wants.len();
        }
        let mut free: BTreeSet<(TopicId, u32)> =
            all.iter().flat_map(|(topic, n)| (0..*n).map(move |p| (*topic, p))).collect();
        for (id, topics) in wants {
            let may: BTreeSet<TopicId> = topics.values().map(|(topic, _)| *topic).collect();
            let Some(member) = self.members.get(id) else { continue };
            let had = member.target.iter().flat_map(|(topic, ps)| ps.iter().map(move |p| (*topic, *p)));
            for (topic, partition) in had.filter(|(topic, _)| may.contains(topic)) {
                let share = load.get(id.as_str()).copied().unwrap_or(0);
                let within = share + 1 < quota || (share + 1 == quota && larger > 0);
                if within && free.remove(&(topic, partition)) {
                    if share + 1 == quota {
                        larger -= 1;
                    }
                    *load.entry(id).or_default() += 1;
                    targets.entry(id.clone()).or_default().entry(topic).or_default().insert(partition);
                }
            }
        }
        for (topic, partition) in free {
            let takers = wants.iter().filter(|(_, topics)| topics.values().any(|(t, _)| *t == topic));
            let Some((id, _)) = takers.min_by_key(|(id, _)| load.get(id.as_str()).copied().unwrap_or(0))
            else {
                continue;
            };
            *load.entry(id).or_default() += 1;
            targets.entry(id.clone()).or_default().entry(topic).or_default().insert(partition);
        }
        targets
    }
}

type Wants = BTreeMap<String, BTreeMap<String, (TopicId, u32)>>;

fn range(wants: &Wants) -> BTreeMap<String, Assignment> {
    let mut targets: BTreeMap<String, Assignment> = BTreeMap::new();
    let all: BTreeMap<TopicId, u32> = wants.values().flat_map(|topics| topics.values().copied()).collect();
    for (topic, partitions) in all {
        let takers: Vec<&String> = wants
            .iter()
            .filter(|(_, topics)| topics.values().any(|(t, _)| *t == topic))
            .map(|(id, _)| id)
            .collect();
        let count = u32::try_from(takers.len()).unwrap_or(u32::MAX).max(1);
        let (share, larger) = (partitions / count, partitions % count);
        let mut next = 0;
        for (i, id) in (0..).zip(takers) {
            let end = next + share + u32::from(i < larger);
            if end > next {
                targets.entry(id.clone()).or_default().insert(topic, (next..end).collect());
            }
            next = end;
        }
    }
    targets
}
