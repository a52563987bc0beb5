//! Who runs the writer: its thread, or a caller that waits for an append, when nobody does so already. Two changes of thread
//! for each request, to the writer and back, cost more than what the writer does for it.
//! In come calls, out go answers. Invariant: one at a time runs it, and what was put in the queue is taken by whoever runs
//! it, or by the thread, which is nudged. A caller takes appends and units, which are quick; what is rare is left to the
//! thread, and so is waiting for the disk.

use super::shared::Shared;
use super::writer::Writer;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// Times that a caller goes on with what came meanwhile: others' work, so not for ever.
const ROUNDS_MAX: usize = 4;

/// The writer, for whoever has it.
#[derive(Debug)]
pub(super) struct Drive {
    writer: Mutex<Writer>,
    shared: Arc<Shared>,
}

/// Whatever ends the thread, nobody waits for the writer any more.
struct Ending<'a>(&'a Drive);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.shared.queue.abandon();
        // whoever has it finishes first
        self.0.writer.lock().forget();
        self.0.shared.syncs.close();
    }
}

impl Drive {
    pub(super) fn new(writer: Writer, shared: Arc<Shared>) -> Arc<Drive> {
        Arc::new(Drive { writer: Mutex::new(writer), shared })
    }
    /// The thread's whole life: until the queue is closed and empty.
    pub(super) fn run(&self) {
        let _ending = Ending(self);
        while self.shared.queue.wait() {
            let mut writer = self.writer.lock();
            loop {
                let any = writer.round(|_| true);
                writer.flush_if_due();
                if !any {
                    break;
                }
            }
        }
    }
    /// Runs the writer for a while, unless somebody does: that one sees what is in the queue.
    fn drive(&self) {
        let Some(mut writer) = self.writer.try_lock() else { return };
        let mut rounds = 0;
        // a flush is the thread's, and what others bring meanwhile would only make memory grow
        while rounds < ROUNDS_MAX && !writer.is_flush_due() && writer.round(|command| !command.is_rare()) {
            rounds += 1;
        }
        let is_due = writer.is_flush_due();
        drop(writer);
        if is_due || !self.shared.queue.is_empty() {
            self.shared.queue.nudge();
        }
    }
}

/// A command in the queue, which whoever waits for its answer drives.
#[derive(Debug)]
pub(super) struct Driven(Option<Weak<Drive>>);

impl Driven {
    pub(super) fn new(drive: &Arc<Drive>) -> Driven {
        Driven(Some(Arc::downgrade(drive)))
    }
    /// Drives it: called where its answer is waited for.
    pub(super) fn go(mut self) {
        if let Some(drive) = self.0.take().and_then(|drive| drive.upgrade()) {
            drive.drive();
        }
    }
}

impl Drop for Driven {
    /// Nobody waits for its answer; it is done all the same.
    fn drop(&mut self) {
        if let Some(drive) = self.0.take().and_then(|drive| drive.upgrade()) {
            drive.shared.queue.nudge();
        }
    }
}
