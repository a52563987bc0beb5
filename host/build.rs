//! Puts the Rust SDK into the binary: what `potok plugin new` writes is built from it, with no release to fetch.
//! In comes `sdk/rust`, out goes a list of its files' names and contents. Build products and lock files stay behind.

use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What makes up the crate; anything else in the folder is not for its users.
const PARTS: [&str; 4] = ["Cargo.toml", "README.md", "src", "wit"];

fn main() -> io::Result<()> {
    let missing = |name| move |_| io::Error::other(format!("{name} is set by cargo"));
    let host = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(missing("CARGO_MANIFEST_DIR"))?);
    let sdk = host.join("../sdk/rust").canonicalize()?;
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", sdk.join(part).display());
        gather(&sdk.join(part), &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&sdk).map_err(io::Error::other)?;
        list.push_str(&format!("    ({:?}, include_bytes!({:?})),\n", name, file));
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(missing("OUT_DIR"))?);
    fs::write(out.join("sdk_files.rs"), list)
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        if path.exists() {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| gather(&entry?.path(), files))
}
