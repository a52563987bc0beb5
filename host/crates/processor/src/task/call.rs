//! A guest call with records, and what becomes of its outcome: accepted into the unit, tried again later, or narrowed down
//! to the one record that is refused.

use super::{Failure, Halt, Next, Task};
use crate::api::{FailurePolicy, TaskState};
use crate::dead_letter::{Blame, Letter};
use crate::output::Output;
use crate::state::StateFault;
use potok_plugin::{Body, CallError, Emission, LogLevel, Outcome, RefusedRecord};
use potok_types::{BatchError, RecordColumns};
use std::borrow::Cow;
use std::ops::Range;

/// How a call ended, once every side was heard.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Its outcome holds.
    Good(Outcome),
    /// Call again later with the same.
    Later(String),
    /// The guest failed.
    Failed(Blame),
}

impl Task {
    /// Calls the guest with the first of these records.
    pub(super) async fn call_records(&mut self, input: usize, run: Range<usize>) -> Result<Next, Halt> {
        let mut len = self.inputs[input].bisect.next_len(run.len());
        if let Some((_, cap)) = self.cap.filter(|cap| cap.0 == input) {
            len = len.min(cap);
        }
        let range = run.start..run.start + len;
        let verdict = self.process(input, range.clone()).await?;
        match verdict {
            Verdict::Later(reason) => Ok(self.later(reason)),
            Verdict::Failed(blame) => self.call_failed(input, range, &blame).await,
            Verdict::Good(outcome) => {
                if let Some(first) = self.stops_at(&outcome.refused) {
                    return self.stop_before(input, range, first);
                }
                self.accept_records(input, range, outcome).await
            }
        }
    }
    async fn process(&mut self, input: usize, range: Range<usize>) -> Result<Verdict, Halt> {
        let Some(guest) = &mut self.guest else { return Ok(Verdict::Later("it has no instance".into())) };
        let records = self.inputs[input].records();
        let all = range == (0..records.len());
        let columns = if all { Cow::Borrowed(records) } else { Cow::Owned(records.slice(range)) };
        self.port.begin(self.ctx.clock.now(), self.stream_time);
        let began = self.ctx.clock.monotonic();
        let index = u32::try_from(input).unwrap_or(u32::MAX);
        let result = guest.process(index, self.ctx.partition.0, &columns).await;
        let took = self.ctx.clock.monotonic().saturating_sub(began);
        self.in_guest += took;
        self.ctx.board.called(took, guest.memory_bytes());
        let checked = result.and_then(|outcome| self.check(outcome, &columns));
        self.judge(checked)
    }
    /// Checks what the room `plugin` cannot know: topics, partitions, and that the call got anywhere.
    fn check(&self, outcome: Outcome, records: &RecordColumns) -> Result<Outcome, CallError> {
        check_covered(&outcome, records.len())?;
        for emission in &outcome.emitted {
            let output = self.output_of(emission)?;
            match &emission.body {
                Body::Forward(indices) => {
                    if indices.last().is_some_and(|last| *last >= outcome.covered) {
                        return Err(CallError::Contract(
                            "it forwards a record that it does not cover".into(),
                        ));
                    }
                    output.check_forward(records, indices)
                }
                Body::Fresh(fresh) => output.check_fresh(fresh),
            }
            .map_err(CallError::Contract)?;
        }
        Ok(outcome)
    }
    pub(super) fn output_of(&self, emission: &Emission) -> Result<&Output, CallError> {
        let (index, count) = (emission.output, self.outputs.len());
        let none = || CallError::Contract(format!("it emits to output {index}, the deployment has {count}"));
        self.outputs.get(index as usize).ok_or_else(none)
    }
    /// Takes the host's own faults into account: a guest is not to blame for them.
    pub(super) fn judge(&mut self, result: Result<Outcome, CallError>) -> Result<Verdict, Halt> {
        let result = match self.port.take_fault() {
            Some(StateFault::Host(reason)) => {
                self.port.discard();
                return Err(Halt::Redo(Failure::new("log", reason)));
            }
            Some(StateFault::Guest(reason)) => Err(CallError::Contract(reason)),
            None => result,
        };
        let verdict = match result {
            Ok(outcome) if outcome.covered == 0 => {
                Verdict::Later(outcome.wait.unwrap_or_else(|| "it covered nothing".into()))
            }
            Ok(outcome) => return Ok(Verdict::Good(outcome)),
            Err(CallError::Retry(reason)) => Verdict::Later(reason),
            Err(CallError::Host(reason)) => {
                self.port.discard();
                return Err(Halt::Redo(Failure::new("log", reason)));
            }
            Err(error) => Verdict::Failed(Blame { kind: error.kind(), reason: error.to_string() }),
        };
        self.port.discard();
        if let Verdict::Failed(_) = verdict {
            // whatever it had in mind of this call must not be seen by the next
            self.guest = None;
        }
        Ok(verdict)
    }
    /// The guest waits for something.
    pub(super) fn later(&mut self, reason: String) -> Next {
        let wait = self.backoff.take();
        self.tell(LogLevel::Warn, format!("waits {} ms: {reason}", wait.as_millis()));
        self.ctx.record(&Failure::new("retry", reason), 1);
        self.ctx.board.set_state(TaskState::Retrying);
        Next::Retry(wait)
    }
    async fn call_failed(&mut self, input: usize, range: Range<usize>, blame: &Blame) -> Result<Next, Halt> {
        let one = self.inputs[input].bisect.failed(range.len());
        if !one {
            self.ctx.record(&Failure::new(blame.kind, blame.reason.clone()), 1);
            return Ok(Next::Again);
        }
        self.refuse(input, &[(range.start, blame.clone())]).await?;
        self.done(input, 1);
        self.unit.joined(0);
        Ok(Next::Again)
    }
    /// The first refused record, when the deployment is to stop there.
    fn stops_at(&self, refused: &[RefusedRecord]) -> Option<(u32, Blame)> {
        let stop = self.ctx.deployment.spec.on_failure == FailurePolicy::Stop;
        let first = refused.first().filter(|_| stop)?;
        Some((first.index, Blame { kind: "refused", reason: first.reason.clone() }))
    }
    /// Everything before the refused record is to be done, and nothing of it or behind it: the call is thrown away and made
    /// again with what lies before.
    fn stop_before(&mut self, input: usize, range: Range<usize>, first: (u32, Blame)) -> Result<Next, Halt> {
        self.port.discard();
        if first.0 == 0 {
            return Err(self.stopped_at(input, range.start, &first.1));
        }
        self.guest = None;
        self.cap = Some((input, first.0 as usize));
        Ok(Next::Again)
    }
    fn stopped_at(&self, input: usize, record: usize, blame: &Blame) -> Halt {
        let at = &self.inputs[input];
        let (topic, offset) = (at.topic.name.clone(), at.records().offset(record));
        let place = format!("topic {topic} partition {} offset {offset}", self.ctx.partition);
        let reason = format!("{place}: {}", blame.reason);
        Halt::Stopped(Failure { kind: blame.kind, reason, record: Some((topic, offset)) })
    }
    /// These records, by their place in the input's columns, can never succeed.
    async fn refuse(&mut self, input: usize, refused: &[(usize, Blame)]) -> Result<(), Halt> {
        let Some((first, blame)) = refused.first() else { return Ok(()) };
        let policy = self.ctx.deployment.spec.on_failure;
        if policy == FailurePolicy::Stop {
            return Err(self.stopped_at(input, *first, blame));
        }
        self.tell_refused(input, *first, blame, refused.len());
        self.unit.tally.refused += refused.len() as u64;
        if policy == FailurePolicy::DeadLetter {
            for (record, blame) in refused {
                self.dead_letter(input, *record, blame).await?;
            }
        }
        Ok(())
    }
    /// One line and one entry on the board for all that a call refuses, naming the first.
    fn tell_refused(&self, input: usize, record: usize, blame: &Blame, count: usize) {
        let at = &self.inputs[input];
        let (topic, offset) = (at.topic.name.clone(), at.records().offset(record));
        let place = format!("topic {topic} partition {} offset {offset}", self.ctx.partition);
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        self.tell(LogLevel::Warn, format!("{place}{more} {}: {}", blame.verdict(), blame.reason));
        let failure =
            Failure { kind: blame.kind, reason: blame.reason.clone(), record: Some((topic, offset)) };
        self.ctx.record(&failure, count as u64);
    }
    async fn dead_letter(&mut self, input: usize, record: usize, blame: &Blame) -> Result<(), Halt> {
        let needed = self.letter(input, record, blame).len();
        self.ensure_dead_letters(needed).await?;
        let Some(mut output) = self.dead_letters.take() else { return Ok(()) };
        let written = write_letter(&mut output, &self.letter(input, record, blame), self.ctx.partition.0);
        self.dead_letters = Some(output);
        self.unit.tally.dead_lettered += 1;
        written
    }
    fn letter<'a>(&'a self, input: usize, record: usize, blame: &Blame) -> Letter<'a> {
        let at = &self.inputs[input];
        Letter::of_record(&self.letterhead, blame, &at.topic.name, at.records(), record)
    }
    async fn accept_records(
        &mut self,
        input: usize,
        range: Range<usize>,
        outcome: Outcome,
    ) -> Result<Next, Halt> {
        let covered = outcome.covered as usize;
        let before = self.unit_bytes();
        let blame = |refused: RefusedRecord| Blame { kind: "refused", reason: refused.reason };
        let refused = outcome.refused.into_iter().map(|r| (range.start + r.index as usize, blame(r)));
        self.refuse(input, &refused.collect::<Vec<_>>()).await?;
        let bytes = self.take_changes();
        self.emit(input, range.start, &outcome.emitted)?;
        self.done(input, covered);
        self.inputs[input].bisect.succeeded(covered, range.len());
        self.cap = self
            .cap
            .take()
            .filter(|cap| cap.0 != input || cap.1 > covered)
            .map(|cap| if cap.0 == input { (cap.0, cap.1 - covered) } else { cap });
        self.unit.joined(bytes + self.unit_bytes() - before);
        self.replace_when_large().await;
        self.set_running();
        match outcome.wait.filter(|_| covered < range.len()) {
            Some(reason) => Ok(self.later(reason)),
            None => {
                self.backoff.reset();
                Ok(Next::Again)
            }
        }
    }
    /// Writes what a call emitted; the call's records begin at `start` of the input's columns.
    fn emit(&mut self, input: usize, start: usize, emitted: &[Emission]) -> Result<(), Halt> {
        let records = self.inputs[input].records();
        for emission in emitted {
            let Some(output) = self.outputs.get_mut(emission.output as usize) else { continue };
            match &emission.body {
                Body::Fresh(fresh) => output.fresh(fresh),
                Body::Forward(indices) if start == 0 => output.forward(records, indices),
                Body::Forward(indices) => {
                    let start = u32::try_from(start).unwrap_or(u32::MAX);
                    let moved: Vec<u32> = indices.iter().map(|i| i + start).collect();
                    output.forward(records, &moved)
                }
            }
            .map_err(encode_halt)?;
        }
        Ok(())
    }
    /// The first `count` ready records are done: counts them, and lets stream time pass.
    fn done(&mut self, input: usize, count: usize) {
        let bytes = self.inputs[input].advance(count);
        self.stream_time = self.stream_time.max(self.inputs[input].newest);
        self.unit.tally.records_in += count as u64;
        self.unit.tally.bytes_in += bytes;
    }
    fn unit_bytes(&self) -> usize {
        self.outputs.iter().chain(&self.dead_letters).map(Output::bytes).sum()
    }
    /// A guest whose memory passed the mark is replaced between calls: linear memory never shrinks.
    pub(super) async fn replace_when_large(&mut self) {
        let mark = self.ctx.deployment.spec.limits.replace_at_bytes;
        if self.guest.as_ref().is_some_and(|guest| guest.memory_bytes() > mark)
            && let Some(mut guest) = self.guest.take()
        {
            guest.close().await;
            self.port.discard();
        }
    }
}

/// That an outcome covers what it speaks of, and gets anywhere at all.
pub(super) fn check_covered(outcome: &Outcome, len: usize) -> Result<(), CallError> {
    let covered = outcome.covered;
    if covered as usize > len {
        return Err(CallError::Contract(format!("it covers {covered} of {len}")));
    }
    if outcome.refused.last().is_some_and(|last| last.index >= covered) {
        return Err(CallError::Contract("it refuses a record that it does not cover".into()));
    }
    if covered == 0 && outcome.wait.is_none() {
        return Err(CallError::Broken("it covers nothing, refuses nothing and does not wait".into()));
    }
    if covered == 0 && !outcome.emitted.is_empty() {
        return Err(CallError::Contract("it emits records and covers nothing".into()));
    }
    Ok(())
}

pub(super) fn encode_halt(error: BatchError) -> Halt {
    Halt::Stopped(Failure::new("log", format!("an output batch could not be built: {error}")))
}

pub(super) fn write_letter(to: &mut Output, letter: &Letter<'_>, partition: u32) -> Result<(), Halt> {
    letter.write(to, partition % to.topic().partitions.max(1)).map_err(encode_halt)
}
