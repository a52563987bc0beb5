//! Tests of the whole: the house rules here, everything that runs in `tests/all.rs` (one binary, linked once).
//! In: the repository and the built guests. Out: helpers that the modules of `tests/all.rs` share.
//! Leaves a room's own promises to that room's tests.

pub mod five;
pub mod guests;
pub mod server;

#[cfg(test)]
mod house_rules;
#[cfg(test)]
mod licences;
#[cfg(test)]
mod one_build;
