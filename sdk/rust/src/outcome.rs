//! What a call gives back to the host, before it takes the boundary's form.
//! In: what [`Output`](crate::Output) gathered. Out: plain columns and numbers, moved on without a copy.
//! Invariant: forwarded and refused indices rise and lie below `covered`.

use crate::column::{Column, HeaderColumns};

/// What became of a batch or of due timers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) covered: u32,
    pub(crate) emitted: Vec<Emission>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) wait: Option<String>,
}

/// Records for one output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Emission {
    pub(crate) output: u32,
    pub(crate) body: Body,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "an outcome has a body or two, moved once")]
pub(crate) enum Body {
    /// n u32, little-endian: records of the input, unchanged.
    Forward(Vec<u8>),
    Fresh(Fresh),
}

/// New records as columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fresh {
    pub(crate) timestamps: Vec<u8>,
    pub(crate) keys: Column,
    pub(crate) values: Column,
    pub(crate) headers: Option<HeaderColumns>,
    /// n u32, little-endian, or empty: by key.
    pub(crate) partitions: Vec<u8>,
}

impl Fresh {
    pub(crate) fn len(&self) -> usize {
        self.timestamps.len() / 8
    }
    pub(crate) fn truncate(&mut self, records: usize) {
        self.timestamps.truncate(8 * records);
        self.keys.truncate(records);
        self.values.truncate(records);
        self.partitions.truncate(4 * records);
        if let Some(headers) = &mut self.headers {
            headers.truncate(records);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) index: u32,
    pub(crate) reason: String,
}
