//! Whether the log takes writes. In comes the first failed write or sync, out goes its reason, for ever.
//! Invariant: once refused, refused until the process starts again; only the first reason is kept.

use crate::api::Health;
use crate::error::StoreError;
use std::sync::{Arc, OnceLock};

/// Why writes are refused, once they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal(Arc<OnceLock<Arc<str>>>);

impl Refusal {
    /// An error once writes are refused.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.0.get() {
            None => Ok(()),
            Some(reason) => Err(StoreError::WritesRefused(reason.clone())),
        }
    }
    /// Refuses writes from now on.
    pub(super) fn refuse(&self, reason: &str) {
        if self.0.set(reason.into()).is_ok() {
            tracing::error!(reason, "the log refuses writes until it is started again");
        }
    }
    /// For those who ask how it goes.
    pub(super) fn health(&self) -> Health {
        self.0.get().map_or(Health::Good, |reason| Health::WritesRefused(reason.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let refusal = Refusal::default();
        assert!(refusal.check().is_ok());
        refusal.refuse("first");
        refusal.refuse("second");
        assert_eq!(refusal.health(), Health::WritesRefused("first".into()));
        assert!(matches!(refusal.check(), Err(StoreError::WritesRefused(reason)) if &*reason == "first"));
    }
}
