//! The seam between the SDK and whoever runs it: the WIT's imports in a component, the test harness everywhere else.
//! In: calls of the SDK. Out: the host's answers in the SDK's types. Invariant: both sides have the same functions; nothing else of the
//! crate knows which one it is.

#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::*;

use crate::column::Column;

/// Half-open, in byte order; none is without an end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    pub(crate) start: Option<Vec<u8>>,
    pub(crate) end: Option<Vec<u8>>,
    pub(crate) backwards: bool,
}

/// Entries in the order of the scan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) keys: Column,
    pub(crate) values: Column,
    /// More lie beyond the last key.
    pub(crate) more: bool,
}
