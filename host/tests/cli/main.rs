//! The real binary, as its users run it: words in, text and exit codes out, one server a test.

mod commands;
mod failures;
mod plugin;
mod running;
mod server;
