//! The rules of the house that a machine can check, on every file that git tracks.
//! Each test lists all offenders at once. A rule is changed here, with its reason, or not at all.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest function, in lines from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that may be longer, with their length today: the number only ever falls. Empty is the aim.
const LONGER_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Written by `tools/bindings` from the WIT: nobody reads it, and a check in `tools/build-guests.sh` compares it.
const GENERATED: &[&str] = &["sdk/rust/src/bindings.rs"];

/// Heavy dependencies, and the packages that may name them. The host's command line is an HTTP client.
const OWNERS: &[(&str, &[&str])] = &[
    ("rocksdb", &["potok-log"]),
    ("wasmtime", &["potok-plugin"]),
    ("wasmtime-wasi", &["potok-plugin"]),
    ("axum", &["potok-http"]),
    ("hyper", &["potok-http"]),
    ("hyper-util", &["potok-http"]),
    ("tower-http", &["potok-http"]),
    ("utoipa", &["potok-http"]),
];

/// What `potok-types` must not pull in: it has no async, no I/O and no engine.
const TOO_HEAVY_FOR_TYPES: &[&str] =
    &["tokio", "futures", "async-trait", "rocksdb", "wasmtime", "axum", "hyper", "reqwest", "tracing"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Paths of all tracked and new files that are still there, relative to the root.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("the house rules read the list of files from git");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .filter(|path| root().join(path).is_file())
        .collect();
    files.sort();
    files.dedup();
    assert!(files.len() > 50, "only {} files: is this the repository?", files.len());
    files
}

pub(crate) fn files_ending_in(suffix: &str) -> Vec<String> {
    let found: Vec<String> = files().into_iter().filter(|path| path.ends_with(suffix)).collect();
    assert!(!found.is_empty(), "no file ends in {suffix}");
    found
}

/// The text of a file; None when it is not UTF-8 (data, pictures).
fn text(path: &str) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(path)).unwrap()).ok()
}

#[track_caller]
fn assert_none(rule: &str, offenders: &[String]) {
    let mut list = String::new();
    for offender in offenders {
        let _ = write!(list, "\n  {offender}");
    }
    assert!(offenders.is_empty(), "{rule}:{list}");
}

/// The manifest of every package, with its path: the workspace's and the guests'.
pub(crate) fn manifests() -> Vec<(String, toml::Table)> {
    let parse = |path: String| {
        let table: toml::Table = text(&path).unwrap().parse().unwrap_or_else(|e| panic!("{path}: {e}"));
        (path, table)
    };
    files_ending_in("Cargo.toml")
        .into_iter()
        .map(parse)
        .filter(|(_, table)| table.contains_key("package"))
        .collect()
}

pub(crate) fn package_name(manifest: &toml::Table) -> &str {
    manifest["package"]["name"].as_str().unwrap()
}

/// Dependencies of all kinds and targets, by the names of the packages.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let mut names = Vec::new();
    collect_dependencies(manifest, &mut names);
    for target in manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
        collect_dependencies(target.1.as_table().unwrap(), &mut names);
    }
    names
}

fn collect_dependencies(table: &toml::Table, names: &mut Vec<String>) {
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
            let renamed = value.get("package").and_then(toml::Value::as_str);
            names.push(renamed.unwrap_or(name).to_owned());
        }
    }
}

/// Whether Cargo builds this package as a member of the root workspace.
pub(crate) fn is_member(path: &str) -> bool {
    let workspace: toml::Table = text("Cargo.toml").unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let folder = path.strip_suffix("/Cargo.toml").unwrap_or("");
    members.iter().filter_map(toml::Value::as_str).any(|member| match member.strip_suffix("/*") {
        Some(parent) => folder.rsplit_once('/').is_some_and(|(above, _)| above == parent),
        None => folder == member,
    })
}

#[test]
fn heavy_dependencies_have_one_owner() {
    let mut offenders = Vec::new();
    for (path, manifest) in manifests() {
        let package = package_name(&manifest);
        for name in dependencies(&manifest) {
            let owner = OWNERS.iter().find(|(heavy, _)| *heavy == name);
            if owner.is_some_and(|(_, owners)| !owners.contains(&package)) {
                offenders.push(format!("{path} names {name}"));
            }
        }
    }
    assert_none("these packages name a dependency that another room owns", &offenders);
}

#[test]
fn every_owner_still_has_what_it_owns() {
    let manifests = manifests();
    let names = |package: &str, heavy: &str| {
        let found = manifests.iter().find(|(_, manifest)| package_name(manifest) == package);
        found.is_some_and(|(_, manifest)| dependencies(manifest).iter().any(|name| name == heavy))
    };
    let idle = OWNERS.iter().filter(|(heavy, owners)| !owners.iter().any(|owner| names(owner, heavy)));
    let offenders: Vec<String> = idle.map(|(heavy, owners)| format!("{heavy}: {owners:?}")).collect();
    assert_none("nobody uses these any more: strike them from the list", &offenders);
}

#[test]
fn the_vocabulary_depends_on_nothing_heavy() {
    let manifests = manifests();
    let (_, types) = manifests.iter().find(|(_, manifest)| package_name(manifest) == "potok-types").unwrap();
    let mut table = types.clone();
    table.remove("dev-dependencies");
    let heavy = |name: &String| TOO_HEAVY_FOR_TYPES.contains(&name.as_str()) || name.starts_with("potok-");
    let offenders: Vec<String> = dependencies(&table).into_iter().filter(heavy).collect();
    assert_none("potok-types depends on these", &offenders);
}

#[test]
fn every_member_takes_the_workspaces_lints() {
    let mut offenders = Vec::new();
    for (path, manifest) in manifests().into_iter().filter(|(path, _)| is_member(path)) {
        let inherits =
            manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if inherits != Some(true) {
            offenders.push(path);
        }
    }
    assert_none("these lack `[lints] workspace = true`", &offenders);
}

#[test]
fn every_rust_file_opens_with_its_header() {
    let has_none = |path: &String| !text(path).unwrap().starts_with("//! ");
    let offenders: Vec<String> = files_ending_in(".rs").into_iter().filter(has_none).collect();
    assert_none("these files do not open with a `//!` header", &offenders);
}

/// Functions longer than the limit: name, first line, length. Relies on rustfmt: a body ends at a brace indented as its `fn`.
fn long_functions(source: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        if !opens_a_body(&lines[start..]) {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let Some(distance) = lines[start..].iter().position(|line| *line == closing) else { continue };
        if distance + 1 > FUNCTION_LINES_MAX {
            long.push((name.to_owned(), start + 1, distance + 1));
        }
    }
    long
}

/// Whether a signature ends in an open brace: not a declaration, not a body on one line.
fn opens_a_body(signature: &[&str]) -> bool {
    let end = signature.iter().find(|line| line.ends_with(['{', ';', '}']));
    end.is_some_and(|line| line.ends_with('{'))
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let qualifiers = before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || ["const", "async", "unsafe", "extern", "\"C\"", "crate)", "super)"].contains(&word)
    });
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (qualifiers && !name.is_empty()).then_some(name)
}

#[test]
fn no_function_grows_past_the_limit() {
    let mut offenders = Vec::new();
    let written = files_ending_in(".rs").into_iter().filter(|path| !GENERATED.contains(&path.as_str()));
    for path in written {
        for (name, line, length) in long_functions(&text(&path).unwrap()) {
            let allowed =
                LONGER_FUNCTIONS.iter().find(|(file, function, _)| *file == path && *function == name);
            if allowed.is_none_or(|(_, _, known)| length > *known) {
                offenders.push(format!("{path}:{line} {name}: {length} lines"));
            }
        }
    }
    assert_none(&format!("functions have at most {FUNCTION_LINES_MAX} lines"), &offenders);
}

#[test]
fn the_list_of_longer_functions_only_shrinks() {
    let mut offenders = Vec::new();
    for (path, name, known) in LONGER_FUNCTIONS {
        let long = long_functions(&text(path).unwrap_or_default());
        match long.iter().find(|(function, _, _)| function == name) {
            Some((_, _, length)) if length == known => {}
            Some((_, _, length)) => {
                offenders.push(format!("{path} {name}: has {length} lines now, not {known}"))
            }
            None => offenders.push(format!("{path} {name}: is short now, strike it")),
        }
    }
    assert_none("the ratchet is out of date", &offenders);
}

/// Lines of all text files that hold one of the words, `only` says in which files. A word that starts with a slash counts where a
/// path starts: `$folder/home/x` is in no one's home.
fn lines_with(words: &[String], only: impl Fn(&str) -> bool) -> Vec<String> {
    let mut offenders = Vec::new();
    for path in files().into_iter().filter(|path| only(path)) {
        let Some(text) = text(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| has_word(line, word)) {
                offenders.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    offenders
}

fn has_word(line: &str, word: &str) -> bool {
    let continues_a_path =
        |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "_-.}~*".contains(c));
    line.match_indices(word).any(|(at, _)| !word.starts_with('/') || !continues_a_path(&line[..at]))
}

#[test]
fn nothing_is_left_to_be_done_in_a_comment() {
    // put together here, so that this file does not offend
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["todo", "!("], ["unimplemented", "!("], ["dbg", "!("]];
    let offenders = lines_with(&words.map(|parts| parts.concat()), |path| !is_data(path));
    assert_none("do it, or write it down in docs/roadmap.md", &offenders);
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let folders = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Use", "rs/"]];
    let offenders = lines_with(&folders.map(|parts| parts.concat()), |path| !is_data(path));
    assert_none("paths of a machine", &offenders);
}

/// Records of the world and lists made by tools: not written by us.
fn is_data(path: &str) -> bool {
    path.starts_with("data/") || path.ends_with(".lock") || path.ends_with(".csv") || path == "LICENSE"
}

#[test]
fn no_test_is_switched_off() {
    let offenders = lines_with(&[["#[ig", "nore"].concat()], |path| path.ends_with(".rs"));
    assert_none("a test that does not run proves nothing", &offenders);
}

mod of_the_rules_themselves {
    use super::*;

    #[test]
    fn a_long_function_is_found() {
        let source = format!(
            "impl A {{\n    pub(crate) async fn long() {{\n{}    }}\n}}\n",
            "        x();\n".repeat(69)
        );
        assert_eq!(long_functions(&source), [("long".to_owned(), 2, 71)]);
    }

    #[test]
    fn a_function_at_the_limit_passes() {
        let source = format!("fn fits() {{\n{}}}\n", "    x();\n".repeat(68));
        assert_eq!(long_functions(&source), []);
    }

    #[test]
    fn a_path_counts_where_it_starts() {
        let home = ["/ho", "me/"].concat();
        assert!(has_word(&format!("see {home}a"), &home) && has_word(&format!("\"{home}a\""), &home));
        assert!(!has_word(&format!("$work{home}a"), &home) && !has_word(&format!("x.org{home}a"), &home));
    }

    #[test]
    fn a_declaration_has_no_length() {
        let source = format!("trait T {{\n    fn declared(&self);\n{}    }}\n}}\n", "    x;\n".repeat(90));
        assert_eq!(long_functions(&source), []);
    }

    #[test]
    fn renamed_dependencies_and_targets_count() {
        let manifest: toml::Table =
            "[dependencies]\na = { package = \"b\" }\n[target.x.dev-dependencies]\nc = \"1\"\n"
                .parse()
                .unwrap();
        assert_eq!(dependencies(&manifest), ["b", "c"]);
    }
}
