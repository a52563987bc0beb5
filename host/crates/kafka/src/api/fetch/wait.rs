//! A fetch that waits for records: on all its partitions at once, by their watches. It ends when enough came, when time is
//! over, when the client has gone and when the server stops; and when what came has left the memory again, as a transaction
//! does that is larger than the log's cache and is readable once it is committed.

use super::read::{self, Reading};
use crate::call::Call;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use potok_types::Ends;
use std::time::Duration;
use tokio::sync::watch;

/// Waits up to `wait` for `bytes_min` bytes.
pub(super) async fn until(call: &Call, mut reading: Reading, bytes_min: usize, wait: Duration) -> Reading {
    let mut changes = FuturesUnordered::new();
    for (place, want) in reading.wants.iter().enumerate() {
        let Some(mut ends) = want.at.ok().and_then(|at| reading.log.watch(at).ok()) else { continue };
        // what came between the read and here counts as a change
        if reading.found[place].ends != Some(*ends.borrow_and_update()) {
            ends.mark_changed();
        }
        changes.push(change(place, ends));
    }
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    loop {
        let changed = tokio::select! {
            changed = changes.next() => changed,
            () = &mut deadline => return reading,
            () = call.client.gone.cancelled() => return reading,
        };
        let mut next = changed;
        while let Some((place, ends)) = next {
            if !reading.look_again(place) {
                return read::anew(reading).await;
            }
            // a topic that was deleted has no more changes, and is told at once
            if let Some(ends) = ends {
                changes.push(change(place, ends));
            }
            next = changes.next().now_or_never().flatten();
        }
        if reading.bytes() >= bytes_min || reading.is_urgent() || changes.is_empty() {
            return reading;
        }
    }
}

/// The next change of one partition.
async fn change(place: usize, mut ends: watch::Receiver<Ends>) -> (usize, Option<watch::Receiver<Ends>>) {
    match ends.changed().await {
        Ok(()) => (place, Some(ends)),
        Err(_) => (place, None),
    }
}
