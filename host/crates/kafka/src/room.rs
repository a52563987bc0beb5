//! Room for bytes of requests over all connections. A permit is taken as the bytes come, never for what a length claims, and
//! given back when the request is answered. Small requests need none: the number of connections bounds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a permit.
const GRAIN: usize = 1024;
/// Requests up to this size need no room, so that a heartbeat is not held up by those who send a lot.
pub(crate) const SMALL: usize = 32 * 1024;

/// The room of one server.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    permits: Arc<Semaphore>,
    grains: usize,
    waiting: Arc<AtomicUsize>,
}

/// One who waits for room, until it is dropped.
#[derive(Debug)]
struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    fn among(all: &AtomicUsize) -> Waiting<'_> {
        all.fetch_add(1, Ordering::Relaxed);
        Waiting(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Room that is held until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Room {
        let grains = (bytes_max / GRAIN).clamp(1, Semaphore::MAX_PERMITS);
        Room { permits: Arc::new(Semaphore::new(grains)), grains, waiting: Arc::default() }
    }
    /// Makes `held` wide enough for `bytes` in all; waits for others to finish. Who holds some and waits for more may wait for
    /// one who waits for the same: the caller bounds the wait, and gives up what is held.
    pub(crate) async fn widen(&self, held: &mut Held, bytes: usize) {
        if bytes <= SMALL {
            return;
        }
        let have = held.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let need = bytes.div_ceil(GRAIN).min(self.grains);
        let Some(more) =
            need.checked_sub(have).and_then(|more| u32::try_from(more).ok()).filter(|more| *more > 0)
        else {
            return;
        };
        let _waiting = Waiting::among(&self.waiting);
        // the semaphore is never closed
        let Ok(permit) = Arc::clone(&self.permits).acquire_many_owned(more).await else { return };
        match &mut held.0 {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }
    /// Requests that wait for room now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
    /// Bytes of requests in memory now.
    pub(crate) fn in_use(&self) -> usize {
        self.grains.saturating_sub(self.permits.available_permits()) * GRAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn what_does_not_fit_waits_and_small_requests_never_do() {
        let room = Room::new(100 * GRAIN);
        let (mut one, mut two, mut small) = (Held::default(), Held::default(), Held::default());
        room.widen(&mut one, 60 * GRAIN).await;
        assert_eq!(room.in_use(), 60 * GRAIN);
        {
            let mut wider = std::pin::pin!(room.widen(&mut two, 50 * GRAIN));
            assert!((&mut wider).now_or_never().is_none());
            assert_eq!(room.waiting(), 1);
        }
        assert_eq!(room.waiting(), 0, "who gives up waits no more");
        assert!(room.widen(&mut small, SMALL).now_or_never().is_some());
        drop(one);
        room.widen(&mut two, 1_000 * GRAIN).await;
        assert_eq!(room.in_use(), 100 * GRAIN, "one that is larger than all room passes alone");
    }
}
