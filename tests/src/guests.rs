//! Where the built guests lie. `make guests` puts them there; a test that needs one and does not find it fails and says so.

use std::path::PathBuf;

/// The folder of everything that is built outside the checkout.
pub fn cache_folder() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    base.unwrap_or_else(home).join("potok")
}

/// The component of one of `guests-in-five`, by its language.
///
/// # Panics
/// When it is not built: a missing guest is a failed test, never a skipped one.
pub fn guest_in_five(language: &str) -> Vec<u8> {
    let path = cache_folder().join("guests-in-five").join(format!("{language}.wasm"));
    match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{}: {error}; build it with `make guests`", path.display()),
    }
}
