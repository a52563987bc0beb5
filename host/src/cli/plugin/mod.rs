//! `potok plugin …`: from nothing to a module, with no server. One file a command; `project.rs` is what they share.

mod build;
mod new;
mod project;
mod run;
mod test;

use crate::exit::Failure;
use clap::Subcommand;

pub(super) use run::InputRecord;

/// Plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Create a new project that builds and works
    New(new::New),
    /// Build the project in this folder into a component
    Build(build::Build),
    /// Run a module on a file of records, and show what it puts out, keeps and refuses
    Test(test::Test),
}

impl Plugin {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Plugin::New(command) => command.run(),
            Plugin::Build(command) => command.run(),
            Plugin::Test(command) => command.run(),
        }
    }
}
