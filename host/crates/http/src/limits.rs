//! What bounds the server as a whole: bytes of bodies in memory, requests at work, tails, reads from disk.
//! A permit is taken before the thing is, and given back when it is dropped; who finds none in time is refused.

use crate::error::Refusal;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a body waits for room before its request is refused: long enough for a burst to pass, short enough that
/// bodies that wait for each other come apart.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// How long a read of a large batch waits for others: each takes about a second.
const LARGE_WAIT: Duration = Duration::from_secs(30);
/// Reads from the log at the same time. Each takes a thread while the disk answers; more threads than a disk has queues
/// only take memory.
const READERS_MAX: usize = 64;
/// Bytes of answers that were rendered and not sent yet, over all readers: those who read slowly hold them.
const ANSWERS_BYTES_MAX: usize = 256 << 20;
/// Large batches unpacked and rendered at the same time: one may take a gigabyte, where each byte is escaped.
const LARGE_MAX: usize = 1;
/// Bytes of a permit: small bodies take one.
const GRAIN: usize = 1024;

/// All bounds of one server.
#[derive(Debug)]
pub(crate) struct Limits {
    body_room: Arc<Semaphore>,
    body_room_max: u32,
    /// How long bodies and answers wait for room.
    body_room_wait: Duration,
    large_wait: Duration,
    requests: Arc<Semaphore>,
    tails: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Room for an answer's bytes, until they are sent.
#[derive(Debug)]
pub(crate) struct AnswerRoom(OwnedSemaphorePermit);

/// Room for some bytes, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    /// Puts two together.
    fn join(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
    }
    fn grains(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

impl Limits {
    pub(crate) fn new(settings: &crate::Settings) -> Limits {
        let body_room_max = u32::try_from(settings.bodies_bytes_max.div_ceil(GRAIN)).unwrap_or(u32::MAX);
        Limits {
            body_room: Arc::new(Semaphore::new(body_room_max as usize)),
            body_room_max,
            body_room_wait: ROOM_WAIT,
            large_wait: LARGE_WAIT,
            requests: Arc::new(Semaphore::new(settings.requests_max)),
            tails: Arc::new(Semaphore::new(settings.tails_max)),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            answers: Arc::new(Semaphore::new(ANSWERS_BYTES_MAX / GRAIN)),
            large: Arc::new(Semaphore::new(LARGE_MAX)),
        }
    }
    /// Makes `room` wide enough for `bytes` in all.
    pub(crate) async fn widen(&self, room: &mut Room, bytes: usize) -> Result<(), Refusal> {
        let need = bytes.div_ceil(GRAIN);
        let Some(more) = need.checked_sub(room.grains()).filter(|more| *more > 0) else { return Ok(()) };
        let more = u32::try_from(more).unwrap_or(u32::MAX).min(self.body_room_max);
        let permit =
            tokio::time::timeout(self.body_room_wait, Arc::clone(&self.body_room).acquire_many_owned(more))
                .await;
        match permit {
            Ok(Ok(permit)) => {
                room.join(permit);
                Ok(())
            }
            _ => Err(Refusal::Overloaded("too many bytes of request bodies are in memory")),
        }
    }
    /// Room for an answer of about so many bytes, before it is rendered.
    pub(crate) async fn answer(&self, bytes: usize) -> Result<AnswerRoom, Refusal> {
        let grains = bytes.div_ceil(GRAIN).min(ANSWERS_BYTES_MAX / GRAIN);
        let grains = u32::try_from(grains).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.answers).acquire_many_owned(grains);
        match tokio::time::timeout(self.body_room_wait, permit).await {
            Ok(Ok(permit)) => Ok(AnswerRoom(permit)),
            _ => Err(Refusal::Overloaded("too many bytes of answers wait for those who read them")),
        }
    }
    /// Makes it fit what was rendered.
    pub(crate) async fn settle(&self, room: &mut AnswerRoom, bytes: usize) -> Result<(), Refusal> {
        let (had, has) = (room.0.num_permits(), bytes.div_ceil(GRAIN).min(ANSWERS_BYTES_MAX / GRAIN));
        match had.checked_sub(has) {
            Some(surplus) => drop(room.0.split(surplus)),
            None => room.0.merge(self.answer((has - had) * GRAIN).await?.0),
        }
        Ok(())
    }
    /// A place among those who read large batches.
    pub(crate) async fn large(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        match tokio::time::timeout(self.large_wait, Arc::clone(&self.large).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Refusal::Overloaded("too many large batches are being read")),
        }
    }
    /// A place among the requests at work; refused at once when there is none.
    pub(crate) fn request(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_| Refusal::Overloaded("too many requests are being worked on"))
    }
    /// A place among the tails; refused at once when there is none.
    pub(crate) fn tail(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.tails)
            .try_acquire_owned()
            .map_err(|_| Refusal::Overloaded("too many readers are waiting for records"))
    }
    /// Runs `read` on a thread that may wait for the disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read()
        });
        done.await
            .unwrap_or_else(|error| Err(Refusal::Panic(format!("a read from the log ended early: {error}"))))
    }
    /// Bytes of bodies in memory now, and tails open now.
    pub(crate) fn in_use(&self, tails_max: usize) -> (usize, usize) {
        let bytes = (self.body_room_max as usize).saturating_sub(self.body_room.available_permits()) * GRAIN;
        (bytes, tails_max.saturating_sub(self.tails.available_permits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_that_nobody_reads_leave_no_room_for_others_until_they_are_gone() {
        let mut limits = Limits::new(&crate::Settings::default());
        limits.body_room_wait = Duration::ZERO;
        let mut one = limits.answer(8 << 20).await.unwrap();
        limits.settle(&mut one, 3 * ANSWERS_BYTES_MAX).await.unwrap();
        assert!(limits.answer(1).await.is_err(), "all of it is taken");
        limits.settle(&mut one, ANSWERS_BYTES_MAX - GRAIN).await.unwrap();
        let two = limits.answer(1).await.unwrap();
        assert!(limits.answer(1).await.is_err());
        drop((one, two));
        assert!(limits.answer(ANSWERS_BYTES_MAX).await.is_ok());
    }
    #[tokio::test]
    async fn one_large_batch_is_read_at_a_time() {
        let mut limits = Limits::new(&crate::Settings::default());
        limits.large_wait = Duration::ZERO;
        let mut places = Vec::new();
        for _ in 0..LARGE_MAX {
            places.push(limits.large().await.unwrap());
        }
        assert!(limits.large().await.is_err());
        places.pop();
        assert!(limits.large().await.is_ok());
    }

    #[tokio::test]
    async fn bodies_that_do_not_fit_are_refused_and_room_comes_back() {
        let mut limits = Limits::new(&crate::Settings { bodies_bytes_max: 10 * GRAIN, ..Default::default() });
        limits.body_room_wait = Duration::ZERO;
        let (mut one, mut two) = (Room::default(), Room::default());
        limits.widen(&mut one, 8 * GRAIN).await.unwrap();
        limits.widen(&mut one, 7 * GRAIN).await.unwrap();
        assert!(limits.widen(&mut two, 3 * GRAIN).await.is_err());
        drop(one);
        limits.widen(&mut two, 3 * GRAIN).await.unwrap();
        assert_eq!(limits.in_use(0).0, 3 * GRAIN);
    }
}
