//! Values that several commands take: `k=v`, places in a partition, grants.
//! In comes one word, out goes the value or a sentence with the form it should have.

use potok_http::api::{Grant, StartAt};
use potok_types::{Offset, Timestamp};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LineFormat {
    /// The value, as it stands
    Text,
    /// The value, as JSON
    Json,
    /// A record as `consume --output json` prints it: key, value, headers, timestamp
    Records,
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

/// Parses `earliest`, `latest`, an offset, or a moment (RFC 3339, or how long ago).
pub(super) fn start_at(text: &str, now: Timestamp) -> Result<StartAt, String> {
    match text {
        "earliest" => return Ok(StartAt::Earliest),
        "latest" => return Ok(StartAt::Latest),
        _ => {}
    }
    if let Ok(number) = text.parse::<u64>() {
        return match number <= Offset::MAX.get() {
            true => Ok(StartAt::Offset(number)),
            false => Err(format!("{number} is beyond the largest offset")),
        };
    }
    moment_or_ago(text, now).map(|time| StartAt::Time(time.0)).map_err(|_| {
        "write earliest, latest, an offset such as 42, a moment such as 2013-01-31T10:00:00Z, or how long ago such as -2h".to_owned()
    })
}

/// Parses a moment: RFC 3339 in UTC, or how long ago.
pub(super) fn moment_or_ago(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let parsed = match text.strip_prefix('-') {
        Some(ago) => humantime::parse_duration(ago).ok().map(|ago| now.minus(ago)),
        None => moment(text),
    };
    parsed.ok_or_else(|| {
        format!("{text:?} is no moment: write it as 2013-01-31T10:00:00Z, or how long ago, such as -10m")
    })
}

/// RFC 3339 in UTC; the time of day may be left out.
fn moment(text: &str) -> Option<Timestamp> {
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
        assert_eq!(start_at(text, Timestamp(10_000_000)).ok(), expect, "{text}");
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
