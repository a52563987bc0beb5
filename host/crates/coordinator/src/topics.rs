//! The topics as groups of KIP-848 see them: names, ids, partitions, and which names a pattern means.
//! In comes the log's list, at most once a second, out go answers from memory. Invariant: the version changes whenever the list did.

use parking_lot::Mutex;
use potok_groups::{TopicId, Topics};
use potok_log::Log;
use potok_types::{Clock, TopicName};
use regex::{Regex, RegexBuilder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How old the list may be: what a new topic waits before patterns find it, beside its members' heartbeats.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a compiled pattern; larger ones are refused.
const PATTERN_COMPILED_MAX: usize = 1 << 20;
/// Patterns remembered with what they mean; beyond it all are forgotten, and compiled again when asked for.
const PATTERNS_MAX: usize = 1_000;
/// Topics that begin so are Potok's own; a pattern does not mean them.
const INTERNAL_PREFIX: &str = "_potok.";

/// The topics, as they were within the last second.
#[derive(Debug)]
pub(crate) struct TopicView {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    version: u64,
    read_at: Option<Duration>,
    topics: BTreeMap<String, (TopicId, u32)>,
    /// None for what is no regular expression.
    patterns: HashMap<String, Option<Pattern>>,
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    version: u64,
    names: BTreeSet<String>,
}

impl TopicView {
    pub(crate) fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> TopicView {
        TopicView { log, clock, seen: Mutex::default() }
    }
    fn refresh(&self, seen: &mut Seen) {
        let now = self.clock.monotonic();
        if seen.read_at.is_some_and(|at| now.saturating_sub(at) < REFRESH_EVERY) {
            return;
        }
        seen.read_at = Some(now);
        let each = |topic: Arc<potok_log::Topic>| (topic.name.to_string(), (topic.id, topic.partitions));
        let topics: BTreeMap<_, _> = self.log.topics().into_iter().map(each).collect();
        if seen.version == 0 || topics != seen.topics {
            seen.version += 1;
            seen.topics = topics;
        }
    }
}

impl Topics for TopicView {
    fn topic(&self, name: &str) -> Option<(TopicId, u32)> {
        let topic = self.log.topic(&name.parse::<TopicName>().ok()?)?;
        Some((topic.id, topic.partitions))
    }
    fn name(&self, id: TopicId) -> Option<String> {
        Some(self.log.topic_with_id(id)?.name.to_string())
    }
    fn matching(&self, pattern: &str) -> Option<BTreeSet<String>> {
        let mut seen = self.seen.lock();
        self.refresh(&mut seen);
        let Seen { version, topics, patterns, .. } = &mut *seen;
        if patterns.len() >= PATTERNS_MAX && !patterns.contains_key(pattern) {
            patterns.clear();
        }
        let compile = || compile(pattern).map(|regex| Pattern { regex, version: 0, names: BTreeSet::new() });
        let known = patterns.entry(pattern.to_owned()).or_insert_with(compile).as_mut()?;
        if known.version != *version {
            known.version = *version;
            let means = |name: &&String| !name.starts_with(INTERNAL_PREFIX) && known.regex.is_match(name);
            known.names = topics.keys().filter(means).cloned().collect();
        }
        Some(known.names.clone())
    }
    fn version(&self) -> u64 {
        let mut seen = self.seen.lock();
        self.refresh(&mut seen);
        seen.version
    }
}

/// The pattern, so that it means whole names. It is compiled by itself first: `a)|(b` must not become legal by what is put around it.
pub(crate) fn compile(pattern: &str) -> Option<Regex> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_COMPILED_MAX).build().ok();
    build(pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_whole_names() {
        let is = |pattern, name| compile(pattern).map(|regex| regex.is_match(name));
        assert_eq!(is("or", "orders"), Some(false));
        assert_eq!(is("or.*", "orders"), Some(true));
        assert_eq!(is("a|orders", "orders"), Some(true));
        assert_eq!(is("a|order", "orders"), Some(false), "alternatives too");
        assert_eq!(is("a)|(?:b", "b"), None);
        assert_eq!(is("(", "("), None);
        assert_eq!(is("(?:a{1000}){1000}", "a"), None, "too large");
    }
}
