//! A core module of a compiler into a component: what `potok plugin build` does after the compiler.
//! In come the bytes of a core module whose toolchain wrote the `component-type` section (Rust's and C's bindings do), out goes a
//! component. A module that imports `wasi_snapshot_preview1` needs that toolchain's own adapter and is refused.

/// Why a core module could not be made a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    /// It is one already, or nothing that can be one.
    #[error("this is {0}: give the core module that the compiler wrote")]
    NotCore(&'static str),
    /// It was built without bindings, or its imports and exports do not fit them.
    #[error("the module cannot be made a component: {0}")]
    Encode(String),
}

/// The component of a core module.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    if wasmparser::Parser::is_component(core) {
        return Err(ComponentizeError::NotCore("a component already"));
    }
    if !wasmparser::Parser::is_core_wasm(core) {
        return Err(ComponentizeError::NotCore("no WebAssembly"));
    }
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.module(core).map_err(refused)?.validate(true).encode().map_err(refused)
}

/// The whole chain of causes in one line.
fn refused(error: impl std::fmt::Display) -> ComponentizeError {
    ComponentizeError::Encode(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_core_module_is_named() {
        let component = [0x00, b'a', b's', b'm', 0x0d, 0, 1, 0];
        assert!(componentize(&component).unwrap_err().to_string().contains("a component already"));
        assert!(componentize(b"#!/bin/sh").unwrap_err().to_string().contains("no WebAssembly"));
    }
    #[test]
    fn a_core_module_with_unknown_imports_says_which() {
        let core = wat::parse_str(r#"(module (import "env" "poke" (func)))"#).unwrap();
        assert!(componentize(&core).unwrap_err().to_string().contains("env"));
    }
}
