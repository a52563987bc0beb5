//! What a config is: its name, the kind of its values, its default, and whether this server does anything by it.

use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;

/// The kinds of values, by Kafka's numbers (`ConfigType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum Kind {
    Bool = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// What setting it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The log acts by it, and checks its values.
    Real,
    /// None: it tunes files that are not there. Any legal value is kept and shown.
    Kept,
    /// It cannot be: only what holds anyway may be set.
    Fixed,
}

/// A config.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) effect: Effect,
    /// What it is, in a sentence.
    pub(crate) doc: &'static str,
    /// The broker's config that stands in where a topic's is not set; empty for none.
    pub(crate) synonym: &'static str,
}

impl Key {
    /// Refuses what is no value of this config, as far as the log does not do so itself.
    pub(crate) fn check(&self, value: &str) -> Result<(), Refusal> {
        let refuse = |expected: &str| {
            let shown: String = value.chars().take(100).collect();
            let message = format!("{}={shown:?} is not legal: {expected}", self.name);
            Err(Refusal::new(Code::InvalidConfig, message))
        };
        match (self.effect, self.kind) {
            (Effect::Real, _) => Ok(()),
            (Effect::Fixed, _) if value.trim() == self.default => Ok(()),
            (Effect::Fixed, _) => refuse(&format!("here it is {:?} and nothing else", self.default)),
            (Effect::Kept, Kind::Bool) if !matches!(value.trim(), "true" | "false") => {
                refuse("true or false")
            }
            (Effect::Kept, Kind::Int) if value.trim().parse::<i32>().is_err() => refuse("a whole number"),
            (Effect::Kept, Kind::Long) if value.trim().parse::<i64>().is_err() => refuse("a whole number"),
            (Effect::Kept, Kind::Double) if value.trim().parse::<f64>().is_err() => refuse("a number"),
            (Effect::Kept, _) => Ok(()),
        }
    }
}
