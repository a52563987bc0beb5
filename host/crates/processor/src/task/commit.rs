//! From what calls brought to a unit in the log. One commit is in flight at a time; the future is polled once when it is
//! made, so that the unit is in the log's queue while the next call runs.

use super::load::{output_gone, refreshed};
use super::unit::UnitBuilder;
use super::{Failure, Halt, Task, TaskContext};
use crate::api::{DEAD_LETTER_SUFFIX, LOGS_TOPIC};
use crate::board::Tally;
use crate::budget::Share;
use crate::lines::LogLine;
use crate::output::Output;
use crate::settings::DEAD_LETTER_OVERHEAD_LEN;
use futures::future::BoxFuture;
use potok_log::{
    Acks, Append, AppendError, CommitError, CommittedOffset, CreateTopicError, NewTopic, OffsetChange,
    OffsetCommit, StoreError, TopicChange, Unit, UnitResult,
};
use potok_plugin::LogLevel;
use potok_types::{Offset, Timestamp, TopicName};
use std::task::Poll;

/// A unit on its way.
pub(super) struct Flight {
    number: u64,
    tally: Tally,
    moved: Vec<(usize, Offset)>,
    stream_time: Option<Timestamp>,
    /// Its part of the memory for units, held until it has landed.
    _share: Option<Share>,
    future: BoxFuture<'static, Result<UnitResult, CommitError>>,
}

impl Flight {
    pub(super) fn future(&mut self) -> &mut BoxFuture<'static, Result<UnitResult, CommitError>> {
        &mut self.future
    }
}

/// Words of a position's metadata that carry the stream time: it must outlive a restart with the position.
const STREAM_TIME: &str = "stream-time=";

/// The stream time in a position's metadata.
pub(super) fn stream_time_in(metadata: &str) -> Option<Timestamp> {
    metadata.strip_prefix(STREAM_TIME)?.parse().ok().map(Timestamp)
}

impl Task {
    /// Whether there is anything to commit.
    pub(super) fn has_work_to_commit(&self) -> bool {
        self.unit.is_touched()
            || self.port.has_lines()
            || self.inputs.iter().any(crate::input::Input::has_moved)
    }
    /// Sends the unit off when there is one and none is in flight. Says whether it did.
    pub(super) async fn launch(&mut self) -> Result<bool, Halt> {
        if self.flight.is_some() || !self.has_work_to_commit() {
            return Ok(false);
        }
        let (number, moved, stream_time) = (self.unit.number, self.take_moved(), self.stream_time);
        let mut tally = self.unit.tally;
        let unit = self.assemble(&moved, &mut tally)?;
        let next = UnitBuilder::new(number + 1, self.ctx.units.clone());
        let share = std::mem::replace(&mut self.unit, next).into_share();
        let log = self.ctx.log.clone();
        let mut future: BoxFuture<'static, _> =
            Box::pin(async move { log.commit(unit, Acks::Written).await });
        if self.ctx.board.set_idle(false) {
            self.ctx.pulse();
        }
        let polled = futures::poll!(&mut future);
        self.flight = Some(Flight { number, tally, moved, stream_time, _share: share, future });
        if let Poll::Ready(result) = polled {
            self.landed(result)?;
        }
        self.refresh_outputs()?;
        Ok(true)
    }
    fn take_moved(&mut self) -> Vec<(usize, Offset)> {
        let inputs = self.inputs.iter_mut().enumerate();
        inputs.filter_map(|(i, input)| input.take_moved().map(|offset| (i, offset))).collect()
    }
    fn assemble(&mut self, moved: &[(usize, Offset)], tally: &mut Tally) -> Result<Unit, Halt> {
        let now = self.ctx.clock.now();
        let mut unit = Unit { timers: std::mem::take(&mut self.unit.timers), ..Unit::default() };
        for output in &mut self.outputs {
            let (records, bytes) = output.finish(&mut unit.appends).map_err(super::call::encode_halt)?;
            tally.records_out += records;
            tally.bytes_out += bytes;
        }
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.finish(&mut unit.appends).map_err(super::call::encode_halt)?;
        }
        self.ctx.append_lines(&self.port.take_lines(), &mut unit.appends);
        unit.state = self.port.seal();
        let metadata = self.stream_time.map_or_else(String::new, |at| format!("{STREAM_TIME}{}", at.0));
        let offsets = moved.iter().map(|(input, offset)| OffsetCommit {
            group: self.group.clone(),
            at: self.inputs[*input].at,
            change: OffsetChange::Set(CommittedOffset {
                offset: *offset,
                leader_epoch: None,
                metadata: metadata.clone(),
                committed_at: now,
            }),
        });
        unit.offsets = offsets.collect();
        Ok(unit)
    }
    /// Takes up changes of the output topics between units, when no batch is open.
    fn refresh_outputs(&mut self) -> Result<(), Halt> {
        let partitions = self.inputs.first().map_or(1, |input| input.topic.partitions);
        for output in self.outputs.iter_mut().chain(&mut self.dead_letters) {
            match refreshed(&self.ctx, output) {
                None => {}
                Some(Some(topic)) => *output = Output::new(topic, self.ctx.partition, partitions),
                Some(None) if output.topic().name.as_str().ends_with(DEAD_LETTER_SUFFIX) => {}
                Some(None) => return Err(output_gone(&output.topic().name.clone())),
            }
        }
        self.dead_letters = self.dead_letters.take().filter(|o| refreshed(&self.ctx, o).is_none());
        Ok(())
    }
    /// Looks whether the unit in flight has arrived.
    pub(super) async fn reap(&mut self) -> Result<(), Halt> {
        let Some(flight) = &mut self.flight else { return Ok(()) };
        match futures::poll!(flight.future()) {
            Poll::Ready(result) => self.landed(result),
            Poll::Pending => Ok(()),
        }
    }
    /// Waits until the unit in flight has arrived.
    pub(super) async fn land(&mut self) -> Result<(), Halt> {
        let Some(flight) = &mut self.flight else { return Ok(()) };
        let began = self.ctx.clock.monotonic();
        let result = flight.future().await;
        self.in_commit += self.ctx.clock.monotonic().saturating_sub(began);
        self.landed(result)
    }
    /// Waits until everything so far is in the log.
    pub(super) async fn flush(&mut self) -> Result<(), Halt> {
        loop {
            self.land().await?;
            if !self.launch().await? {
                return Ok(());
            }
        }
    }
    pub(super) fn landed(&mut self, result: Result<UnitResult, CommitError>) -> Result<(), Halt> {
        let Some(flight) = self.flight.take() else { return Ok(()) };
        match result {
            Ok(_) => {
                self.port.committed(flight.number);
                self.ctx.board.committed(flight.tally, &flight.moved, flight.stream_time);
                self.progressed = true;
                Ok(())
            }
            Err(error) => Err(commit_halt(&error)),
        }
    }
    /// Makes sure that there is a dead-letter topic with room for a letter of so many bytes.
    pub(super) async fn ensure_dead_letters(&mut self, letter_len: usize) -> Result<(), Halt> {
        let partitions = self.inputs.first().map_or(1, |input| input.topic.partitions);
        match &self.dead_letters {
            Some(output) if output.has_room_for(letter_len) => return Ok(()),
            // its open batches keep the old limit: the new one is found when the task begins anew
            Some(output) => {
                let reason = format!("{} takes no letter of {letter_len} bytes yet", output.topic().name);
                self.ctx.dead_letter_topic(partitions, letter_len).await?;
                return Err(Halt::Redo(Failure::new("log", reason)));
            }
            None => {}
        }
        let topic = self.ctx.dead_letter_topic(partitions, letter_len).await?;
        self.dead_letters = Some(Output::new(topic, self.ctx.partition, partitions));
        Ok(())
    }
}

/// Beginning anew finds out what to do: a topic was deleted, its limits changed, the log is busy or takes no writes.
fn commit_halt(error: &CommitError) -> Halt {
    let failure = Failure::new("log", format!("a unit was not committed: {error}"));
    match error {
        CommitError::Append { error: AppendError::Store(StoreError::Corrupt { .. }), .. }
        | CommitError::Store(StoreError::Corrupt { .. }) => Halt::Stopped(failure),
        CommitError::UnknownPartition(_) | CommitError::Append { .. } | CommitError::Store(_) => {
            Halt::Redo(failure)
        }
    }
}

impl TaskContext {
    /// The dead-letter topic, made or widened when it must be.
    async fn dead_letter_topic(
        &self,
        partitions: u32,
        letter_len: usize,
    ) -> Result<std::sync::Arc<potok_log::Topic>, Halt> {
        let name: TopicName = format!("{}{DEAD_LETTER_SUFFIX}", self.deployment.name)
            .parse()
            .map_err(|error| Halt::Stopped(Failure::new("log", format!("{error}"))))?;
        let inputs = self.deployment.spec.inputs.iter().filter_map(|input| self.log.topic(input));
        let largest = inputs.map(|topic| topic.config.batch_len_max()).max().unwrap_or(0);
        let needed = (largest + DEAD_LETTER_OVERHEAD_LEN).max(letter_len + DEAD_LETTER_OVERHEAD_LEN);
        let halt = |error: &dyn std::fmt::Display| {
            Halt::Redo(Failure::new("log", format!("dead-letter topic {name}: {error}")))
        };
        let limit = ("max.message.bytes".to_owned(), needed.to_string());
        if let Some(topic) = self.log.topic(&name) {
            if topic.config.batch_len_max() >= letter_len + DEAD_LETTER_OVERHEAD_LEN {
                return Ok(topic);
            }
            let change = TopicChange { partitions: None, config: vec![(limit.0, Some(limit.1))] };
            return self.log.alter_topic(&name, change).await.map_err(|error| halt(&error));
        }
        // kept until someone has looked at them: nothing is dropped in silence
        let config = vec![limit, ("retention.ms".to_owned(), "-1".to_owned())];
        match self.log.create_topic(NewTopic { name: name.clone(), partitions, config }).await {
            Ok(topic) => Ok(topic),
            // another task was first
            Err(CreateTopicError::Exists(_)) => {
                self.log.topic(&name).ok_or_else(|| halt(&"it comes and goes"))
            }
            Err(error) => Err(halt(&error)),
        }
    }
    /// Makes records of log lines; without their topic they are lost.
    fn append_lines(&self, lines: &[LogLine], into: &mut Vec<Append>) {
        if lines.is_empty() {
            return;
        }
        let Some(topic) = LOGS_TOPIC.parse().ok().and_then(|name| self.log.topic(&name)) else { return };
        let name = self.deployment.name.as_str().as_bytes();
        let partition = crate::api::logs_partition(&self.deployment.name, topic.partitions);
        let mut output = Output::new(topic, self.partition, 0);
        for line in lines {
            let Ok(json) = serde_json::to_vec(line) else { continue };
            if output.has_room_for(name.len() + json.len()) {
                // a log line that cannot be written is no reason to stop a task
                let _ = output.push_with(partition.0, line.time, Some(name), Some(&json), &[]);
            }
        }
        let _ = output.finish(into);
    }
    /// Appends lines outside a unit: when a task stops, there is none.
    pub(super) async fn keep_lines(&self, lines: &[LogLine]) {
        let mut appends = Vec::new();
        self.append_lines(lines, &mut appends);
        if !appends.is_empty() {
            let _ = self.log.append(appends, Acks::Written).await;
        }
    }
    /// A line of the host, now.
    pub(super) async fn announce(&self, level: LogLevel, message: String) {
        let (time, partition, module) = (self.clock.now(), self.partition, self.deployment.digest);
        self.keep_lines(&[LogLine { time, level, from: "host".into(), partition, module, message }]).await;
    }
}
