//! The command line: what there is to say to `potok`, one file a command.
//! In come words, out goes a call on the server (or, for `serve` and `plugin`, on the rooms themselves) and a page of text.
//! Parsing and help live with each command; what values mean beyond their form is the server's to judge.

mod ages;
mod backup;
mod completions;
mod consume;
mod deploy;
mod group;
mod module;
mod plugin;
mod processor;
mod produce;
mod records;
mod serve;
mod status;
mod topic;
mod usage;
mod values;

use crate::client::Client;
use crate::config;
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::output::{Format, Output};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// A durable log and stream processors in one process.
#[derive(Debug, Parser)]
#[command(
    name = "potok",
    version,
    propagate_version = true,
    about = "A durable log and WebAssembly stream processors in one process",
    after_help = EXIT_CODES,
    after_long_help = FIRST_STEPS,
    max_term_width = 110,
    arg_required_else_help = true,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "First steps:\n  \
    potok serve --data ./potok-data\n  \
    potok topic create flights --partitions 4\n  \
    echo hello | potok produce flights\n  \
    potok consume flights --from-beginning\n  \
    potok plugin new my-processor --language rust --kind processor\n\n\
    A setting comes from a flag, else from POTOK_... in the environment, else from potok.toml, else from its default.\n\n\
    Exit codes:\n  \
    0 done; 1 failed; 2 the command line or the configuration is wrong; 3 not found;\n  \
    4 refused: it conflicts with what is there, or is not legal; 5 no server answers";

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct Global {
    /// The server's address [default: http://127.0.0.1:8080; in the environment: POTOK_SERVER]
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    server: Option<String>,
    /// Read settings from this file instead of ./potok.toml
    #[arg(long, global = true, value_name = "FILE", env = config::FILE_VARIABLE, hide_env = true, help_heading = "Everywhere")]
    config_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// Show the health of the server and what it holds
    Status(status::Status),
    /// Create, list, describe, alter, trim and delete topics
    #[command(subcommand)]
    Topic(topic::Topic),
    /// Append lines from stdin to a topic
    Produce(produce::Produce),
    /// Print the records of a topic
    Consume(consume::Consume),
    /// List, describe, reset and delete consumer groups
    #[command(subcommand)]
    Group(group::Group),
    /// Push, list, inspect and delete modules: uploaded WebAssembly components
    #[command(subcommand)]
    Module(module::Module),
    /// Deploy modules as processors and manage them
    #[command(subcommand)]
    Processor(processor::Processor),
    /// Write, build and test a plugin of your own
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Back up a running server
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Print a completion script for your shell
    Completions(completions::Completions),
}

/// The choice between people and programs.
#[derive(Clone, Copy, Debug, Args)]
struct OutputArg {
    /// Tables for people, or JSON for programs
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t, help_heading = "Everywhere")]
    output: Format,
}

impl OutputArg {
    fn open(self) -> Output {
        Output::to_stdout(self.output)
    }
}

/// Runs the command line `words`, prints, and answers the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let words: Vec<OsString> = words.into_iter().collect();
    let format = asked_format(&words);
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return show_usage(format, &error, &words),
    };
    match cli.run() {
        Ok(()) => Exit::Ok as u8,
        Err(failure) if failure.is_broken_pipe() => Exit::Ok as u8,
        Err(failure) => {
            crate::output::show_failure(format, &failure);
            failure.exit as u8
        }
    }
}

/// Help and version go to stdout and are no error.
fn show_usage(format: Format, error: &clap::Error, words: &[OsString]) -> u8 {
    match usage::failure(error, words) {
        Some(failure) => {
            crate::output::show_failure(format, &failure);
            failure.exit as u8
        }
        None => {
            // Printing help into a closed pipe is no failure.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage as u8 } else { Exit::Ok as u8 }
        }
    }
}

/// The format in which a failure is told; looked for in the raw words, as the command that knows it may be the one that failed.
fn asked_format(words: &[OsString]) -> Format {
    let words: Vec<_> = words.iter().filter_map(|word| word.to_str()).collect();
    let paired = |pair: &[&str]| matches!(pair, ["--output" | "-o", "json"]);
    let json = words.windows(2).any(paired)
        || words.iter().any(|word| matches!(*word, "--output=json" | "-ojson" | "--json"));
    if json { Format::Json } else { Format::Human }
}

impl Cli {
    fn run(self) -> Result<(), Failure> {
        let global = self.global;
        match self.command {
            Command::Serve(command) => command.run(global.config_file),
            Command::Completions(command) => command.run(),
            Command::Plugin(command) => command.run(),
            Command::Status(command) => with_server(&global, async |client| command.run(client).await),
            Command::Topic(command) => with_server(&global, async |client| command.run(client).await),
            Command::Produce(command) => with_server(&global, async |client| command.run(client).await),
            Command::Consume(command) => with_server(&global, async |client| command.run(client).await),
            Command::Group(command) => with_server(&global, async |client| command.run(client).await),
            Command::Module(command) => with_server(&global, async |client| command.run(client).await),
            Command::Processor(command) => with_server(&global, async |client| command.run(client).await),
            Command::Backup(command) => with_server(&global, async |client| command.run(client).await),
        }
    }
}

/// Runs a command that talks to the server. One thread is enough for one conversation.
fn with_server(
    global: &Global,
    command: impl AsyncFnOnce(&Client) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let server = config::server_address(global.config_file.as_deref(), global.server.as_deref())?;
    let client = Client::new(&server)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(command(&client))
}

/// The command tree, for completions and for tests.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command().debug_assert();
    }
    #[test]
    fn every_command_shows_an_example() {
        fn visit(path: &str, command: &clap::Command) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let leaf = command.get_subcommands().next().is_none();
            assert!(!leaf || help.contains("potok "), "{path} has no example in its help");
            command.get_subcommands().filter(|c| c.get_name() != "help").for_each(|c| visit(&path, c));
        }
        visit("", &command());
    }
    #[test]
    fn json_is_seen_before_the_command_is_parsed() {
        let format = |words: &[&str]| asked_format(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(format(&["potok", "topic", "list", "--output", "json"]), Format::Json);
        assert_eq!(format(&["potok", "topic", "list", "-ojson"]), Format::Json);
        assert_eq!(format(&["potok", "processor", "deploy", "x", "--output", "late"]), Format::Human);
    }
}
