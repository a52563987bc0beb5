//! Names and numbers of things. A name is validated once, in `FromStr`; past that door it is known to be legal.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest legal name of a topic, a module or a processor: Kafka's limit (249), which leaves room for a suffix in a file name.
pub const NAME_LEN_MAX: usize = 249;

/// Why a text is no legal name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a {0} name must not be empty")]
    Empty(&'static str),
    /// Over [`NAME_LEN_MAX`].
    #[error("a {what} name has at most {NAME_LEN_MAX} characters, this one has {len}")]
    TooLong {
        /// Kind of name.
        what: &'static str,
        /// Its length.
        len: usize,
    },
    /// `.` and `..` are folders.
    #[error("a {what} cannot be named {name:?}")]
    Reserved {
        /// Kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Kafka's alphabet.
    #[error("a {what} name has letters, digits, '.', '_' and '-' only; {name:?} has {found:?}")]
    Illegal {
        /// Kind of name.
        what: &'static str,
        /// The name.
        name: String,
        /// The first character outside the alphabet.
        found: char,
    },
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty(what));
    }
    if name.len() > NAME_LEN_MAX {
        return Err(NameError::TooLong { what, len: name.len() });
    }
    if name == "." || name == ".." {
        return Err(NameError::Reserved { what, name: name.to_owned() });
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(found) => Err(NameError::Illegal { what, name: name.to_owned(), found }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                check($what, name)?;
                Ok($type(name.into()))
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
name!(/// Name of a topic, legal by Kafka's rules (`[a-zA-Z0-9._-]{1,249}`, not `.` or `..`).
    TopicName, "topic");
name!(/// Name that points at a module's digest; the same alphabet as a topic's.
    ModuleName, "module");
name!(/// Name of a deployed module; the same alphabet as a topic's.
    ProcessorName, "processor");

impl TopicName {
    /// Whether the topic is Potok's own (`_potok.…`): users read it, only Potok writes and deletes it.
    pub fn is_internal(&self) -> bool {
        self.0.starts_with("_potok.")
    }
}

/// Stable number of a topic: given at creation, never reused, the first part of every key on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicNumber(pub u32);

/// Index of a partition in its topic, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionIndex(pub u32);

impl fmt::Display for PartitionIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One partition of one topic, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's number.
    pub topic: TopicNumber,
    /// The partition's index.
    pub partition: PartitionIndex,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}-{}", self.topic.0, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_alphabet() {
        assert!("flights.2013_a-B".parse::<TopicName>().is_ok());
        for bad in ["", ".", "..", "a b", "ü", "a/b", &"x".repeat(250)] {
            assert!(bad.parse::<TopicName>().is_err(), "{bad:?} was accepted");
        }
    }
}
