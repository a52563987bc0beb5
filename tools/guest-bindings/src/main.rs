//! Bindings for guests in C and Go, and components of what their compilers make.
//! In: a WIT folder and the name of a world, or a core module. Out: sources to compile with a guest, or a component.
//! Invariant: a component has passed the validator and imports no WASI. Compiling is left to the language's own tools.
//!
//!     guest-bindings c|go WIT WORLD FOLDER
//!     guest-bindings component CORE.wasm OUT.wasm [WIT WORLD]
//!
//! WIT and WORLD go with a component whose compiler cannot write the custom section with its type: Go.

use anyhow::{Context, Result, bail};
use std::path::Path;
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};

/// WASI preview 1, as a module that imports nothing: a guest may link a libc or a runtime that expects it.
const NO_WASI: &str = include_str!("no-wasi.wat");

const USAGE: &str = "usage: guest-bindings c|go WIT WORLD FOLDER | component CORE.wasm OUT.wasm [WIT WORLD]";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["c", wit, world, folder] => bindings(wit_bindgen_c::Opts::default().build(), wit, world, folder),
        ["go", wit, world, folder] => bindings(wit_bindgen_go::Opts::default().build(), wit, world, folder),
        ["component", core, out] => component(core, out, None),
        ["component", core, out, wit, world] => component(core, out, Some((wit, world))),
        _ => bail!(USAGE),
    }
}

fn select(wit: &str, world: &str) -> Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("reading {wit}"))?;
    let world = resolve.select_world(&[package], Some(world))?;
    Ok((resolve, world))
}

fn bindings(mut generator: Box<dyn WorldGenerator>, wit: &str, world: &str, folder: &str) -> Result<()> {
    let (mut resolve, world) = select(wit, world)?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        let path = Path::new(folder).join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn component(core: &str, out: &str, types: Option<(&str, &str)>) -> Result<()> {
    let mut module = std::fs::read(core).with_context(|| format!("reading {core}"))?;
    if let Some((wit, world)) = types {
        let (resolve, world) = select(wit, world)?;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    }
    let no_wasi = wat::parse_str(NO_WASI)?;
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module)?.adapter("wasi_snapshot_preview1", &no_wasi)?.validate(true);
    let bytes = encoder.encode()?;
    refuse_wasi(&bytes)?;
    // renamed into place, so that nobody ever reads half of it
    let part = format!("{out}.part");
    std::fs::write(&part, &bytes).with_context(|| format!("writing {part}"))?;
    std::fs::rename(&part, out).with_context(|| format!("writing {out}"))
}

fn refuse_wasi(component: &[u8]) -> Result<()> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("the encoder made no component");
    };
    let names = resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key));
    let wasi: Vec<String> = names.filter(|name| name.starts_with("wasi:")).collect();
    if !wasi.is_empty() {
        bail!("it imports {}, which a processor does not need", wasi.join(", "));
    }
    Ok(())
}
