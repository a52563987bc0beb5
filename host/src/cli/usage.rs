//! A command line that does not parse, in the form of every other error: what is wrong, with which word, and what to type.
//! In come clap's error and the words, out goes a [`Failure`] of [`Exit::Usage`](crate::exit::Exit::Usage); none for help and the version,
//! which are no errors. Whatever clap finds and has no line here keeps clap's own words.

use crate::exit::Failure;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};

/// Stands before a command's examples in its help.
const EXAMPLES: &str = "Examples:";

/// The failure that `error` is; none when it is an answer to `--help`, `--version` or no words at all.
pub(super) fn failure(error: &clap::Error, words: &[OsString]) -> Option<Failure> {
    let of = Wrong { error, command: command_of(words) };
    let failure = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::InvalidSubcommand => of.unknown_command(),
        ErrorKind::UnknownArgument => of.unknown_argument(),
        ErrorKind::MissingRequiredArgument => of.missing(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => of.illegal_value(),
        ErrorKind::ArgumentConflict => of.conflict(),
        ErrorKind::InvalidUtf8 => {
            Failure::usage("a word on the command line is not UTF-8").remedy("write it in UTF-8")
        }
        _ => of.other(),
    };
    Some(failure)
}

/// What is wrong, and the command in which it is.
struct Wrong<'a> {
    error: &'a clap::Error,
    command: clap::Command,
}

impl Wrong<'_> {
    fn unknown_command(&self) -> Failure {
        let word = self.text(ContextKind::InvalidSubcommand);
        let path = self.path();
        let mut likely: Vec<_> =
            self.list(ContextKind::SuggestedSubcommand).iter().map(|name| format!("{path} {name}")).collect();
        if likely.is_empty() {
            likely = self.below(&word);
        }
        let known: Vec<_> = self.command.get_subcommands().map(clap::Command::get_name).collect();
        let remedy = match likely.is_empty() {
            false => did_you_mean(likely.into_iter()),
            true => format!("the commands are: {}; {path} --help says what each does", known.join(", ")),
        };
        Failure::usage(format!("there is no command {path} {word}")).remedy(remedy)
    }
    /// What a word may mean that is no command here: `potok list` is a part of several, `potok version` is an option.
    fn below(&self, word: &str) -> Vec<String> {
        let option = self.command.get_arguments().find(|argument| argument.get_long() == Some(word));
        let named = |command: &clap::Command| {
            command.find_subcommand(word).and_then(clap::Command::get_bin_name).map(str::to_owned)
        };
        let commands =
            self.command.get_subcommands().filter(|command| command.get_name() != "help").filter_map(named);
        option.map(|_| format!("{} --{word}", self.path())).into_iter().chain(commands).collect()
    }
    fn unknown_argument(&self) -> Failure {
        let word = self.text(ContextKind::InvalidArg);
        let failure = Failure::usage(format!("{} takes no {word}", self.path()));
        let mut likely = self.list(ContextKind::SuggestedArg);
        let shorts =
            self.command.get_arguments().filter_map(clap::Arg::get_short).map(|short| format!("-{short}"));
        likely.extend(shorts.filter(|short| short.eq_ignore_ascii_case(&word)));
        match likely.is_empty() {
            false => failure.remedy(did_you_mean(likely.into_iter())),
            true if self.command.get_name() == "produce" && !word.starts_with('-') => {
                failure.remedy(format!("it reads lines from stdin: potok produce TOPIC < {word}"))
            }
            true => failure.remedy(self.usage()),
        }
    }
    fn missing(&self) -> Failure {
        let missing = self.list(ContextKind::InvalidArg).join(" and ");
        Failure::usage(format!("{} needs {missing}", self.path())).remedy(self.usage())
    }
    fn illegal_value(&self) -> Failure {
        let (argument, value) = (self.text(ContextKind::InvalidArg), self.text(ContextKind::InvalidValue));
        let legal = self.list(ContextKind::ValidValue);
        let what = match value.is_empty() && self.error.kind() == ErrorKind::InvalidValue {
            true => format!("{argument} has no value"),
            false => format!("{value:?} is not legal for {argument}"),
        };
        let remedy = match (self.text(ContextKind::SuggestedValue), legal.is_empty()) {
            (likely, false) if !likely.is_empty() => {
                format!("did you mean {likely}? it takes {}", legal.join(", "))
            }
            (_, false) => format!("it takes {}", legal.join(", ")),
            (_, true) => self.why().unwrap_or_else(|| self.usage()),
        };
        Failure::usage(what).remedy(remedy)
    }
    fn conflict(&self) -> Failure {
        let (one, others) = (self.text(ContextKind::InvalidArg), self.list(ContextKind::PriorArg));
        let failure = match others.first().is_none_or(|other| *other == one) {
            true => Failure::usage(format!("{one} is given twice")),
            false => Failure::usage(format!("{one} and {} exclude each other", others.join(", "))),
        };
        failure.remedy("give one of them")
    }
    fn other(&self) -> Failure {
        let text = self.error.to_string();
        let first = text.lines().next().unwrap_or_default();
        Failure::usage(first.strip_prefix("error: ").unwrap_or(first)).remedy(self.usage())
    }
    /// What the value's own parser said.
    fn why(&self) -> Option<String> {
        let source = std::error::Error::source(self.error)?;
        Some(match source.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
            Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => {
                "write a smaller number".to_owned()
            }
            Some(_) => "write a whole number, such as 4".to_owned(),
            None => in_words(source.to_string()),
        })
    }
    /// `potok topic create`.
    fn path(&self) -> String {
        self.command.get_bin_name().unwrap_or("potok").to_owned()
    }
    /// The form of the command, and one that is right.
    fn usage(&self) -> String {
        let usage = self.command.clone().render_usage().to_string();
        let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).trim().to_owned();
        let help = self.command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = help.lines().skip_while(|line| !line.starts_with(EXAMPLES)).skip(1).map(str::trim);
        let examples: Vec<_> = examples.take_while(|line| !line.is_empty()).collect();
        // of several, one that shows what is asked for
        let word = self
            .list(ContextKind::InvalidArg)
            .first()
            .and_then(|word| word.split(' ').next().map(str::to_owned));
        let shows = |line: &&&str| word.as_ref().is_some_and(|word| line.split(' ').any(|part| part == word));
        let example = examples.iter().find(shows).or(examples.first());
        match example {
            Some(example) => format!("write it as {usage}\n  such as {example}"),
            None => format!("write it as {usage}"),
        }
    }
    fn text(&self, kind: ContextKind) -> String {
        self.list(kind).join(" ")
    }
    fn list(&self, kind: ContextKind) -> Vec<String> {
        match self.error.get(kind) {
            Some(ContextValue::String(one)) => vec![one.clone()],
            Some(ContextValue::Strings(all)) => all.clone(),
            _ => Vec::new(),
        }
    }
}

/// clap's own sentence for a number out of its range, `0 is not in 1..=4294967295`, as something to do; any other as it is.
fn in_words(text: String) -> String {
    let range =
        text.split_once(" is not in ").and_then(|(number, range)| Some((number, range.split_once("..")?)));
    match range {
        Some((number, (low, _))) if number.parse::<i128>().ok() < low.parse::<i128>().ok() => {
            format!("write a number of {low} or more")
        }
        Some((_, (_, high))) => format!("write a number of {} or less", high.trim_start_matches('=')),
        None => text,
    }
}

fn did_you_mean(likely: impl Iterator<Item = String>) -> String {
    format!("did you mean {}?", likely.collect::<Vec<_>>().join(" or "))
}

/// The command that was being typed: as far down as the words lead.
fn command_of(words: &[OsString]) -> clap::Command {
    let mut command = super::command();
    command.build();
    for (before, word) in words.iter().zip(words.iter().skip(1)) {
        let an_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
        match command.find_subcommand(word) {
            Some(inner) => command = inner.clone(),
            // an option of all commands, or its value
            None if an_option(word) || an_option(before) => {}
            None => break,
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[track_caller]
    fn check(line: &str, expect: &str) {
        let words: Vec<_> =
            std::iter::once("potok").chain(line.split_whitespace()).map(OsString::from).collect();
        let error = super::super::Cli::try_parse_from(&words).unwrap_err();
        let failure = failure(&error, &words).unwrap();
        let said = format!("{}\n  {}", failure.what, failure.remedy.unwrap_or_default());
        assert_eq!(said, expect, "{line}");
    }

    #[test]
    fn a_command_that_is_not_there_is_answered_with_the_nearest() {
        check("tpoic list", "there is no command potok tpoic\n  did you mean potok topic?");
        check("topic crate t", "there is no command potok topic crate\n  did you mean potok topic create?");
        check(
            "create topic x",
            "there is no command potok create\n  did you mean potok topic create or potok backup create?",
        );
        check("version", "there is no command potok version\n  did you mean potok --version?");
        check(
            "group frobnicate",
            "there is no command potok group frobnicate\n  the commands are: list, describe, reset, delete, help; potok group --help says what each does",
        );
    }
    #[test]
    fn what_is_missing_is_named_with_the_whole_command() {
        check(
            "processor reset late",
            "potok processor reset needs --to <PLACE>\n  \
             write it as potok processor reset [OPTIONS] --to <PLACE> <NAME>\n  \
             such as potok processor pause late && potok processor reset late --to earliest && potok processor resume late",
        );
        check(
            "topic create",
            "potok topic create needs <NAME>\n  write it as potok topic create [OPTIONS] <NAME>\n  such as potok topic create flights --partitions 4",
        );
    }
    #[test]
    fn an_option_without_its_value_is_shown_with_one() {
        check(
            "topic create t --config",
            "--config <NAME=VALUE> has no value\n  write it as potok topic create [OPTIONS] <NAME>\n  \
             such as potok topic create totals --partitions 4 --config cleanup.policy=compact",
        );
    }
    #[test]
    fn an_option_that_is_not_there_is_answered_with_the_nearest() {
        check(
            "topic create t --partition 4",
            "potok topic create takes no --partition\n  did you mean --partitions?",
        );
        check("-v", "potok takes no -v\n  did you mean -V?");
        check(
            "produce t file.txt",
            "potok produce takes no file.txt\n  it reads lines from stdin: potok produce TOPIC < file.txt",
        );
        check(
            "topic delete a b",
            "potok topic delete takes no b\n  write it as potok topic delete [OPTIONS] <NAME>\n  such as potok topic delete flights",
        );
    }
    #[test]
    fn a_value_is_named_with_its_option_and_what_is_legal() {
        check(
            "produce t --acks al",
            "\"al\" is not legal for --acks <ACKS>\n  did you mean all? it takes 0, 1, all",
        );
        check(
            "topic create t -p four",
            "\"four\" is not legal for --partitions <N>\n  write a whole number, such as 4",
        );
        check(
            "consume t --count",
            "--count <N> has no value\n  write it as potok consume [OPTIONS] <TOPIC>\n  such as potok consume flights --from-beginning --count 5",
        );
        check(
            "processor deploy p -m m -i t --from ealiest",
            "\"ealiest\" is not legal for --from <PLACE>\n  did you mean earliest? write earliest, latest, an offset such as 42, \
             a time such as 2013-01-31T10:00:00Z, or how long ago such as -2h",
        );
        check(
            "consume t --since yesterday",
            "\"yesterday\" is not legal for --since <TIME>\n  write a time such as 2013-01-31T10:00:00Z, or how long ago such as -10m",
        );
    }
    #[test]
    fn a_number_out_of_range_is_told_its_range() {
        check("consume t --count 0", "\"0\" is not legal for --count <N>\n  write a number of 1 or more");
        check(
            "topic create t -p -1",
            "\"-1\" is not legal for --partitions <N>\n  write a number of 0 or more",
        );
        check(
            "topic create t -p 5000000000",
            "\"5000000000\" is not legal for --partitions <N>\n  write a number of 4294967295 or less",
        );
    }
    #[test]
    fn what_excludes_each_other_is_said() {
        check(
            "consume t --from-beginning --offset 4",
            "--from-beginning and --offset <OFFSET> exclude each other\n  give one of them",
        );
    }
    #[test]
    fn help_is_no_failure() {
        let help = super::super::Cli::try_parse_from(["potok", "--help"]).unwrap_err();
        assert_eq!(failure(&help, &[]), None);
    }
}
