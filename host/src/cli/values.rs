//! Values that several commands take: `k=v`, places in a partition, grants.
//! In comes one word, out goes the value or the form that it should have, as a thing to do: it is shown below the word.

use potok_http::api::{Grant, StartAt};
use potok_types::{Offset, Timestamp, TopicName};
use std::time::Duration;

/// Less alike than this (Jaro-Winkler, 0 to 1) a word is no help as a guess.
const ALIKE_MIN: f64 = 0.8;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LineFormat {
    /// The value, as it is
    Text,
    /// The value, as JSON
    Json,
    /// A whole record, as `consume --output json` prints it: key, value, headers, timestamp
    Records,
}

/// What to do about an offset that is given without the partition it is one of.
pub(super) fn name_a_partition(topic: &TopicName) -> String {
    format!("name one, with --partition N; potok topic describe {topic} shows them")
}

/// `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) value: String,
}

/// Parses `name=value`; the value may hold further `=`.
pub(super) fn setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(Setting { name: name.trim().to_owned(), value: value.to_owned() })
        }
        _ => Err("write it as name=value".to_owned()),
    }
}

/// A place in the partitions of a topic, as it was written: `-2h` is counted from when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Earliest,
    Latest,
    Offset(u64),
    Moment(Moment),
}

/// A moment, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Place {
    pub(super) fn at(self, now: Timestamp) -> StartAt {
        match self {
            Place::Earliest => StartAt::Earliest,
            Place::Latest => StartAt::Latest,
            Place::Offset(offset) => StartAt::Offset(offset),
            Place::Moment(moment) => StartAt::Time(moment.at(now).0),
        }
    }
}

impl Moment {
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Moment::At(time) => time,
            Moment::Ago(ago) => now.minus(ago),
        }
    }
}

/// Parses `earliest`, `latest`, an offset, or a moment (RFC 3339, or how long ago).
pub(super) fn place(text: &str) -> Result<Place, String> {
    match text {
        "earliest" => return Ok(Place::Earliest),
        "latest" => return Ok(Place::Latest),
        _ => {}
    }
    if let Ok(number) = text.parse::<u64>() {
        return match number <= Offset::MAX.get() {
            true => Ok(Place::Offset(number)),
            false => Err(format!("the largest offset is {}", Offset::MAX.get())),
        };
    }
    moment(text).map(Place::Moment).map_err(|_| {
        let likely = ["earliest", "latest"].into_iter().find(|word| strsim::jaro_winkler(text, word) >= ALIKE_MIN);
        let guess = likely.map(|word| format!("did you mean {word}? ")).unwrap_or_default();
        format!(
            "{guess}write earliest, latest, an offset such as 42, a time such as 2013-01-31T10:00:00Z, or how long ago such as -2h"
        )
    })
}

/// Parses a moment: RFC 3339 in UTC, or how long ago.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let parsed = match text.strip_prefix('-') {
        Some(ago) => humantime::parse_duration(ago).ok().map(Moment::Ago),
        None => date(text).map(Moment::At),
    };
    parsed.ok_or_else(|| "write a time such as 2013-01-31T10:00:00Z, or how long ago such as -10m".to_owned())
}

/// Parses a time such as `1s` or `250ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a number and a unit, such as 250ms, 10s or 2h".to_owned())
}

/// RFC 3339 in UTC; the time of day may be left out.
fn date(text: &str) -> Option<Timestamp> {
    let full = if text.len() == "2013-01-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = humantime::parse_rfc3339_weak(&full).ok()?;
    let ms = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis();
    i64::try_from(ms).ok().map(Timestamp)
}

/// Parses a grant: `secret:NAME`, `tcp:HOST:PORT`, `http:URL`, `directory:NAME[:write]`, `database:NAME`.
pub(super) fn grant(text: &str) -> Result<Grant, String> {
    let (kind, what) = text.split_once(':').unwrap_or((text, ""));
    if what.is_empty() {
        return Err(grant_form());
    }
    match kind {
        "secret" => Ok(Grant::Secret(what.to_owned())),
        "database" => Ok(Grant::Database(what.to_owned())),
        "http" => Ok(Grant::Http(what.to_owned())),
        "tcp" if what.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.is_empty()) => {
            Ok(Grant::Tcp(what.to_owned()))
        }
        "directory" => Ok(match what.strip_suffix(":write") {
            Some(name) => Grant::Directory { name: name.to_owned(), write: true },
            None => Grant::Directory { name: what.to_owned(), write: false },
        }),
        _ => Err(grant_form()),
    }
}

fn grant_form() -> String {
    "write secret:NAME, tcp:HOST:PORT, http:URL, directory:NAME, directory:NAME:write or database:NAME"
        .to_owned()
}

/// A grant as it is written on the command line.
pub(super) fn grant_text(grant: &Grant) -> String {
    match grant {
        Grant::Secret(name) => format!("secret:{name}"),
        Grant::Database(name) => format!("database:{name}"),
        Grant::Http(url) => format!("http:{url}"),
        Grant::Tcp(address) => format!("tcp:{address}"),
        Grant::Directory { name, write } => format!("directory:{name}{}", if *write { ":write" } else { "" }),
    }
}

/// A configuration object from `k=v` words: a value that is JSON is taken as such, anything else is a string.
pub(super) fn config_object(settings: &[Setting]) -> serde_json::Value {
    let typed = |text: &str| {
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
    };
    settings
        .iter()
        .map(|setting| (setting.name.clone(), typed(&setting.value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<StartAt>) {
        assert_eq!(place(text).ok().map(|place| place.at(Timestamp(10_000_000))), expect, "{text}");
    }

    #[test]
    fn a_place_is_a_word_an_offset_or_a_moment() {
        check("earliest", Some(StartAt::Earliest));
        check("latest", Some(StartAt::Latest));
        check("42", Some(StartAt::Offset(42)));
        check("2013-01-01T10:00:00Z", Some(StartAt::Time(1_357_034_400_000)));
        check("2013-01-01", Some(StartAt::Time(1_356_998_400_000)));
        check("-2h", Some(StartAt::Time(2_800_000)));
        for wrong in ["", "yesterday", "-", "99999999999999999999", "2013-13-01"] {
            check(wrong, None);
        }
    }
    #[test]
    fn a_setting_splits_at_its_first_equals_sign() {
        assert_eq!(setting("a=b=c").unwrap(), Setting { name: "a".into(), value: "b=c".into() });
        assert!(setting("=b").is_err() && setting("b").is_err());
    }
    #[test]
    fn grants_round_trip() {
        for text in [
            "secret:key",
            "tcp:db:5432",
            "http:https://a/b",
            "directory:in",
            "directory:out:write",
            "database:main",
        ] {
            assert_eq!(grant(text).map(|grant| grant_text(&grant)), Ok(text.to_owned()));
        }
        for wrong in ["", "secret", "secret:", "tcp:db", "smtp:x"] {
            assert!(grant(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn configuration_values_are_json_where_they_can_be() {
        let settings = ["late=30", "name=LGA", "on=true"].map(|text| setting(text).unwrap());
        assert_eq!(config_object(&settings), serde_json::json!({ "late": 30, "name": "LGA", "on": true }));
    }
}
