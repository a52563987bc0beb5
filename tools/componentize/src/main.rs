//! Makes components of core modules: `componentize IN.wasm OUT.wasm [IN OUT]...`.
//! In: what `cargo build --target wasm32-unknown-unknown` leaves, which carries its component type in a custom section.
//! Out: the component, and a line with its size. Invariant: what is written has passed the validator and imports no WASI.

use anyhow::{Context, Result, bail};
use std::path::Path;
use wit_component::{ComponentEncoder, DecodedWasm};

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() || !paths.len().is_multiple_of(2) {
        bail!("usage: componentize IN.wasm OUT.wasm [IN.wasm OUT.wasm]...");
    }
    for pair in paths.chunks_exact(2) {
        let (from, to) = (Path::new(&pair[0]), Path::new(&pair[1]));
        let bytes =
            componentize(from).with_context(|| format!("making a component of {}", from.display()))?;
        // renamed into place, so that nobody ever reads half of it
        let part = to.with_extension("part");
        std::fs::write(&part, &bytes).with_context(|| format!("writing {}", part.display()))?;
        std::fs::rename(&part, to).with_context(|| format!("writing {}", to.display()))?;
        println!("{} ({} KiB)", to.display(), bytes.len().div_ceil(1024));
    }
    Ok(())
}

fn componentize(core: &Path) -> Result<Vec<u8>> {
    let module = std::fs::read(core)?;
    let component = ComponentEncoder::default().module(&module)?.validate(true).encode()?;
    let wasi: Vec<String> =
        imports(&component)?.into_iter().filter(|name| name.starts_with("wasi:")).collect();
    if !wasi.is_empty() {
        bail!("it imports {}: build for wasm32-unknown-unknown", wasi.join(", "));
    }
    Ok(component)
}

fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("the encoder made no component");
    };
    Ok(resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect())
}
