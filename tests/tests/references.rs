//! The reference pages against the program: every setting, command and option has its row, and no row speaks of what is not there.
//! (Problem codes are compared in their own room.)

use potok_tests::server::run;
use serde_json::Value;
use std::collections::BTreeSet;
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

/// Names of all settings, from their defaults; what has no default is added by hand.
fn settings() -> BTreeSet<String> {
    let defaults = serde_json::to_value(potok_host::config::Settings::default()).unwrap();
    let mut names = BTreeSet::new();
    for (name, value) in defaults.as_object().unwrap() {
        match value {
            Value::Object(section) => names.extend(section.keys().map(|key| format!("{name}.{key}"))),
            _ => {
                names.insert(name.clone());
            }
        }
    }
    // follows from `data`, and setting it is refused
    assert!(names.remove("log.dir"));
    names
}

#[test]
fn every_setting_is_documented() {
    let text = page("settings.md");
    let rows = text.lines().map(cells).filter(|cells| cells.len() == 3 && cells[0] != "setting");
    let documented = rows.map(|cells| cells[0].clone()).filter(|name| !name.starts_with('-')).collect();
    check(&documented, &settings());
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
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
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
