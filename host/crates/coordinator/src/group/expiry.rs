//! Forgets offsets of groups that have had no member for `offsets.retention.minutes` (KIP-211), and groups that keep nothing.
//! Never touches an offset that an open transaction has pending, a group with members, or a processor's.

use super::offsets::{refused, removal};
use super::{Cell, Inner};
use crate::error::GroupRefusal;
use potok_log::{Acks, Unit};
use potok_types::Timestamp;
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

impl Inner {
    pub(crate) async fn sweep_groups(&self, stop: &CancellationToken) -> Result<(), GroupRefusal> {
        let mut names: BTreeSet<String> = self.log().groups()?.into_iter().collect();
        names.extend(self.group_names());
        for name in names.into_iter().filter(|name| !(self.components.of_processor)(name)) {
            if stop.is_cancelled() {
                break;
            }
            let mut cell = self.lock_anyway(&name).await;
            let done = self.sweep_group(&mut cell).await;
            self.settle(&mut cell);
            done?;
        }
        Ok(())
    }

    async fn sweep_group(&self, cell: &mut Cell) -> Result<(), GroupRefusal> {
        if !cell.group.is_memberless() || cell.group.next_deadline().is_some() {
            return Ok(());
        }
        let before = self.components.clock.now().minus(self.settings.offsets_retention());
        let empty_since = cell.group.state_since();
        let pending = self.transactions.pending.of_group(&cell.name);
        let positions = self.log().committed_all(&cell.name)?;
        let is_over =
            |committed_at: Timestamp| committed_at.max(empty_since.unwrap_or(committed_at)) < before;
        let over: Vec<_> = positions
            .iter()
            .filter(|(at, committed)| is_over(committed.committed_at) && !pending.contains(at))
            .map(|(at, _)| *at)
            .collect();
        let nothing_left = over.len() == positions.len() && pending.is_empty();
        if nothing_left && cell.group.kind().is_some() && empty_since.is_none_or(|since| since < before) {
            tracing::info!(group = cell.name, "groups: a group without members for long is forgotten");
            return self.forget_group(cell).await;
        }
        if over.is_empty() {
            return Ok(());
        }
        tracing::info!(group = cell.name, offsets = over.len(), "groups: old offsets are forgotten");
        let offsets = over.into_iter().map(|at| removal(&cell.name, at)).collect();
        self.log().commit(Unit { offsets, ..Unit::default() }, Acks::Written).await.map_err(refused)?;
        Ok(())
    }
}
