//! Appends of several requests of one connection, on their way to the log as one: whoever sends many requests at a time costs the log
//! one wake-up for all of them, and is woken once for all answers.
//! In come appends in the order of their requests, out goes for each request what the log answers. Invariant: what was gathered is
//! queued in that order by [`Gather::flush`], before whatever its caller waits for.

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use potok_log::{Acks, Append, AppendError, Appended, Appending, Log, StoreError};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Bytes of batches beyond which no further request is gathered: enough to make little of a wake-up, little enough that the log works
/// while the next are read.
pub(crate) const GATHERED_MAX: usize = 256 * 1024;

type Results = Vec<Result<Appended, AppendError>>;

/// Where a request's answers come from, once its appends are queued.
enum Place {
    /// All of these are its own.
    Alone(Appending),
    /// So many of these are.
    Among(Shared<BoxFuture<'static, Arc<Results>>>, Range<usize>),
}

/// The appends of one request: how many, and whom to tell where they are.
struct Part {
    count: usize,
    queued: oneshot::Sender<Place>,
}

/// What was gathered.
pub(crate) struct Gather {
    appends: Vec<Append>,
    parts: Vec<Part>,
    acks: Acks,
    bytes: usize,
}

impl Default for Gather {
    fn default() -> Gather {
        Gather { appends: Vec::new(), parts: Vec::new(), acks: Acks::Written, bytes: 0 }
    }
}

impl Gather {
    /// Whether there is nothing to flush.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
    /// Whether another request may go along.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < GATHERED_MAX
    }
    /// Takes in the appends of the next request. What is there and wants another acknowledgement goes first.
    pub(crate) async fn add(&mut self, log: &dyn Log, appends: Vec<Append>, acks: Acks) -> Appending {
        if acks != self.acks {
            self.flush(log).await;
            self.acks = acks;
        }
        let (count, (queued, place)) = (appends.len(), oneshot::channel());
        self.bytes += appends.iter().map(|append| append.batch.len()).sum::<usize>();
        self.appends.extend(appends);
        self.parts.push(Part { count, queued });
        let results = async move {
            match place.await {
                Ok(Place::Alone(appending)) => appending.await,
                Ok(Place::Among(all, own)) => all.await.get(own).unwrap_or_default().to_vec(),
                // its connection was cut off before it came to the log
                Err(_) => (0..count).map(|_| Err(StoreError::Closed.into())).collect(),
            }
        };
        results.boxed()
    }
    /// Queues what was gathered.
    pub(crate) async fn flush(&mut self, log: &dyn Log) {
        let Gather { appends, mut parts, acks, .. } = std::mem::take(self);
        self.acks = acks;
        let Some(last) = parts.pop() else { return };
        let appending = log.enqueue(appends, acks).await;
        // whoever asked may have gone
        if parts.is_empty() {
            return drop(last.queued.send(Place::Alone(appending)));
        }
        let all = appending.map(Arc::new).boxed().shared();
        let mut next = 0;
        for Part { count, queued } in parts.into_iter().chain([last]) {
            let own = next..next + count;
            next = own.end;
            drop(queued.send(Place::Among(all.clone(), own)));
        }
    }
    /// Waits for `what`. Where that takes time, what was gathered goes first: it may be what is waited for.
    pub(crate) async fn before<T>(&mut self, log: &dyn Log, what: impl Future<Output = T>) -> T {
        let mut what = std::pin::pin!(what);
        match what.as_mut().now_or_never() {
            Some(done) => done,
            None => {
                self.flush(log).await;
                what.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_log::{MemoryLog, NewTopic, Topic};
    use potok_types::{BatchBuilder, Compression, SystemClock, Timestamp};

    async fn log() -> (Arc<dyn Log>, Arc<Topic>) {
        let log: Arc<dyn Log> = MemoryLog::new(SystemClock::shared());
        let topic = NewTopic { name: "t".parse().unwrap(), partitions: 2, config: Vec::new() };
        let topic = log.create_topic(topic).await.unwrap();
        (log, topic)
    }
    /// A batch of so many records to each of these partitions.
    fn appends(topic: &Topic, to: &[(usize, usize)]) -> Vec<Append> {
        let one = |(partition, count): &(usize, usize)| {
            let mut builder = BatchBuilder::new(Compression::None);
            (0..*count).for_each(|_| builder.push(Timestamp(0), None, Some(b"x"), std::iter::empty()));
            let to = topic.all_partitions().nth(*partition).unwrap();
            Append { to, batch: builder.build().unwrap().unwrap() }
        };
        to.iter().map(one).collect()
    }
    async fn offsets(appending: Appending) -> Vec<Option<u64>> {
        let results = appending.await.into_iter();
        results.map(|one| one.unwrap().base_offset.map(potok_types::Offset::get)).collect()
    }

    #[tokio::test]
    async fn each_request_has_its_own_results_in_the_order_in_which_they_came() {
        let (log, topic) = log().await;
        let mut gather = Gather::default();
        let one = gather.add(&*log, appends(&topic, &[(0, 2), (1, 3)]), Acks::Written).await;
        let two = gather.add(&*log, appends(&topic, &[(0, 1)]), Acks::Written).await;
        assert!(!gather.is_empty() && gather.has_room());
        let end = log.ends(topic.all_partitions().next().unwrap()).unwrap().log_end;
        assert_eq!(end.get(), 0, "nothing is queued before it is flushed");
        // another acknowledgement: what is there goes first
        let three = gather.add(&*log, appends(&topic, &[(0, 1), (1, 1)]), Acks::Synced).await;
        assert_eq!(offsets(two).await, [Some(2)]);
        assert_eq!(offsets(one).await, [Some(0), Some(0)]);
        gather.flush(&*log).await;
        assert!(gather.is_empty());
        assert_eq!(offsets(three).await, [Some(3), Some(3)]);
    }
    #[tokio::test]
    async fn what_is_gathered_goes_before_what_takes_time_and_only_then() {
        let (log, topic) = log().await;
        let mut gather = Gather::default();
        let one = gather.add(&*log, appends(&topic, &[(0, 1)]), Acks::Written).await;
        assert_eq!(gather.before(&*log, async { 7 }).await, 7);
        assert!(!gather.is_empty());
        assert_eq!(gather.before(&*log, offsets(one)).await, [Some(0)]);
        assert!(gather.is_empty());
        let never = gather.add(&*log, appends(&topic, &[(0, 1)]), Acks::Written).await;
        drop(gather);
        assert!(never.await.iter().all(Result::is_err));
    }
}
