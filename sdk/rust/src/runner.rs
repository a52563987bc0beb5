//! Drives one instance: the boundary's calls become an author's calls, the same for the component and for the test harness.
//! In: configuration text, batches, due timers. Out: outcomes, after state and timers went to the host.
//! Invariant: a failed call hands nothing to the host; a call that succeeds hands over its state before its outcome.

use crate::failure::Failure;
use crate::host;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::processor::{BatchProcessor, Progress, Task};
use crate::record::Batch;
use crate::session::Session;
use crate::timer::{Timer, TimerChange};
use std::rc::Rc;

/// Nothing of the call is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallFailure {
    /// The same records again, later.
    Retry(String),
    /// The host finds the record at fault by halves.
    Broken(String),
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> CallFailure {
        if failure.retry { CallFailure::Retry(failure.reason) } else { CallFailure::Broken(failure.reason) }
    }
}

/// One instance of a processor.
#[derive(Debug)]
pub(crate) struct Runner<P> {
    processor: P,
    session: Rc<Session>,
    outputs: usize,
}

impl<P: BatchProcessor> Runner<P> {
    pub(crate) fn open(config: &str, task: Task) -> Result<Runner<P>, String> {
        let config = serde_json::from_str(config).map_err(|e| config_problem(&e))?;
        let session = Rc::new(Session::default());
        let opened =
            session.run(|| P::open(config, task).and_then(|processor| Ok((processor, session.flush()?))));
        session.discard();
        let (processor, ()) = opened.map_err(|failure| failure.reason)?;
        Ok(Runner { processor, session, outputs: P::describe().outputs.len() })
    }
    pub(crate) fn process(&mut self, batch: &Batch) -> Result<Outcome, CallFailure> {
        let processor = &mut self.processor;
        call(&self.session, Some(batch), self.outputs, batch.len(), |out| processor.process(batch, out))
    }
    pub(crate) fn on_timers(&mut self, due: &[Timer]) -> Result<Outcome, CallFailure> {
        let processor = &mut self.processor;
        call(&self.session, None, self.outputs, due.len(), |out| processor.on_timers(due, out))
    }
    pub(crate) fn close(&mut self) {
        let processor = &mut self.processor;
        self.session.run(|| processor.close());
        self.session.discard();
    }
}

fn call<'b>(
    session: &'b Rc<Session>,
    batch: Option<&'b Batch>,
    outputs: usize,
    items: usize,
    work: impl FnOnce(&mut Output<'b>) -> Result<Progress, Failure>,
) -> Result<Outcome, CallFailure> {
    session.run(|| {
        let mut out = Output::new(batch, session, outputs);
        let progress = work(&mut out).inspect_err(|_| session.discard())?;
        session.flush().map_err(Failure::from)?;
        for change in out.take_timers() {
            match change {
                TimerChange::Set(timer) => host::set_timer(&timer),
                TimerChange::Cancel(clock, key) => host::cancel_timer(clock, &key),
            }
        }
        Ok(out.into_outcome(items, progress))
    })
}

/// serde's words without the place in a text that its author never saw.
fn config_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("the configuration does not fit: {what}")
}
