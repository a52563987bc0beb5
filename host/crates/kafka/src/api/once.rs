//! Each thing that a request asks for is told once, where it came first. Otherwise a name of a few bytes, repeated, would ask for
//! as many copies of what is told about it: an answer is as large as what the node holds, not as what a request repeats.

use kafka_protocol::messages::TopicName;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// `asked` without those whose key came before.
pub(crate) fn by<T, K: Eq + Hash>(mut asked: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::new();
    asked.retain(|one| seen.insert(key(one)));
    asked
}

/// `asked` without those whose key came `times` times before: for what may differ in each place where it is asked for.
pub(crate) fn up_to<T, K: Eq + Hash>(times: usize, mut asked: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashMap::new();
    asked.retain(|one| {
        let count = seen.entry(key(one)).or_insert(0);
        *count += 1;
        *count <= times
    });
    asked
}

/// `topics` without the partitions that came before; one topic may come several times with others of its partitions.
pub(crate) fn by_partition<T>(
    mut topics: Vec<T>,
    parts: impl Fn(&mut T) -> (&TopicName, &mut Vec<i32>),
) -> Vec<T> {
    let mut seen = HashSet::new();
    for topic in &mut topics {
        let (name, indexes) = parts(topic);
        indexes.retain(|index| seen.insert((name.clone(), *index)));
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::protocol::StrBytes;

    #[test]
    fn the_first_of_each_stays_in_its_place() {
        assert_eq!(by(vec!["b", "a", "b", "c", "a"], |one| *one), ["b", "a", "c"]);
    }
    #[test]
    fn the_first_few_of_each_stay_in_their_places() {
        assert_eq!(up_to(2, vec!["b", "a", "b", "c", "b", "a", "a"], |one| *one), ["b", "a", "b", "c", "a"]);
    }
    #[test]
    fn a_topic_that_comes_again_keeps_what_is_new() {
        let name = |text| TopicName(StrBytes::from_static_str(text));
        let topics = vec![(name("t"), vec![1, 0, 1]), (name("u"), vec![1]), (name("t"), vec![0, 2])];
        let once = by_partition(topics, |(name, indexes)| (name, indexes));
        assert_eq!(once, [(name("t"), vec![1, 0]), (name("u"), vec![1]), (name("t"), vec![2])]);
    }
}
