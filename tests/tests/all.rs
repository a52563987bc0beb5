//! Every end-to-end test, one module a subject: one binary, so that RocksDB and Wasmtime are linked once.
//! A new subject is a new file beside this one and a line here.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bad_input;
mod crash;
mod documents;
mod five_languages;
mod neighbours;
mod references;
