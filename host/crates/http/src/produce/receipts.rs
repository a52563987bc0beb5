//! What a streamed write says of the lines that are in the log. While the client does not read, receipts are put
//! together instead of holding up the write, up to a bound.

use crate::api::{Acknowledged, Done, PlacedRun, Problem, ProduceEvent, Receipts};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Answer lines waiting for the connection.
const WAITING_MAX: usize = 16;
/// Runs that one receipt puts together before the write waits for the client to read.
const RUNS_MAX: usize = 1024;

/// The writing side of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    to: mpsc::Sender<Event>,
    receipts: Receipts,
    held: Option<Acknowledged>,
    /// Records acknowledged so far.
    records: u64,
}

/// One thing said.
#[derive(Debug)]
pub(super) enum Event {
    /// A line of the answer.
    Line(Bytes),
    /// The write ends here; nothing follows.
    Problem(Problem),
}

/// Nobody reads the answer any more.
#[derive(Debug)]
pub(super) struct Left;

impl Answer {
    pub(super) fn new(receipts: Receipts) -> (Answer, mpsc::Receiver<Event>) {
        let (to, from) = mpsc::channel(WAITING_MAX);
        (Answer { to, receipts, held: None, records: 0 }, from)
    }
    /// The lines with these numbers are in the log, at these places.
    pub(super) async fn acknowledge(
        &mut self,
        lines: &[u64],
        placed: &[(u32, Option<u64>)],
    ) -> Result<(), Left> {
        self.records += placed.len() as u64;
        match self.receipts {
            Receipts::Record => {
                for (line, place) in lines.iter().zip(placed) {
                    let one = Acknowledged { first_line: *line, last_line: *line, placed: runs(&[*place]) };
                    self.send(&ProduceEvent::Acknowledged(one)).await?;
                }
                Ok(())
            }
            Receipts::Batch => {
                let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
                self.hold(Acknowledged { first_line: *first, last_line: *last, placed: runs(placed) });
                self.let_go().await
            }
        }
    }
    fn hold(&mut self, new: Acknowledged) {
        match &mut self.held {
            Some(held) => {
                held.last_line = new.last_line;
                new.placed.into_iter().for_each(|run| add_run(&mut held.placed, run));
            }
            none => *none = Some(new),
        }
    }
    /// Sends what is held if there is room, and waits for room only when too much is held.
    async fn let_go(&mut self) -> Result<(), Left> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let full = held.placed.len() >= RUNS_MAX;
        let event = ProduceEvent::Acknowledged(held);
        match self.to.try_send(Event::Line(line(&event))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(event)) if full => self.to.send(event).await.map_err(|_| Left),
            Err(TrySendError::Full(_)) => {
                if let ProduceEvent::Acknowledged(held) = event {
                    self.held = Some(held);
                }
                Ok(())
            }
            Err(TrySendError::Closed(_)) => Err(Left),
        }
    }
    async fn send(&self, event: &ProduceEvent) -> Result<(), Left> {
        self.to.send(Event::Line(line(event))).await.map_err(|_| Left)
    }
    async fn flush(&mut self) -> Result<(), Left> {
        match self.held.take() {
            Some(held) => self.send(&ProduceEvent::Acknowledged(held)).await,
            None => Ok(()),
        }
    }
    /// Ends the answer well.
    pub(super) async fn done(mut self, lines: u64) {
        // who has left cannot be told
        if self.flush().await.is_ok() {
            let _ = self.send(&ProduceEvent::Done(Done { records: self.records, lines })).await;
        }
    }
    /// Ends the answer with a problem.
    pub(super) async fn problem(mut self, mut problem: Problem) {
        problem.acknowledged = Some(self.records);
        if self.flush().await.is_ok() {
            let _ = self.to.send(Event::Problem(problem)).await;
        }
    }
}

/// A line of the answer.
pub(super) fn line(event: &ProduceEvent) -> Bytes {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Places of records in order, as runs within each partition.
fn runs(placed: &[(u32, Option<u64>)]) -> Vec<PlacedRun> {
    let mut runs: Vec<PlacedRun> = Vec::new();
    for (partition, first_offset) in placed {
        add_run(&mut runs, PlacedRun { partition: *partition, first_offset: *first_offset, count: 1 });
    }
    runs
}

/// How many of the last runs a new one may go on from: about the partitions that one batch touches.
const LOOK_BACK: usize = 64;

fn add_run(runs: &mut Vec<PlacedRun>, new: PlacedRun) {
    let last = runs.iter_mut().rev().take(LOOK_BACK).find(|run| run.partition == new.partition);
    match last {
        Some(run) if follows(run, &new) => run.count += new.count,
        _ => runs.push(new),
    }
}

fn follows(run: &PlacedRun, new: &PlacedRun) -> bool {
    match (run.first_offset, new.first_offset) {
        (Some(first), Some(next)) => first + run.count == next,
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_runs_of_each_partition() {
        let placed = [(0, Some(5)), (1, Some(9)), (0, Some(6)), (1, Some(10)), (0, Some(8))];
        let run = |partition, first, count| PlacedRun { partition, first_offset: Some(first), count };
        assert_eq!(runs(&placed), vec![run(0, 5, 2), run(1, 9, 2), run(0, 8, 1)]);
    }
    #[tokio::test]
    async fn receipts_are_put_together_while_nobody_reads() {
        let (mut answer, mut events) = Answer::new(Receipts::Batch);
        for at in 0..1000 {
            answer.acknowledge(&[at + 1], &[(0, Some(at))]).await.unwrap();
        }
        assert_eq!(answer.records, 1000);
        let reading = tokio::spawn(async move {
            let mut last = 0;
            let mut count = 0;
            while let Some(Event::Line(bytes)) = events.recv().await {
                match serde_json::from_slice(&bytes).unwrap() {
                    ProduceEvent::Acknowledged(these) => {
                        assert_eq!(these.first_line, last + 1);
                        last = these.last_line;
                        count += 1;
                    }
                    ProduceEvent::Done(done) => assert_eq!(done, Done { records: 1000, lines: 1000 }),
                    ProduceEvent::Problem(problem) => panic!("{problem:?}"),
                }
            }
            (last, count)
        });
        answer.done(1000).await;
        assert_eq!(reading.await.unwrap(), (1000, WAITING_MAX + 1));
    }
}
