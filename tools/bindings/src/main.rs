//! Writes the SDK's raw bindings from the WIT, so that a plugin's author compiles no binding generator.
//! In: `wit/potok.wit`. Out: `sdk/rust/src/bindings.rs` and the SDK's copy of the WIT, `sdk/rust/wit/potok.wit`; with `--check`
//! nothing is written and a difference is an error, as in this crate's test. Invariant: both follow from the WIT alone.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::Opts;

const WORLD: &str = "processor-plugin";
const HEADER: &str = "\
//! Raw bindings of world `processor-plugin`: what the canonical ABI asks for, and nothing else.
//! In: `wit/potok.wit`. Out: this file, by `cargo run -p bindings` in `guest-examples/`. Not edited by hand.
//! Invariant: it follows from the WIT, as a test of that crate says. `host/wasm.rs` and `component.rs` give it the SDK's types.
";

fn main() -> Result<()> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => bail!("unknown argument {other:?}; usage: bindings [--check]"),
    };
    settle_all(check)
}

fn settle_all(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let wit = root.join("wit/potok.wit");
    let text = std::fs::read_to_string(&wit).with_context(|| format!("reading {}", wit.display()))?;
    settle(check, &root.join("sdk/rust/wit/potok.wit"), &text)?;
    settle(check, &root.join("sdk/rust/src/bindings.rs"), &generate(&wit)?)
}

/// The bindings as source text.
fn generate(wit: &PathBuf) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let options = Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        default_bindings_module: Some("$crate::bindings".into()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, bytes) = files.iter().next().context("the generator made no file")?;
    Ok(format!("{HEADER}\n{}", std::str::from_utf8(bytes)?))
}

/// Writes `text` to `path` when that changes something; with `check`, says that it would.
fn settle(check: bool, path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if check {
        bail!(
            "{} does not follow from wit/potok.wit: run `cargo run -p bindings` in guest-examples/",
            path.display()
        );
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sdk_follows_from_the_wit() {
        if let Err(error) = super::settle_all(true) {
            panic!("{error}");
        }
    }
}
