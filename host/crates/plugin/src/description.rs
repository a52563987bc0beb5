//! What a module says of itself, checked: names, lengths, counts, a semantic version, a JSON Schema that compiles.
//! In comes the raw record of `describe`, out goes a [`Description`] that other rooms may show and rely upon; a configuration is
//! checked against it. Regular expressions of a schema run in an engine that is linear in its input.

use crate::api::{Description, Grant, Port, StoreSpec};
use crate::bindings::about as wit;
use crate::error::ConfigProblem;
use crate::limits::{NAME_LEN_MAX, PORTS_MAX, SCHEMA_LEN_MAX, SUMMARY_LEN_MAX};
use serde_json::Value;
use std::collections::HashSet;

/// The checked description, or a sentence.
pub(crate) fn check(raw: wit::Description) -> Result<Description, String> {
    line("name", &raw.name, NAME_LEN_MAX)?;
    if raw.name.trim().is_empty() {
        return Err("`name` is empty".into());
    }
    line("summary", &raw.summary, SUMMARY_LEN_MAX)?;
    if semver::Version::parse(&raw.version).is_err() {
        return Err(format!(
            "`version` is {:?}: it has to be a semantic version, as 1.0.0",
            short(&raw.version)
        ));
    }
    let stores: Vec<StoreSpec> =
        raw.stores.into_iter().map(|store| StoreSpec { name: store.name, ttl_ms: store.ttl_ms }).collect();
    let description = Description {
        config_schema: schema(&raw.config_schema)?,
        inputs: raw.inputs.into_iter().map(port).collect(),
        outputs: raw.outputs.into_iter().map(port).collect(),
        wants: raw.wants.into_iter().map(grant).collect(),
        name: raw.name,
        version: raw.version,
        summary: raw.summary,
        stores,
        state_version: raw.state_version,
    };
    ports("inputs", &description.inputs)?;
    ports("outputs", &description.outputs)?;
    named("stores", description.stores.iter().map(|store| &store.name))?;
    if let Some(store) = description.stores.iter().find(|store| store.ttl_ms == Some(0)) {
        return Err(format!("store {:?} has a time-to-live of 0 ms: it would keep nothing", store.name));
    }
    wants(&description.wants)?;
    Ok(description)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
fn line(what: &str, text: &str, max: usize) -> Result<(), String> {
    if text.len() > max {
        return Err(format!("`{what}` has {} bytes, the limit is {max}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("`{what}` has a control character or a line break"));
    }
    Ok(())
}
/// A list of distinct names that can be typed and shown.
fn named<'a>(what: &str, names: impl ExactSizeIterator<Item = &'a String>) -> Result<(), String> {
    if names.len() > PORTS_MAX {
        return Err(format!("`{what}` has {} entries, the limit is {PORTS_MAX}", names.len()));
    }
    let mut seen = HashSet::new();
    for name in names {
        line(what, name, NAME_LEN_MAX)?;
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c)) {
            return Err(format!(
                "`{what}` has the name {:?}: names are letters, digits, -, _ and .",
                short(name)
            ));
        }
        if !seen.insert(name) {
            return Err(format!("`{what}` has {name:?} twice"));
        }
    }
    Ok(())
}
fn ports(what: &str, ports: &[Port]) -> Result<(), String> {
    named(what, ports.iter().map(|port| &port.name))?;
    ports.iter().try_for_each(|port| line(what, &port.summary, SUMMARY_LEN_MAX))
}
fn wants(wants: &[Grant]) -> Result<(), String> {
    if wants.len() > PORTS_MAX {
        return Err(format!("`wants` has {} entries, the limit is {PORTS_MAX}", wants.len()));
    }
    wants.iter().try_for_each(|want| match want {
        Grant::Tcp(text) | Grant::Http(text) => line("wants", text, SUMMARY_LEN_MAX),
        Grant::Directory { name: text, .. } | Grant::Secret(text) | Grant::Database(text) => {
            line("wants", text, NAME_LEN_MAX)
        }
    })
}
fn port(raw: wit::Port) -> Port {
    Port { name: raw.name, summary: raw.summary }
}
fn grant(raw: wit::Grant) -> Grant {
    match raw {
        wit::Grant::Tcp(to) => Grant::Tcp(to),
        wit::Grant::Http(to) => Grant::Http(to),
        wit::Grant::Directory(directory) => Grant::Directory { name: directory.name, write: directory.write },
        wit::Grant::Secret(name) => Grant::Secret(name),
        wit::Grant::Database(name) => Grant::Database(name),
    }
}

/// The schema as JSON, known to compile.
fn schema(text: &str) -> Result<Value, String> {
    if text.len() > SCHEMA_LEN_MAX {
        return Err(format!("`config-schema` has {} bytes, the limit is {SCHEMA_LEN_MAX}", text.len()));
    }
    let schema: Value =
        serde_json::from_str(text).map_err(|error| format!("`config-schema` is no JSON: {error}"))?;
    if !schema.is_object() {
        return Err("`config-schema` has to be a JSON object; {} takes any configuration".into());
    }
    compile(&schema).map_err(|error| format!("`config-schema` is no JSON Schema: {error}"))?;
    Ok(schema)
}
fn compile(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|error| crate::limits::cut(error.to_string(), SUMMARY_LEN_MAX))
}

/// Less alike than this (Jaro-Winkler, 0 to 1) a known name is no help as a guess.
const ALIKE_MIN: f64 = 0.7;
/// Problems shown of one configuration.
const PROBLEMS_MAX: usize = 20;

/// Checks a configuration against a module's schema.
pub(crate) fn check_config(schema: &Value, config: &Value) -> Result<(), Vec<ConfigProblem>> {
    let whole = |message: String| vec![ConfigProblem { pointer: String::new(), message }];
    if !config.is_object() {
        return Err(whole("the configuration has to be a JSON object".into()));
    }
    let validator = compile(schema).map_err(whole)?;
    let problem = |error: jsonschema::ValidationError<'_>| ConfigProblem {
        pointer: error.instance_path().to_string(),
        message: crate::limits::cut(
            unknown_names(schema, config, &error).unwrap_or_else(|| error.to_string()),
            SUMMARY_LEN_MAX,
        ),
    };
    let problems: Vec<_> = validator.iter_errors(config).take(PROBLEMS_MAX).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// For names that the schema does not have: the ones that it has, the likeliest first asked after.
fn unknown_names(schema: &Value, config: &Value, error: &jsonschema::ValidationError<'_>) -> Option<String> {
    let at = error.schema_path().to_string();
    let object = schema.pointer(at.strip_suffix("/additionalProperties")?)?;
    let unexpected = unexpected(config, error)?;
    let mut known = keys(object, "properties");
    known.sort();
    let alike = |name: &String| {
        let rated = known.iter().map(|known| (strsim::jaro_winkler(name, known), *known));
        let likely = rated.filter(|(alike, _)| *alike >= ALIKE_MIN);
        likely.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| format!("did you mean {known:?}? "))
    };
    let guess = unexpected.iter().copied().find_map(alike).unwrap_or_default();
    let patterns = keys(object, "patternProperties");
    let patterns = patterns.iter().map(|pattern| format!("what matches {pattern:?}"));
    let takes: Vec<_> = known.iter().map(|name| format!("{name:?}")).chain(patterns).collect();
    let takes = if takes.is_empty() { "nothing".to_owned() } else { takes.join(", ") };
    let names: Vec<_> = unexpected.iter().map(|name| format!("{name:?}")).collect();
    Some(format!("it knows no {}; {guess}it takes {takes}", names.join(", ")))
}
fn keys<'a>(schema: &'a Value, keyword: &str) -> Vec<&'a String> {
    schema.get(keyword).and_then(Value::as_object).into_iter().flat_map(|all| all.keys()).collect()
}

/// The names that are in the way. An object that takes none at all is told by one of its values, where a value that may not be
/// there is told by itself.
fn unexpected<'a>(config: &'a Value, error: &'a jsonschema::ValidationError<'_>) -> Option<Vec<&'a String>> {
    use jsonschema::error::ValidationErrorKind as Kind;
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => Some(unexpected.iter().collect()),
        Kind::FalseSchema => {
            let object = config.pointer(&error.instance_path().to_string())?.as_object()?;
            let is_of_it = object.values().any(|value| *value == **error.instance());
            is_of_it.then(|| object.keys().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sound() -> wit::Description {
        wit::Description {
            name: "flight-delays".into(),
            version: "1.0.0".into(),
            summary: "Keeps late departures".into(),
            config_schema: "{}".into(),
            inputs: vec![wit::Port { name: "flights".into(), summary: String::new() }],
            outputs: vec![wit::Port { name: "delays".into(), summary: String::new() }],
            stores: vec![wit::StoreSpec { name: "carriers".into(), ttl_ms: None }],
            state_version: 1,
            wants: vec![wit::Grant::Secret("token".into())],
        }
    }
    #[track_caller]
    fn refuses(change: impl FnOnce(&mut wit::Description), reason: &str) {
        let mut raw = sound();
        change(&mut raw);
        let said = check(raw).unwrap_err();
        assert!(said.contains(reason), "{said:?} lacks {reason:?}");
    }
    #[test]
    fn a_sound_description_passes() {
        let checked = check(sound()).unwrap();
        assert_eq!(checked.stores[0].name, "carriers");
        assert_eq!(checked.wants, [Grant::Secret("token".into())]);
    }
    #[test]
    fn junk_is_refused_with_its_place() {
        refuses(|d| d.name = String::new(), "`name` is empty");
        refuses(|d| d.name = "x".repeat(NAME_LEN_MAX + 1), "`name` has 129 bytes");
        refuses(|d| d.name = "a\nb".into(), "control character");
        refuses(|d| d.version = "v1".into(), "semantic version");
        refuses(|d| d.config_schema = "{".into(), "no JSON");
        refuses(|d| d.config_schema = "[]".into(), "JSON object");
        refuses(|d| d.config_schema = r#"{"type": "strin"}"#.into(), "no JSON Schema");
        refuses(|d| d.config_schema = r#"{"$ref": "https://example.com/s.json"}"#.into(), "no JSON Schema");
        refuses(|d| d.config_schema = " ".repeat(SCHEMA_LEN_MAX + 1), "the limit is");
        refuses(|d| d.inputs.push(d.inputs[0].clone()), "twice");
        refuses(|d| d.outputs[0].name = "no spaces".into(), "letters, digits");
        refuses(|d| d.stores[0].ttl_ms = Some(0), "keep nothing");
        refuses(|d| d.wants = vec![wit::Grant::Secret("s".into()); PORTS_MAX + 1], "the limit is 64");
    }
    #[test]
    fn a_configuration_is_held_against_the_schema() {
        let schema = json!({"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]});
        assert!(check_config(&schema, &json!({"minutes": 30})).is_ok());
        let problems = check_config(&schema, &json!({"minutes": "x"})).unwrap_err();
        assert_eq!(problems[0].pointer, "/minutes");
        assert!(check_config(&schema, &json!({})).unwrap_err()[0].message.contains("minutes"));
        assert!(check_config(&schema, &json!([])).unwrap_err()[0].message.contains("JSON object"));
    }
    #[test]
    fn a_name_that_the_schema_does_not_have_is_answered_with_those_it_has() {
        let schema = json!({"additionalProperties": false, "properties": {
            "minutes": {}, "city": {},
            "inner": {"additionalProperties": false, "properties": {"depth": {}}},
            "empty": {"additionalProperties": false},
            "patterns": {"additionalProperties": false, "properties": {"b": {}}, "patternProperties": {"^x-": {}}},
        }});
        let said = |config: Value| check_config(&schema, &config).unwrap_err().remove(0);
        let takes = r#"it takes "city", "empty", "inner", "minutes", "patterns""#;
        let guess = format!(r#"it knows no "minuets"; did you mean "minutes"? {takes}"#);
        assert_eq!(said(json!({"minuets": 5})).message, guess);
        assert_eq!(said(json!({"x": 5})).message, format!(r#"it knows no "x"; {takes}"#));
        let inner = said(json!({"inner": {"zzz": 1}}));
        assert_eq!(
            (inner.pointer.as_str(), inner.message.as_str()),
            ("/inner", r#"it knows no "zzz"; it takes "depth""#)
        );
        let empty = |config: Value| (said(config.clone()).pointer, said(config).message);
        let nothing = |names: &str| ("/empty".to_owned(), format!("it knows no {names}; it takes nothing"));
        assert_eq!(empty(json!({"empty": {"a": 1}})), nothing(r#""a""#));
        assert_eq!(empty(json!({"empty": {"b": {}, "a": 1}})), nothing(r#""b", "a""#));
        let patterns = said(json!({"patterns": {"a": 1}})).message;
        assert_eq!(patterns, r#"it knows no "a"; it takes "b", what matches "^x-""#);
        let whole = check_config(&json!({"additionalProperties": false}), &json!({"a": 1})).unwrap_err();
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].pointer, "");
        assert_eq!(whole[0].message, r#"it knows no "a"; it takes nothing"#);
    }
    #[test]
    fn a_value_that_may_not_be_there_is_no_unknown_name() {
        let schema = json!({"properties": {"additionalProperties": false}});
        let problems = check_config(&schema, &json!({"additionalProperties": {"a": 1}})).unwrap_err();
        assert_eq!(problems[0].pointer, "/additionalProperties");
        assert!(problems[0].message.contains("does not allow"), "{}", problems[0].message);
    }
}
