//! Whether records that are sent are already older than their topic keeps them: their producer hears of it, instead of looking for
//! them in vain. In come a topic's configs and the bytes of record lines in chunks, out goes the first record that is too old.
//! Memory holds one line, and of a long one nothing.

use potok_http::api;
use potok_types::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::time::Duration;

/// A longer line is not looked at: it would be kept until its end only to find a number in it.
const LINE_LEN_MAX: usize = 1 << 20;

/// Looks at lines until it has found one.
#[derive(Debug)]
pub(super) struct Ages {
    kept: Duration,
    oldest_kept: Timestamp,
    /// What came of the current line, when it began in an earlier chunk.
    line: Vec<u8>,
    lines: u64,
}

/// A record that retention takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOld {
    pub(super) line: u64,
    pub(super) timestamp: i64,
    /// How long the topic keeps records.
    pub(super) kept: Duration,
}

/// What of a record line is of interest. A line that is no record is for the server to refuse.
#[derive(Deserialize)]
struct Line {
    timestamp: Option<i64>,
    #[serde(flatten)]
    _rest: IgnoredAny,
}

impl Ages {
    /// None where the topic keeps records whatever their age.
    pub(super) fn of(configs: &[api::Config], now: Timestamp) -> Option<Ages> {
        let value = |name: &str| configs.iter().find(|config| config.name == name).map(|c| c.value.as_str());
        let deletes = value("cleanup.policy").is_some_and(|policy| policy.contains("delete"));
        // -1 is for ever
        let ms = value("retention.ms")?.parse::<u64>().ok().filter(|_| deletes)?;
        let kept = Duration::from_millis(ms);
        Some(Ages { kept, oldest_kept: now.minus(kept), line: Vec::new(), lines: 0 })
    }
    /// Looks at what comes next; the first record that is too old.
    pub(super) fn look(&mut self, chunk: &[u8]) -> Option<TooOld> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            self.lines += 1;
            let found = match self.line.is_empty() {
                true => self.too_old(line),
                false => {
                    self.gather(line);
                    let whole = std::mem::take(&mut self.line);
                    self.too_old(&whole)
                }
            };
            if found.is_some() {
                return found;
            }
            rest = behind;
        }
        self.gather(rest);
        None
    }
    /// The last line, when no line break ends it.
    pub(super) fn end(&mut self) -> Option<TooOld> {
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        self.too_old(&line)
    }
    /// Keeps a part of a line; one that has become too long is no JSON from here on, and so no record.
    fn gather(&mut self, part: &[u8]) {
        let room = (LINE_LEN_MAX + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }
    fn too_old(&self, line: &[u8]) -> Option<TooOld> {
        if line.len() > LINE_LEN_MAX {
            return None;
        }
        let timestamp = serde_json::from_slice::<Line>(line).ok()?.timestamp?;
        let old = (0..self.oldest_kept.0).contains(&timestamp);
        old.then_some(TooOld { line: self.lines, timestamp, kept: self.kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn ages(policy: &str, retention_ms: &str) -> Option<Ages> {
        let config = |name: &str, value: &str| {
            let json = serde_json::json!({ "name": name, "value": value, "source": "default", "default": "", "description": "" });
            serde_json::from_value::<api::Config>(json).unwrap()
        };
        let configs = [config("cleanup.policy", policy), config("retention.ms", retention_ms)];
        Ages::of(&configs, Timestamp(10 * DAY_MS))
    }
    /// Sends `text` in chunks of every length: the same line is found each time.
    #[track_caller]
    fn check(text: &str, expect: Option<(u64, i64)>) {
        for len in 1..=text.len() {
            let mut ages = ages("delete", &DAY_MS.to_string()).unwrap();
            let found = text.as_bytes().chunks(len).find_map(|chunk| ages.look(chunk)).or_else(|| ages.end());
            assert_eq!(found.map(|old| (old.line, old.timestamp)), expect, "in chunks of {len}");
        }
    }

    #[test]
    fn the_first_record_that_is_too_old_is_found() {
        let new = 9 * DAY_MS;
        check(&format!("{{\"value\":1}}\n{{\"timestamp\":{new},\"value\":{{\"timestamp\":1}}}}\n"), None);
        check(
            &format!("{{\"timestamp\":{new}}}\n\n{{\"key\":\"a\",\"timestamp\":5}}\n{{\"timestamp\":4}}\n"),
            Some((3, 5)),
        );
        check("{\"timestamp\":5}", Some((1, 5)));
        check("nonsense\n{\"timestamp\":\"5\"}\n{\"timestamp\":-1}\n", None);
    }
    #[test]
    fn a_topic_that_keeps_for_ever_is_not_looked_after() {
        assert!(ages("delete", "-1").is_none() && ages("compact", "1000").is_none());
        assert!(ages("compact,delete", "1000").is_some());
    }
    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut ages = ages("delete", "1000").unwrap();
        for _ in 0..40 {
            assert_eq!(ages.look(&[b'x'; 64 << 10]), None);
        }
        assert!(ages.line.len() <= LINE_LEN_MAX + 1);
        assert_eq!(ages.look(b"\n{\"timestamp\":1}\n").map(|old| old.line), Some(2));
    }
}
