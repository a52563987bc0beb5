//! The queue to the writer: bounded in bytes over all callers, emptied in one go.
//! In come commands that have a permit for their bytes, out go all that wait, in the order they came. Who puts one in either
//! sees to it that the writer takes it (`drive.rs`), or nudges the writer's thread.
//! Invariant: what waits and what the writer has in hand never passes `bytes_max`; a single command larger than that passes
//! alone. Callers wait without a runtime, so a guest's thread may block on them.

use crate::error::StoreError;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, TryAcquireError};

/// A semaphore's permits are counted in units of so many bytes: its own limit is 2^29 permits.
const PERMIT_LEN: usize = 64;

/// Bytes that a command holds in the queue until it is written.
#[derive(Debug)]
pub(super) struct Held(u32);

/// Why a command did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait already.
    Full,
    /// The log is closing.
    Closed,
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> StoreError {
        match refused {
            Refused::Full => StoreError::Io("the log is behind: its write queue is full".into()),
            Refused::Closed => StoreError::Closed,
        }
    }
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    filled: Condvar,
    room: Semaphore,
    permits: u32,
    waiters: AtomicUsize,
    waiters_max: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    commands: VecDeque<(T, Held)>,
    /// The thread is to look, whatever is there.
    nudged: bool,
    closed: bool,
}

/// Counts one waiting caller, until it no longer waits or was dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Queue<T> {
    /// An empty queue.
    pub(super) fn new(bytes_max: usize, waiters_max: usize) -> Queue<T> {
        let permits =
            u32::try_from((bytes_max / PERMIT_LEN).clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Queue {
            waiting: Mutex::new(Waiting { commands: VecDeque::new(), nudged: false, closed: false }),
            filled: Condvar::new(),
            room: Semaphore::new(permits as usize),
            permits,
            waiters: AtomicUsize::new(0),
            waiters_max,
        }
    }
    /// Waits for room for `len` bytes; refused at once when too many callers wait before this one.
    pub(super) async fn room(&self, len: usize) -> Result<Held, Refused> {
        let permits = u32::try_from(len.div_ceil(PERMIT_LEN)).unwrap_or(u32::MAX).clamp(1, self.permits);
        match self.room.try_acquire_many(permits) {
            Ok(permit) => {
                permit.forget();
                return Ok(Held(permits));
            }
            Err(TryAcquireError::Closed) => return Err(Refused::Closed),
            Err(TryAcquireError::NoPermits) => {}
        }
        // what takes the room may be this caller's own, put in and not waited for yet
        self.nudge();
        let before = self.waiters.fetch_add(1, Ordering::Relaxed);
        let _waiter = Waiter(&self.waiters);
        if before >= self.waiters_max {
            return Err(Refused::Full);
        }
        let permit = self.room.acquire_many(permits).await.map_err(|_| Refused::Closed)?;
        permit.forget();
        Ok(Held(permits))
    }
    /// Puts a command behind the others.
    pub(super) fn push(&self, command: T, held: Held) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            drop(waiting);
            self.release(held);
            return Err(Refused::Closed);
        }
        waiting.commands.push_back((command, held));
        Ok(())
    }
    /// Lets the thread look at what is there.
    pub(super) fn nudge(&self) {
        let before = std::mem::replace(&mut self.waiting.lock().nudged, true);
        if !before {
            self.filled.notify_one();
        }
    }
    /// Waits until there are commands, or somebody nudged. `false`: closed, and nothing is left.
    pub(super) fn wait(&self) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.commands.is_empty() && !waiting.nudged {
            if waiting.closed {
                return false;
            }
            self.filled.wait(&mut waiting);
        }
        waiting.nudged = false;
        true
    }
    /// Takes what is there into `inbox`, which is empty, up to the first command that `takes` does not. Whether any was.
    pub(super) fn take(&self, inbox: &mut VecDeque<(T, Held)>, takes: impl Fn(&T) -> bool) -> bool {
        let mut waiting = self.waiting.lock();
        match waiting.commands.iter().position(|(command, _)| !takes(command)) {
            None => std::mem::swap(&mut waiting.commands, inbox),
            Some(count) => inbox.extend(waiting.commands.drain(..count)),
        }
        !inbox.is_empty()
    }
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().commands.is_empty()
    }
    /// Gives a command's bytes back.
    pub(super) fn release(&self, held: Held) {
        self.room.add_permits(held.0 as usize);
    }
    /// Drops what waits, and with it the answers: whoever waits for one learns that there will be none.
    pub(super) fn abandon(&self) {
        self.close();
        self.waiting.lock().commands.clear();
    }
    /// Takes nothing more; what waits is still done.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.room.close();
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_full_queue_lets_callers_wait_and_refuses_when_too_many_do() {
        let queue = Queue::new(128, 1);
        let held = block_on(queue.room(100)).unwrap();
        queue.push("a", held).unwrap();
        let mut second = Box::pin(queue.room(64));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(block_on(queue.room(64)).unwrap_err(), Refused::Full);
        let mut inbox = VecDeque::new();
        assert!(queue.wait() && queue.take(&mut inbox, |_| true));
        let (command, held) = inbox.pop_front().unwrap();
        assert_eq!(command, "a");
        queue.release(held);
        assert!(second.as_mut().now_or_never().unwrap().is_ok());
    }
    #[test]
    fn a_command_larger_than_the_queue_passes_alone() {
        let queue = Queue::<()>::new(128, 1);
        let held = block_on(queue.room(1 << 40)).unwrap();
        assert!(queue.room(1).now_or_never().is_none());
        queue.release(held);
        assert!(queue.room(1).now_or_never().unwrap().is_ok());
    }
    #[test]
    fn what_somebody_does_not_take_stays_with_all_behind_it() {
        let queue = Queue::new(1024, 1);
        for number in [1, 2, 30, 4] {
            queue.push(number, block_on(queue.room(1)).unwrap()).unwrap();
        }
        let mut inbox = VecDeque::new();
        assert!(queue.take(&mut inbox, |number| *number < 10));
        assert_eq!(inbox.drain(..).map(|(number, _)| number).collect::<Vec<_>>(), [1, 2]);
        assert!(!queue.take(&mut inbox, |number| *number < 10) && !queue.is_empty());
        assert!(queue.take(&mut inbox, |_| true) && queue.is_empty());
        assert_eq!(inbox.len(), 2);
        queue.nudge();
        assert!(queue.wait(), "a nudge is seen though there is nothing");
    }
    #[test]
    fn a_closed_queue_is_emptied_and_takes_nothing() {
        let queue = Queue::new(128, 1);
        let (one, two) = (block_on(queue.room(1)).unwrap(), block_on(queue.room(1)).unwrap());
        queue.push(1, one).unwrap();
        queue.close();
        assert_eq!(queue.push(2, two), Err(Refused::Closed));
        let mut inbox = VecDeque::new();
        assert!(queue.wait() && queue.take(&mut inbox, |_| true));
        inbox.clear();
        assert!(!queue.wait() && !queue.take(&mut inbox, |_| true));
        assert_eq!(block_on(queue.room(1)).unwrap_err(), Refused::Closed);
    }
}
