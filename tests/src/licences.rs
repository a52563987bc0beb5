//! Every dependency may be used under a licence that we accept.
//! In: `cargo metadata` of each workspace in the repository. An SPDX expression is read, not matched as a string,
//! so that `A OR B` needs one of them and `A AND B` both. A package without an expression is refused.

use std::process::Command;

/// Licences that ask for no more than notice and attribution, by their exact SPDX identifiers.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether `expression` can be satisfied with allowed licences alone. Nonsense cannot.
fn is_allowed(expression: &str) -> bool {
    // "MIT/Apache-2.0" is how older packages write OR
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

/// `a OR b`: one is enough, but all are read. None when it does not parse.
fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = all_of(words)?;
    while let Some(rest) = words.strip_prefix(&["OR"]) {
        *words = rest;
        allowed |= all_of(words)?;
    }
    Some(allowed)
}

/// `a AND b`: each is needed.
fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = one(words)?;
    while let Some(rest) = words.strip_prefix(&["AND"]) {
        *words = rest;
        allowed &= one(words)?;
    }
    Some(allowed)
}

/// A licence, one with an exception, or an expression in brackets.
fn one(words: &mut &[&str]) -> Option<bool> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    if *first == "(" {
        let allowed = any_of(words)?;
        *words = words.strip_prefix(&[")"])?;
        return Some(allowed);
    }
    if let ["WITH", exception, rest @ ..] = words {
        let whole = format!("{first} WITH {exception}");
        *words = rest;
        return Some(ALLOWED.contains(&whole.as_str()));
    }
    Some(ALLOWED.contains(first))
}

/// The manifests of all workspaces that keep a lock file in the repository.
fn workspaces() -> Vec<std::path::PathBuf> {
    let root = super::house_rules::root();
    let locks = super::house_rules::files_ending_in("Cargo.lock");
    locks.iter().map(|lock| root.join(lock).with_file_name("Cargo.toml")).collect()
}

/// Name, version and licence of every package that one workspace needs, on all platforms.
fn packages(manifest: &std::path::Path) -> Vec<(String, Option<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs, it runs this test");
    assert!(output.status.success(), "{}: {}", manifest.display(), String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let field = |package: &serde_json::Value, name: &str| package[name].as_str().map(str::to_owned);
    let name = |package: &serde_json::Value| {
        format!("{} {}", field(package, "name").unwrap(), field(package, "version").unwrap())
    };
    metadata["packages"].as_array().unwrap().iter().map(|p| (name(p), field(p, "license"))).collect()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let mut offenders = std::collections::BTreeSet::new();
    let mut seen = 0;
    for manifest in workspaces() {
        for (package, licence) in packages(&manifest) {
            seen += 1;
            if !licence.as_deref().is_some_and(is_allowed) {
                offenders
                    .insert(format!("\n  {package}: {}", licence.as_deref().unwrap_or("no SPDX expression")));
            }
        }
    }
    assert!(seen > 100, "cargo metadata names {seen} packages only");
    assert!(offenders.is_empty(), "licences not in the list:{}", String::from_iter(offenders));
}

#[test]
fn expressions_are_read_as_spdx_has_it() {
    for allowed in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND BSD-3-Clause"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for allowed in ["Apache-2.0 WITH LLVM-exception OR GPL-2.0", "MIT AND ISC"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in
        ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT MIT", "MIT OR", "AGPL-3.0 OR (MIT AND SSPL-1.0)"]
    {
        assert!(!is_allowed(refused), "{refused}");
    }
    assert!(!is_allowed("GPL-2.0 WITH LLVM-exception"), "an exception does not make a licence another one");
}
