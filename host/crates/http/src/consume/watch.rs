//! Waiting for records: one receiver for each partition that is read, and whoever waits wakes when any of them moves.

use super::cursor::Positions;
use crate::app::App;
use crate::error::Refusal;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use potok_types::{Ends, TopicName};
use tokio::sync::watch;

/// The ends of all partitions that are read.
#[derive(Debug)]
pub(super) struct Watches {
    topic: TopicName,
    ends: Vec<watch::Receiver<Ends>>,
}

impl Watches {
    pub(super) fn open(app: &App, topic: &TopicName, positions: &Positions) -> Result<Watches, Refusal> {
        let gone = |_| Refusal::UnknownTopic(topic.clone());
        let ends =
            positions.0.iter().map(|(at, _)| app.log.watch(*at).map_err(gone)).collect::<Result<_, _>>()?;
        Ok(Watches { topic: topic.clone(), ends })
    }
    /// Watches one partition more.
    pub(super) fn add(&mut self, ends: watch::Receiver<Ends>) {
        self.ends.push(ends);
    }
    /// Whether a partition has records behind its position. What is seen here does not wake anybody later.
    pub(super) fn ahead(&mut self, positions: &Positions) -> bool {
        let mut ahead = false;
        for (ends, (_, position)) in self.ends.iter_mut().zip(&positions.0) {
            ahead |= ends.borrow_and_update().last_stable > *position;
        }
        ahead
    }
    /// Offsets between the positions and the ends.
    pub(super) fn lag(&self, positions: &Positions) -> u64 {
        let pairs = self.ends.iter().zip(&positions.0);
        pairs.map(|(ends, (_, position))| ends.borrow().last_stable.since(*position)).sum()
    }
    /// The ends as they are.
    pub(super) fn now(&self) -> Vec<Ends> {
        self.ends.iter().map(|ends| *ends.borrow()).collect()
    }
    /// Waits until a partition has moved since it was last looked at.
    pub(super) async fn moved(&mut self) -> Result<(), Refusal> {
        if let [only] = &mut self.ends[..] {
            return only.changed().await.map_err(|_| Refusal::UnknownTopic(self.topic.clone()));
        }
        let mut any: FuturesUnordered<_> = self.ends.iter_mut().map(|ends| ends.changed().boxed()).collect();
        match any.next().await {
            Some(Err(_)) => Err(Refusal::UnknownTopic(self.topic.clone())),
            Some(Ok(())) | None => Ok(()),
        }
    }
}
