//! Where the built guests lie. `make guests` puts them there; a test that needs one and does not find it fails and says so.

use std::path::{Path, PathBuf};

/// The folder of everything that is built outside the checkout.
pub fn cache_folder() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    base.unwrap_or_else(home).join("potok")
}

/// The component of an example module or of one of the tests' own, by its name.
///
/// # Panics
/// When it is not built: a missing guest is a failed test, never a skipped one.
pub fn built_guest(name: &str) -> Vec<u8> {
    read(&cache_folder().join("guests").join(format!("{name}.wasm")))
}

/// The component of one of `guests-in-five`, by its language.
///
/// # Panics
/// As [`built_guest`].
pub fn guest_in_five(language: &str) -> Vec<u8> {
    read(&cache_folder().join("guests-in-five").join(format!("{language}.wasm")))
}

fn read(path: &Path) -> Vec<u8> {
    match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{}: {error}; build it with `make guests`", path.display()),
    }
}
