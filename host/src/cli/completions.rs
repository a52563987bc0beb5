//! `potok completions SHELL`: a script for the shell, on stdout.

use crate::exit::Failure;
use crate::output::{Format, Output};
use clap::Args;
use clap_complete::Shell;

/// Prints a completion script.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(potok completions bash)\n  \
    potok completions zsh > ~/.zfunc/_potok\n  \
    potok completions fish > ~/.config/fish/completions/potok.fish")]
pub(super) struct Completions {
    /// Your shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "potok", &mut script);
        Output::to_stdout(Format::Human).text(&String::from_utf8_lossy(&script))
    }
}
