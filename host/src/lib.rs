//! The thin host: configuration, the house built in flow order, the command line.
//! A library beside the binary, so that tests and the demonstration start the same house and speak through the same client.

pub mod app;
pub mod client;
pub mod config;
pub mod exit;
pub mod output;
pub mod remedy;

mod backup;
mod cli;

pub use cli::run;
