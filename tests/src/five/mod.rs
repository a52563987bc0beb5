//! The five guests on raw bindings (`guests-in-five`), as their tests and their measurement use them.
//! In: a language and a mode. Out: an instance in the product's own runtime, batches to feed it, and what it must answer.

mod batches;
mod model;
mod port;
mod room;

pub use batches::{Batches, plain_batch};
pub use model::{Answer, Model, timers_answer};
pub use port::MemoryPort;
pub use room::{Room, Running};

/// Languages with a guest in `guests-in-five`.
pub const LANGUAGES: [&str; 5] = ["rust", "c", "go", "javascript", "python"];

/// What a guest does, by its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forwards records with a value of even length, by index; refuses those without a value.
    Filter,
    /// Counts records by key in its store, and emits the new count of each key; refuses records without a key.
    Count,
}

impl Mode {
    /// The configuration of a deployment in this mode.
    pub fn config(self) -> &'static str {
        match self {
            Mode::Filter => r#"{"mode":"filter"}"#,
            Mode::Count => r#"{"mode":"count"}"#,
        }
    }
}
