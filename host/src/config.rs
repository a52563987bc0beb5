//! Settings of the whole: defaults < `potok.toml` < `POTOK_...` in the environment < flags.
//! In come four layers, out goes one [`Settings`] and, for each value, where it came from. A key that nobody reads is refused
//! with the nearest one that somebody does. Values carry units (`64 MiB`, `10s`); what a number means is its room's business.

use crate::exit::Failure;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map, Num, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Names the settings file when it is not `./potok.toml`.
pub const FILE_VARIABLE: &str = "POTOK_CONFIG_FILE";
/// Where commands look for a server that nobody named.
const SERVER_DEFAULT: &str = "http://127.0.0.1:8080";
/// Read when no other file is named.
const FILE_DEFAULT: &str = "potok.toml";
/// Variables of the project's own tools: they begin as settings do, and are none.
const FOREIGN_VARIABLES: [&str; 5] = ["config_file", "fuzz_seeds", "rust_wasm", "soak_calls", "version"];
/// Follows from `data`, so nobody may set it.
const LOG_DIR: &str = "log.dir";
/// Name of the layer that nobody wrote.
const DEFAULT_LAYER: &str = "default";
/// Settings that are counted, never shown.
const SECRETS: &str = "secrets";
/// Less alike than this (Jaro-Winkler, 0 to 1) a known key is no help as a guess.
const ALIKE_MIN: f64 = 0.7;

/// Everything that can be set. Each room explains its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder with all that is kept; `serve --data` sets it.
    pub data: Option<PathBuf>,
    /// Where commands find the server.
    pub server: String,
    /// How much the process says of itself: `error`, `warn`, `info`, `debug`, `trace`, or filters such as `info,potok_log=debug`.
    pub log_level: String,
    /// How it says it.
    pub log_format: LogFormat,
    /// The log.
    pub log: potok_log::Settings,
    /// Modules and their engine.
    pub plugin: potok_plugin::Settings,
    /// Tasks.
    pub processor: potok_processor::Settings,
    /// The HTTP server.
    pub http: potok_http::Settings,
    /// The Kafka server.
    pub kafka: potok_kafka::Settings,
    /// Consumer groups and transactions.
    pub groups: potok_coordinator::Settings,
}

/// Form of the process's own log lines on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data: None,
            server: SERVER_DEFAULT.to_owned(),
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            log: potok_log::Settings::default(),
            plugin: potok_plugin::Settings::default(),
            processor: potok_processor::Settings::default(),
            http: potok_http::Settings::default(),
            kafka: potok_kafka::Settings::default(),
            groups: potok_coordinator::Settings::default(),
        }
    }
}

/// What flags set; `None` leaves the layers below alone.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    /// `--data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// `--server`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// `--log-level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// `--http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<DoorFlags>,
    /// `--kafka`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<DoorFlags>,
}

/// What flags set of a server.
#[derive(Clone, Debug, Serialize)]
pub struct DoorFlags {
    /// `--http`, `--kafka`.
    pub listen: String,
}

/// Settings, with where each value came from.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    figment: Figment,
}

/// Reads all layers. `file` must exist when it is named; `./potok.toml` need not.
pub fn load(file: Option<&Path>, flags: Flags) -> Result<Loaded, Failure> {
    let file = match file {
        Some(named) if !named.is_file() => {
            return Err(Failure::usage(format!("no settings file {}", named.display())));
        }
        Some(named) => Some(named.to_owned()),
        None => Some(PathBuf::from(FILE_DEFAULT)).filter(|default| default.is_file()),
    };
    let file = file.map_or_else(|| Toml::string(""), Toml::file_exact);
    let environment = Env::prefixed("POTOK_").ignore(&FOREIGN_VARIABLES).split("__");
    let figment = Figment::from(Serialized::defaults(Settings::default()))
        .merge(WithUnits(file))
        .merge(WithUnits(environment))
        .merge(Serialized::defaults(flags));
    let settings = figment.extract::<Settings>().map_err(|error| refusal(&error))?;
    let loaded = Loaded { settings, figment };
    match loaded.figment.find_metadata(LOG_DIR).map(layer) {
        Some(layer) if layer != DEFAULT_LAYER => Err(Failure::usage(format!(
            "setting {LOG_DIR} in {layer} would do nothing: the log lies in the data folder"
        ))
        .remedy("set data instead")),
        _ => Ok(loaded),
    }
}

/// Where the commands find the server.
pub fn server_address(file: Option<&Path>, flag: Option<&str>) -> Result<String, Failure> {
    let flags = Flags { server: flag.map(str::to_owned), ..Flags::default() };
    Ok(load(file, flags)?.settings.server)
}

impl Loaded {
    /// One line a section, `name=value` with the source where it is not the default: what `serve` prints at its start.
    pub fn lines(&self) -> Vec<String> {
        let Ok(all) = self.figment.extract::<Dict>() else { return Vec::new() };
        let mut top = Vec::new();
        let mut sections = Vec::new();
        for (name, value) in &all {
            match value.as_dict() {
                Some(section) => {
                    let leaves = section.iter().map(|(key, value)| (format!("{name}.{key}"), key, value));
                    let leaves = leaves
                        .filter(|(path, ..)| path != LOG_DIR)
                        .map(|(path, key, value)| self.leaf(&path, key, value));
                    sections.push(format!("[{name}] {}", leaves.collect::<Vec<_>>().join(" ")));
                }
                None => top.push(self.leaf(name, name, value)),
            }
        }
        sections.insert(0, top.join(" "));
        sections
    }
    fn leaf(&self, path: &str, name: &str, value: &Value) -> String {
        let text =
            match value.to_num().and_then(Num::to_u128_lossy).and_then(|number| u64::try_from(number).ok()) {
                Some(number) => with_unit(name, number),
                None if name == SECRETS => value.as_dict().map_or(0, Dict::len).to_string(),
                None => serde_json::to_string(value).unwrap_or_default(),
            };
        match self.figment.find_metadata(path).map(layer) {
            Some(layer) if layer != DEFAULT_LAYER => format!("{name}={text} ({layer})"),
            _ => format!("{name}={text}"),
        }
    }
}

/// A layer's name for people.
fn layer(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => path.display().to_string(),
        _ if metadata.name.contains("environment") => "environment".to_owned(),
        Some(Source::Code(_)) if metadata.name.contains("Settings") => DEFAULT_LAYER.to_owned(),
        _ if metadata.name.contains("Flags") => "flag".to_owned(),
        _ => metadata.name.to_string(),
    }
}

/// The sentence for a value or key that is not accepted.
fn refusal(error: &figment::Error) -> Failure {
    let place =
        error.metadata.as_ref().map(|metadata| format!(" in {}", layer(metadata))).unwrap_or_default();
    let section = error.path.iter().map(|part| format!("{part}.")).collect::<String>();
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let section = section.strip_suffix(&format!("{name}.")).unwrap_or(&section);
            let failure = Failure::usage(format!("unknown setting {section}{name}{place}"));
            match nearest(name, known) {
                Some(guess) => failure.remedy(format!("did you mean {section}{guess}?")),
                None => {
                    let settable = known.iter().filter(|known| format!("{section}{known}") != LOG_DIR);
                    let settable: Vec<_> = settable.copied().collect();
                    failure.remedy(format!("the settings here are: {}", settable.join(", ")))
                }
            }
        }
        // A parser's words, with the place drawn in them: they stand behind the file's name.
        Kind::Message(text) if error.path.is_empty() && text.contains('\n') => {
            let file = place.strip_prefix(" in ").unwrap_or("settings");
            Failure::usage(format!("{file}: {}", text.trim_end()))
        }
        // Our own words about a unit: they name the setting.
        Kind::Message(text) if error.path.is_empty() => Failure::usage(format!("{text}{place}")),
        kind => Failure::usage(format!("setting {}{place} is not legal: {kind}", error.path.join("."))),
    }
}

/// The known name that was most likely meant: one that is like `name`, or that begins with words like its words.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let words = name.split('_').count();
    let alike = |known: &str| {
        let beginning = known.match_indices('_').nth(words - 1).map_or(known, |(end, _)| &known[..end]);
        strsim::jaro_winkler(name, known).max(strsim::jaro_winkler(name, beginning))
    };
    let rated = known.iter().map(|known| (alike(known), *known));
    rated.filter(|(alike, _)| *alike >= ALIKE_MIN).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// A layer whose texts with units become the numbers that its rooms read.
struct WithUnits<P>(P);

impl<P: Provider> Provider for WithUnits<P> {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }
    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut layers = self.0.data()?;
        for layer in layers.values_mut() {
            numbers("", layer)?;
        }
        Ok(layers)
    }
}

#[expect(clippy::result_large_err, reason = "the provider's own error; it is made once, at the start")]
fn numbers(section: &str, dict: &mut Dict) -> figment::Result<()> {
    for (name, value) in dict.iter_mut() {
        match value {
            // Names of secrets are their user's own and promise no unit.
            Value::Dict(_, inner) if name != SECRETS => numbers(&format!("{section}{name}."), inner)?,
            Value::String(tag, text) => match in_base_unit(name, text) {
                Some(Ok(number)) => *value = Value::Num(*tag, Num::U64(number)),
                Some(Err(expected)) => {
                    let message = format!("setting {section}{name}={text:?} is not legal: {expected}");
                    return Err(figment::Error::from(message));
                }
                None => {}
            },
            _ => {}
        }
    }
    Ok(())
}

/// The unit that a key's name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Micros,
    Millis,
    Seconds,
}

fn unit_of(name: &str) -> Option<Unit> {
    let last = name.split('_').rev().find(|word| !matches!(*word, "max" | "min" | "default"))?;
    match last {
        "bytes" => Some(Unit::Bytes),
        "us" | "micros" => Some(Unit::Micros),
        "ms" | "millis" => Some(Unit::Millis),
        "s" | "secs" | "seconds" => Some(Unit::Seconds),
        _ => None,
    }
}

/// `text` in the unit of the key `name`; none when the key has none.
fn in_base_unit(name: &str, text: &str) -> Option<Result<u64, &'static str>> {
    let duration = |per: fn(&std::time::Duration) -> u128| {
        let parsed =
            humantime::parse_duration(text).ok().and_then(|duration| u64::try_from(per(&duration)).ok());
        parsed.ok_or("write a number and a unit, such as 250ms, 10s or 2h")
    };
    Some(match unit_of(name)? {
        Unit::Bytes => parse_bytes(text).ok_or("write a number and a unit, such as 512 KiB, 64 MiB or 2 GiB"),
        Unit::Micros => duration(std::time::Duration::as_micros),
        Unit::Millis => duration(std::time::Duration::as_millis),
        Unit::Seconds => duration(|d| u128::from(d.as_secs())),
    })
}

/// A size such as `64 MiB`, `1.5GiB` or `4096`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "kb" => 1_000,
        "m" | "mib" => 1 << 20,
        "mb" => 1_000_000,
        "g" | "gib" => 1 << 30,
        "gb" => 1_000_000_000,
        "t" | "tib" => 1 << 40,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let (whole, tenths) = number.split_once('.')?;
    let (whole, tenths) =
        (whole.parse::<u64>().ok()?, (tenths.len() == 1).then(|| tenths.parse::<u64>().ok()).flatten()?);
    whole.checked_mul(scale)?.checked_add(scale.checked_mul(tenths)? / 10)
}

fn with_unit(name: &str, number: u64) -> String {
    use std::time::Duration;
    let duration = |duration: Duration| humantime::format_duration(duration).to_string().replace(' ', "");
    match unit_of(name) {
        Some(Unit::Bytes) => crate::output::bytes(number).replace(' ', ""),
        Some(Unit::Micros) => duration(Duration::from_micros(number)),
        Some(Unit::Millis) => duration(Duration::from_millis(number)),
        Some(Unit::Seconds) => duration(Duration::from_secs(number)),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> Result<Loaded, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("potok.toml");
        std::fs::write(&file, text).unwrap();
        load(Some(&file), Flags::default())
    }

    #[test]
    fn values_carry_units_and_later_layers_win() {
        let loaded =
            from_file("data = 'here'\n[log]\ncache_bytes_max = '1.5 MiB'\nmaintenance_interval_ms = '2s'\n")
                .unwrap();
        assert_eq!(loaded.settings.log.cache_bytes_max, 3 << 19);
        assert_eq!(loaded.settings.log.maintenance_interval_ms, 2_000);
        let lines = loaded.lines().join("\n");
        assert!(lines.contains("cache_bytes_max=1.5MiB (") && lines.contains("potok.toml)"), "{lines}");
        assert!(lines.contains("queue_bytes_max=64MiB ") && !lines.contains(" dir="), "{lines}");
    }
    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let failure = from_file("[log]\ncahce_bytes_max = 1\n").unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        assert!(
            failure.what.contains("log.cahce_bytes_max") && failure.what.contains("potok.toml"),
            "{failure:?}"
        );
        assert_eq!(failure.remedy.as_deref(), Some("did you mean log.cache_bytes_max?"));
        let failure = from_file("daat = 'x'\n").unwrap_err();
        assert_eq!(failure.remedy.as_deref(), Some("did you mean data?"));
        let failure = from_file("[log]\ncash = 1\n").unwrap_err();
        assert_eq!(failure.remedy.as_deref(), Some("did you mean log.cache_bytes_max?"));
        let remedy = from_file("[log]\nxyz = 1\n").unwrap_err().remedy.unwrap();
        assert!(
            remedy.contains("the settings here are: queue_bytes_max") && !remedy.contains("dir,"),
            "{remedy}"
        );
    }
    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        for text in
            ["[http]\nlisten = 5\n", "[log]\ncache_bytes_max = 'many'\n", "log_format = 'xml'\n", "[log\n"]
        {
            let failure = from_file(text).unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage, "{failure:?}");
            assert!(failure.what.contains("potok.toml"), "{failure:?}");
        }
        let failure = from_file("[log]\ncache_bytes_max = 'many'\n").unwrap_err();
        assert!(
            failure.what.starts_with("setting log.cache_bytes_max=\"many\" is not legal: write a number"),
            "{failure:?}"
        );
        assert!(from_file("[log]\ndir = 'elsewhere'\n").unwrap_err().what.contains("log.dir"));
    }
    #[test]
    fn secrets_are_counted_not_shown() {
        let loaded = from_file("[processor.secrets]\napi_key_bytes = 'hush'\n").unwrap();
        assert_eq!(loaded.settings.processor.secrets.len(), 1);
        let lines = loaded.lines().join("\n");
        assert!(!lines.contains("hush") && lines.contains("secrets=1"), "{lines}");
    }
    #[test]
    fn sizes_are_read_or_refused() {
        let read =
            ["64MiB", "2 gib", "1.5k", "10", "3 MB", "", "MiB", "1.55KiB", "-1", "99999999999999999999"]
                .map(parse_bytes);
        let expect = [
            Some(64 << 20),
            Some(2 << 30),
            Some(1_536),
            Some(10),
            Some(3_000_000),
            None,
            None,
            None,
            None,
            None,
        ];
        assert_eq!(read, expect);
    }
}
