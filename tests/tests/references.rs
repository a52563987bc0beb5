//! The reference pages against the program: every setting, command and option has its row, and no row speaks of what is not there.
//! (Problem codes are compared in their own room.)

use potok_tests::server::run;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of a row of a table, without the ticks of code.
fn cells(line: &str) -> Vec<String> {
    let row = line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')).unwrap_or_default();
    row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

#[track_caller]
fn check(documented: &BTreeSet<String>, there: &BTreeSet<String>) {
    let missing: Vec<_> = there.difference(documented).collect();
    let invented: Vec<_> = documented.difference(there).collect();
    assert!(
        !there.is_empty() && missing.is_empty() && invented.is_empty(),
        "missing {missing:?}, invented {invented:?}"
    );
}

/// All settings and their defaults.
fn settings() -> BTreeMap<String, Value> {
    let defaults = serde_json::to_value(potok_host::config::Settings::default()).unwrap();
    let mut names = BTreeMap::new();
    for (name, value) in defaults.as_object().unwrap().clone() {
        match value {
            Value::Object(section) => {
                names.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => {
                names.insert(name, value);
            }
        }
    }
    // follows from `data`, and setting it is refused
    assert!(names.remove("log.dir").is_some());
    // never shown, not even its default
    assert!(names.insert("processor.secrets".to_owned(), Value::Null).is_none());
    names
}

/// What a cell says of a default `like` this: `64 MiB`, `10080: 7 days`, `none; serve needs one`.
fn said(cell: &str, like: &Value) -> Value {
    let none = cell.starts_with("none");
    match like {
        Value::Bool(_) => serde_json::from_str(cell).unwrap_or_default(),
        Value::Number(_) => number(cell.split(':').next().unwrap_or_default()).into(),
        Value::Array(_) if none => Value::Array(Vec::new()),
        Value::Null if none => Value::Null,
        _ => cell.into(),
    }
}

/// Bytes or milliseconds, as the setting counts them.
fn number(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let unit = match unit {
        "" | "ms" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "s" => 1_000,
        "min" => 60_000,
        "day" | "days" => 86_400_000,
        _ => panic!("{text} has a unit that is not known"),
    };
    number.parse::<u64>().unwrap_or_else(|_| panic!("{text} is no number")) * unit
}

#[test]
fn every_setting_is_documented_with_its_default() {
    let text = page("settings.md");
    let rows = text.lines().map(cells).filter(|cells| cells.len() == 3 && cells[0] != "setting");
    let rows: BTreeMap<_, _> = rows
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .filter(|(name, _)| !name.starts_with('-'))
        .collect();
    let settings = settings();
    check(&rows.keys().cloned().collect(), &settings.keys().cloned().collect());
    // this one follows from the data folder
    for (name, default) in settings.iter().filter(|(name, _)| *name != "http.backup_dir") {
        assert_eq!(said(&rows[name], default), *default, "{name}: {}", rows[name]);
    }
}

/// `potok` and the words of each of its commands, from what `--help` lists.
fn commands(words: &[&str], found: &mut BTreeSet<String>) {
    let (code, help, _) = run(&[words, &["--help"]].concat());
    assert_eq!(code, Some(0), "{words:?}");
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named: Vec<_> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    if named.is_empty() {
        found.insert(format!("potok {}", words.join(" ")));
    }
    for name in named {
        commands(&[words, &[name]].concat(), found);
    }
}

/// What of a text is an option: `--name`.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let named =
        |word: &&str| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic));
    words.filter(named).map(str::to_owned).collect()
}

#[test]
fn every_command_is_documented_with_every_option() {
    let text = page("cli.md");
    let sections: Vec<(&str, &str)> = text
        .split("\n### ")
        .filter_map(|section| section.strip_prefix('`')?.split_once("`\n"))
        .filter(|(title, _)| title.starts_with("potok "))
        .collect();
    let documented = sections.iter().map(|(title, _)| (*title).to_owned()).collect();
    let mut there = BTreeSet::new();
    commands(&[], &mut there);
    check(&documented, &there);
    let everywhere = options("--help --version --server --config-file --output");
    for (title, section) in sections {
        let words: Vec<_> = title.split(' ').skip(1).chain(["--help"]).collect();
        let (_, help, _) = run(&words);
        let offered = help.lines().filter(|line| line.trim_start().starts_with('-'));
        let offered: BTreeSet<_> = offered.filter_map(|line| options(line).pop_first()).collect();
        let rows = section.lines().map(cells).filter(|cells| cells.len() == 2);
        let rows: BTreeSet<_> = rows.flat_map(|cells| options(&cells[0])).collect();
        println!("{title}");
        assert_eq!(&rows - &everywhere, &offered - &everywhere, "{title}");
    }
}
