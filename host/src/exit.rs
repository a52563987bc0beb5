//! How the process ends: one exit code and one sentence, with what to do about it.
//! In come failures of any part, out go a code that scripts can act on and words that people can.
//! Every command ends through [`Failure`]; nothing else prints an error.

use std::borrow::Cow;
use std::io;

/// Exit codes. They are documented in `potok --help` and keep their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It went wrong in a way that none of the others names.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A topic, group, module, processor or file of that name is not there.
    NotFound = 3,
    /// The server refused it: it conflicts with what is there, or it is not legal.
    Refused = 4,
    /// No server answers there.
    Unreachable = 5,
}

/// The list for `--help`.
pub const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  failed\n  \
    2  the command line or the configuration is wrong\n  \
    3  not found\n  \
    4  refused: it conflicts with what is there, or is not legal\n  \
    5  no server answers";

/// Why a command failed, in words for its user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    /// A short stable word, as in the server's problem documents.
    pub code: Cow<'static, str>,
    /// The fact, as a sentence without full stop.
    pub what: String,
    /// What to do next.
    pub remedy: Option<String>,
}

impl Failure {
    /// A failure with this code and fact.
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        let code = match exit {
            Exit::Ok => "ok",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::NotFound => "not-found",
            Exit::Refused => "refused",
            Exit::Unreachable => "unreachable",
        };
        Failure { exit, code: code.into(), what: what.into(), remedy: None }
    }
    /// [`Exit::Failed`].
    pub fn failed(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, what)
    }
    /// [`Exit::Usage`].
    pub fn usage(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, what)
    }
    /// The same with what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }
    /// A file that could not be used, by its name.
    pub fn file(doing: &str, path: &std::path::Path, error: &io::Error) -> Failure {
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        Failure::new(exit, format!("cannot {doing} {}: {error}", path.display()))
    }
    /// Nobody reads our output any more: no failure to speak of.
    pub fn is_broken_pipe(&self) -> bool {
        self.code == BROKEN_PIPE
    }
}

/// Code of a failure that stays silent.
const BROKEN_PIPE: &str = "broken-pipe";

/// Only writing to stdout ends here: files go through [`Failure::file`], which names them.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure {
                exit: Exit::Ok,
                code: BROKEN_PIPE.into(),
                what: error.to_string(),
                remedy: None,
            };
        }
        Failure::failed(format!("cannot write to stdout: {error}"))
    }
}

impl From<potok_types::NameError> for Failure {
    fn from(error: potok_types::NameError) -> Failure {
        Failure::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_ends_quietly() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_broken_pipe());
        assert_eq!(failure.exit, Exit::Ok);
    }
    #[test]
    fn a_missing_file_is_not_found_and_named() {
        let failure = Failure::file("read", std::path::Path::new("a.wasm"), &io::ErrorKind::NotFound.into());
        assert_eq!(failure.exit, Exit::NotFound);
        assert!(failure.what.contains("a.wasm"));
    }
}
