//! What an author implements: [`Processor`], a record at a time, or [`BatchProcessor`], a batch at a time.
//! In: configuration, records, due timers. Out: what goes into [`Output`]. Invariant: in the record form a record is done, refused or
//! waits, and nothing of a refused or waiting record stays; the records after one that waits are left, so that order is kept.

use crate::describe::Description;
use crate::failure::Failure;
use crate::output::Output;
use crate::record::{Batch, Record};
use crate::timer::Timer;
use serde::de::DeserializeOwned;

/// What a task is: one processor on one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// This task's partition.
    pub partition: u32,
    /// How many partitions the inputs have.
    pub partitions: u32,
}

/// The configuration of a module that has none: the empty object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// A stream processor, a record at a time. See the crate's first example.
pub trait Processor: Sized + 'static {
    /// The deployment's configuration, read from JSON; [`NoConfig`] when there is none.
    type Config: DeserializeOwned;

    /// What the module says of itself. Read at upload, where nothing is granted and no store is open.
    fn describe() -> Description;

    /// Makes a processor; stores are opened here. Runs before the first record and again on every new instance. A failure stops the
    /// task with that reason.
    fn open(config: Self::Config, task: Task) -> Result<Self, Failure>;

    /// One record. `Err` refuses it or asks for it again later; what it sent, changed and set is then undone.
    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure>;

    /// Before the records of a batch: the place for [`Store::prefetch`](crate::Store::prefetch). A failure is one of the whole batch.
    fn begin_batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        let _ = batch;
        Ok(())
    }

    /// After the records of a batch, unless none was done: the place for what is sent once a batch. A failure is one of the whole batch.
    fn end_batch(&mut self, out: &mut Output<'_>) -> Result<(), Failure> {
        let _ = out;
        Ok(())
    }

    /// A timer that is due. `Err` as in `process`.
    fn on_timer(&mut self, timer: &Timer, out: &mut Output<'_>) -> Result<(), Failure> {
        let _ = (timer, out);
        Ok(())
    }

    /// Before the instance is thrown away in good order. What it writes is not kept.
    fn close(&mut self) {}
}

/// How far a call came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// Every record (or timer) is done or refused.
    #[default]
    All,
    /// The first `covered` are; the host comes again with the rest.
    Until {
        /// How many, from the first.
        covered: usize,
        /// Why the rest was left, when something is away: the host then waits before it comes again.
        wait: Option<String>,
    },
}

/// A stream processor, a batch at a time. What a failed call sent, changed and set is undone as a whole.
pub trait BatchProcessor: Sized + 'static {
    /// As in [`Processor`].
    type Config: DeserializeOwned;

    /// As in [`Processor`].
    fn describe() -> Description;

    /// As in [`Processor`].
    fn open(config: Self::Config, task: Task) -> Result<Self, Failure>;

    /// Some records of one partition. Those that can never succeed are named by [`Output::refuse`]. `Err` undoes the whole call: a
    /// retry has all of these records come again later, a refusal has the host look for the record at fault by halves.
    fn process(&mut self, batch: &Batch, out: &mut Output<'_>) -> Result<Progress, Failure>;

    /// Timers that are due, in order of time.
    fn on_timers(&mut self, due: &[Timer], out: &mut Output<'_>) -> Result<Progress, Failure> {
        let _ = (due, out);
        Ok(Progress::All)
    }

    /// As in [`Processor`].
    fn close(&mut self) {}
}

impl<P: Processor> BatchProcessor for P {
    type Config = P::Config;

    fn describe() -> Description {
        P::describe()
    }
    fn open(config: P::Config, task: Task) -> Result<P, Failure> {
        P::open(config, task)
    }
    fn process(&mut self, batch: &Batch, out: &mut Output<'_>) -> Result<Progress, Failure> {
        self.begin_batch(batch)?;
        let progress = each(batch.len(), out, |index, out| {
            out.begin(index);
            Processor::process(self, Record { batch, index }, out)
        });
        if !matches!(progress, Progress::Until { covered: 0, .. }) {
            self.end_batch(out)?;
        }
        Ok(progress)
    }
    fn on_timers(&mut self, due: &[Timer], out: &mut Output<'_>) -> Result<Progress, Failure> {
        Ok(each(due.len(), out, |index, out| {
            out.begin_timer(index, due[index].at);
            self.on_timer(&due[index], out)
        }))
    }
    fn close(&mut self) {
        Processor::close(self);
    }
}

/// Does one thing after the other until one has to wait.
#[inline]
fn each<'b>(
    count: usize,
    out: &mut Output<'b>,
    mut one: impl FnMut(usize, &mut Output<'b>) -> Result<(), Failure>,
) -> Progress {
    let mut progress = Progress::All;
    for index in 0..count {
        match one(index, out) {
            Ok(()) => {}
            Err(failure) => {
                out.undo();
                if failure.retry {
                    progress = Progress::Until { covered: index, wait: Some(failure.reason) };
                    break;
                }
                out.refuse(index, failure.reason);
            }
        }
    }
    out.session().end();
    progress
}
