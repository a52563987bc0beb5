//! RocksDB and Wasmtime are compiled once, whichever command comes first.
//! In: `cargo tree` for each selection of packages that a command of the Makefile makes. Cargo unites the features of what is
//! selected; a shared dependency with other features is another build of all that stands on it, an hour of a small machine.

use super::house_rules::{is_member, manifests, package_name, root};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What must not be built twice: hundreds of files of C++, and a compiler.
const HEAVY: &[&str] = &["librocksdb-sys", "wasmtime"];

/// What the Makefile selects besides the whole workspace: `make run`, `make demo`, `make soak`, and the benches.
const SELECTED_ALONE: &[&str] = &["potok-demo", "potok-tests", "potok-bench"];

/// Features of each package below a heavy one: `(heavy, package) -> features`.
type Features = BTreeMap<(String, String), BTreeSet<String>>;

fn features(selection: &[&str]) -> Features {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--no-dedupe", "--prefix", "depth", "--format", "|{p}|{f}"])
        .args(selection)
        .current_dir(root())
        .output()
        .expect("cargo runs, it runs this test");
    assert!(output.status.success(), "{selection:?}: {}", String::from_utf8_lossy(&output.stderr));
    read(&String::from_utf8(output.stdout).unwrap())
}

/// Reads lines of `depth|name version (source)|features`.
fn read(tree: &str) -> Features {
    let (mut above, mut found) = (Vec::<String>::new(), Features::new());
    for line in tree.lines() {
        let mut parts = line.splitn(3, '|');
        let (Some(depth), Some(package), Some(features)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        above.truncate(depth.parse().unwrap());
        let package: Vec<&str> = package.split(' ').take(2).collect();
        above.push(package[0].to_owned());
        for heavy in HEAVY.iter().filter(|heavy| above.iter().any(|name| name == *heavy)) {
            let key = ((*heavy).to_owned(), package.join(" "));
            found.entry(key).or_default().insert(features.to_owned());
        }
    }
    found
}

#[test]
fn every_command_builds_the_heavy_crates_with_the_same_features() {
    let whole = features(&["--workspace", "--edges", "normal,build,dev"]);
    assert!(
        HEAVY.iter().all(|heavy| whole.keys().any(|(name, _)| name == heavy)),
        "{HEAVY:?} are not all there"
    );
    let members: Vec<String> = manifests()
        .into_iter()
        .filter(|(path, _)| is_member(path))
        .map(|(_, manifest)| package_name(&manifest).to_owned())
        .collect();
    let mut offenders = String::new();
    for package in SELECTED_ALONE.iter().filter(|package| members.iter().any(|member| member == *package)) {
        for (key, features) in features(&["--package", package, "--edges", "normal,build"]) {
            if whole.get(&key) != Some(&features) {
                let (heavy, below) = &key;
                offenders +=
                    &format!("\n  -p {package}: {heavy} > {below}: {features:?}, not {:?}", whole.get(&key));
            }
        }
    }
    assert!(
        offenders.is_empty(),
        "name the missing features in the [dependencies] of that package:{offenders}"
    );
}

#[test]
fn a_tree_is_read_by_depth() {
    let tree = "0|a v1 (/x)|\n1|wasmtime v48.0.8|std\n2|log v0.4.35|\n1|log v0.4.35|std\n";
    let keys: Vec<_> = read(tree).into_iter().map(|((_, package), features)| (package, features)).collect();
    let set = |features: &str| BTreeSet::from([features.to_owned()]);
    assert_eq!(keys, [("log v0.4.35".to_owned(), set("")), ("wasmtime v48.0.8".to_owned(), set("std"))]);
}
