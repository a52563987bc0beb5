//! `potok plugin build`: the project in this folder as a component, beside its Cargo.toml.

use super::project::Project;
use crate::cli::OutputArg;
use crate::exit::Failure;
use crate::output::{Page, bytes};
use clap::Args;
use std::path::PathBuf;

/// Builds the project in this folder into a component.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  potok plugin build\n  potok plugin build --path ../temperature-alarms")]
pub(in crate::cli) struct Build {
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

impl Build {
    pub(super) fn run(self) -> Result<(), Failure> {
        let project = Project::open(&self.path)?;
        let built = project.build()?;
        self.output.open().show(&built, |built| {
            Page::line(format!(
                "built {} ({}, sha256 {})",
                built.file.display(),
                bytes(built.size_bytes),
                built.digest
            ))
            .and_line(format!(
                "push it: potok module push {} {}",
                built.name,
                built.file.display()
            ))
        })
    }
}
