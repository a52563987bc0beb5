//! One transactional id as a state machine (KIP-98, KIP-360, KIP-447, KIP-890): who may write, what belongs to the open
//! transaction, and how it ends.
//!
//! On one log a transaction ends in one atomic unit: the markers in every partition, the offsets of every group and this record of it are
//! written together. So there is no `PrepareCommit` that a crash could leave behind: a transaction is open, or it has ended.

mod tests;

use potok_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Why a request is refused; the wire has a code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The producer id is not this transactional id's.
    #[error("producer id does not belong to the transactional id")]
    InvalidMapping,
    /// A newer incarnation of the producer has taken over.
    #[error("producer is fenced by a newer one")]
    Fenced,
    /// The transaction is not open, or has already ended otherwise.
    #[error("transaction is not in a state for this")]
    InvalidState,
    /// `transaction.max.timeout.ms`.
    #[error("transaction time-out is above the limit")]
    InvalidTimeout,
    /// The partition was not added to the transaction.
    #[error("partition is not part of the transaction")]
    UnknownPartition,
}

/// An offset that becomes the group's when the transaction commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the record before it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's words.
    pub metadata: String,
}

/// Where a transaction is; Kafka's names are in [`Transaction::state_name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionState {
    /// Nothing was written since the producer was given its identity.
    Empty,
    /// Open.
    Ongoing,
    /// The last one was committed.
    Committed,
    /// The last one was aborted.
    Aborted,
}

/// What ends a transaction: to be written as one unit, and then replayed by [`Transaction::ended`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Commit, or abort.
    pub commit: bool,
    /// Whose markers.
    pub producer: ProducerId,
    /// Epoch of the markers: for an abort by fencing or time-out, already the next one.
    pub epoch: ProducerEpoch,
    /// Who may write afterwards.
    pub next: Identity,
    /// A marker in each.
    pub partitions: Vec<TopicPartition>,
    /// Offsets that become their groups'; none when it aborts.
    pub offsets: Vec<(String, TopicPartition, PendingOffset)>,
}

/// What a producer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// What `InitProducerId` wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Initialised {
    /// This is the producer now.
    Done(Identity),
    /// A transaction is open: write this abort first, then ask again.
    AbortFirst(Ending),
    /// The epochs of this producer id are used up: ask again with a fresh one.
    NeedsProducerId,
}

/// One transactional id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    producer: ProducerId,
    epoch: ProducerEpoch,
    /// The identity before the last bump: its retries are not fenced (KIP-360).
    previous: Option<(ProducerId, ProducerEpoch)>,
    timeout_ms: u64,
    state: TransactionState,
    partitions: BTreeSet<(u32, u32)>,
    groups: BTreeMap<String, BTreeMap<u64, PendingOffset>>,
    started_at: Timestamp,
    updated_at: Timestamp,
}

/// The largest epoch; it is kept for the abort that fences the last one.
const EPOCH_MAX: i16 = i16::MAX - 1;

fn pair(at: TopicPartition) -> (u32, u32) {
    (at.topic.0, at.partition.0)
}
fn packed(at: TopicPartition) -> u64 {
    u64::from(at.topic.0) << 32 | u64::from(at.partition.0)
}
fn wide(at: u64) -> TopicPartition {
    let (topic, partition) = (at >> 32, at & u64::from(u32::MAX));
    unpacked((u32::try_from(topic).unwrap_or(0), u32::try_from(partition).unwrap_or(0)))
}
fn unpacked((topic, partition): (u32, u32)) -> TopicPartition {
    TopicPartition {
        topic: potok_types::TopicNumber(topic),
        partition: potok_types::PartitionIndex(partition),
    }
}

impl Transaction {
    /// A transactional id that was never used; `producer` is fresh.
    pub fn new(producer: ProducerId, timeout: Duration, now: Timestamp) -> Transaction {
        Transaction {
            producer,
            epoch: ProducerEpoch(-1),
            previous: None,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            groups: BTreeMap::new(),
            started_at: Timestamp::NONE,
            updated_at: now,
        }
    }
    /// Who may write.
    pub fn identity(&self) -> Identity {
        Identity { producer: self.producer, epoch: self.epoch }
    }
    /// Where it is.
    pub fn state(&self) -> TransactionState {
        self.state
    }
    /// Where it is, as Kafka's tools show it.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::Committed => "CompleteCommit",
            TransactionState::Aborted => "CompleteAbort",
        }
    }
    /// How long it may stay open.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
    /// When the open one is over; none when none is open.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.started_at().map(|at| at.plus(self.timeout()))
    }
    /// Whether the epochs of this producer id are used up, so that whoever moves on needs a fresh id.
    pub fn needs_producer_id(&self) -> bool {
        self.epoch.0 >= EPOCH_MAX
    }
    /// When the open one began; none when none is open.
    pub fn started_at(&self) -> Option<Timestamp> {
        (self.state == TransactionState::Ongoing).then_some(self.started_at)
    }
    /// When it last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
    /// Partitions of the open one.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = TopicPartition> {
        self.partitions.iter().copied().map(unpacked)
    }
    /// Offsets that the open transaction will commit, by group: reads that want stable offsets wait for them.
    pub fn pending_offsets(&self) -> impl Iterator<Item = (&str, TopicPartition)> {
        self.groups.iter().flat_map(|(group, offsets)| offsets.keys().map(|at| (group.as_str(), wide(*at))))
    }

    /// `InitProducerId`: fences whoever wrote before. `claimed` is what the producer says that it is (KIP-360); a fresh one says nothing.
    pub fn init(
        &mut self,
        now: Timestamp,
        timeout: Duration,
        claimed: Option<Identity>,
        fresh: Option<ProducerId>,
    ) -> Result<Initialised, TransactionError> {
        if let Some(claimed) = claimed {
            let current = claimed == self.identity();
            let retried = self.previous == Some((claimed.producer, claimed.epoch));
            if !current && retried {
                self.start_anew();
                return Ok(Initialised::Done(self.identity()));
            }
            if !current {
                return Err(TransactionError::Fenced);
            }
        }
        if self.state == TransactionState::Ongoing {
            return Ok(Initialised::AbortFirst(self.ending(false, self.fencing_epoch())));
        }
        let previous = (self.producer, self.epoch);
        if self.needs_producer_id() {
            let Some(producer) = fresh else { return Ok(Initialised::NeedsProducerId) };
            (self.producer, self.epoch) = (producer, ProducerEpoch(0));
        } else {
            self.epoch = ProducerEpoch(self.epoch.0 + 1);
        }
        self.start_anew();
        self.previous = claimed.map(|_| previous);
        self.timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.updated_at = now;
        Ok(Initialised::Done(self.identity()))
    }

    /// Checks who asks.
    pub fn check(&self, who: Identity) -> Result<(), TransactionError> {
        if who.producer != self.producer {
            return Err(TransactionError::InvalidMapping);
        }
        if who.epoch != self.epoch { Err(TransactionError::Fenced) } else { Ok(()) }
    }

    /// `AddPartitionsToTxn`: opens the transaction when none is. Says whether anything changed.
    pub fn add_partitions(
        &mut self,
        now: Timestamp,
        who: Identity,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<bool, TransactionError> {
        self.check(who)?;
        self.open(now);
        let before = self.partitions.len();
        self.partitions.extend(partitions.into_iter().map(pair));
        Ok(before != self.partitions.len())
    }

    /// `AddOffsetsToTxn`: the transaction will commit offsets of this group.
    pub fn add_group(&mut self, now: Timestamp, who: Identity, group: &str) -> Result<(), TransactionError> {
        self.check(who)?;
        self.open(now);
        self.groups.entry(group.to_owned()).or_default();
        Ok(())
    }

    /// `TxnOffsetCommit`: an offset that counts when the transaction commits. With `implicit` (KIP-890) the group need not have been added.
    pub fn add_offset(
        &mut self,
        now: Timestamp,
        who: Identity,
        group: &str,
        at: TopicPartition,
        offset: PendingOffset,
        implicit: bool,
    ) -> Result<(), TransactionError> {
        self.check(who)?;
        if implicit {
            self.open(now);
            self.groups.entry(group.to_owned()).or_default();
        }
        let offsets = self.groups.get_mut(group).ok_or(TransactionError::InvalidState)?;
        offsets.insert(packed(at), offset);
        self.updated_at = now;
        Ok(())
    }

    /// May this producer write to this partition in the open transaction?
    pub fn may_write(&self, who: Identity, at: TopicPartition) -> Result<(), TransactionError> {
        self.check(who)?;
        let part = self.state == TransactionState::Ongoing && self.partitions.contains(&pair(at));
        if part { Ok(()) } else { Err(TransactionError::UnknownPartition) }
    }

    /// `EndTxn`: what to write; none when this very end was written before (a retry). With `bumps` (KIP-890) the markers carry the next epoch,
    /// and the producer goes on under it, or as `fresh` where its epochs are used up.
    pub fn end(
        &self,
        who: Identity,
        commit: bool,
        bumps: bool,
        fresh: Option<ProducerId>,
    ) -> Result<Option<Ending>, TransactionError> {
        let ended_so = if commit { TransactionState::Committed } else { TransactionState::Aborted };
        if bumps && self.previous == Some((who.producer, who.epoch)) && self.state == ended_so {
            return Ok(None);
        }
        self.check(who)?;
        match self.state {
            TransactionState::Ongoing if bumps => Ok(Some(self.bumped(commit, fresh))),
            TransactionState::Ongoing => Ok(Some(self.ending(commit, self.epoch))),
            state if state == ended_so && !bumps => Ok(None),
            // an empty transaction may be aborted under KIP-890: nothing is open, the epoch moves on
            TransactionState::Empty | TransactionState::Committed | TransactionState::Aborted
                if bumps && !commit =>
            {
                Ok(Some(self.bumped(false, fresh)))
            }
            TransactionState::Empty | TransactionState::Committed | TransactionState::Aborted => {
                Err(TransactionError::InvalidState)
            }
        }
    }

    /// The abort of an open transaction whose time is up.
    pub fn expired(&self, now: Timestamp) -> Option<Ending> {
        let over = self.state == TransactionState::Ongoing && self.started_at.plus(self.timeout()) <= now;
        over.then(|| self.ending(false, self.fencing_epoch()))
    }

    /// The unit of `ending` is written: the transaction has ended.
    pub fn ended(&mut self, now: Timestamp, ending: &Ending) {
        self.state = if ending.commit { TransactionState::Committed } else { TransactionState::Aborted };
        if ending.next != self.identity() {
            self.previous = Some((self.producer, self.epoch));
            (self.producer, self.epoch) = (ending.next.producer, ending.next.epoch);
        }
        self.partitions.clear();
        self.groups.clear();
        self.updated_at = now;
    }

    /// How the last transaction ended is its producer's affair: whoever begins has written nothing.
    fn start_anew(&mut self) {
        if self.state != TransactionState::Ongoing {
            self.state = TransactionState::Empty;
        }
    }
    fn open(&mut self, now: Timestamp) {
        if self.state != TransactionState::Ongoing {
            self.state = TransactionState::Ongoing;
            self.started_at = now;
        }
        self.updated_at = now;
    }
    fn fencing_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(self.epoch.0.saturating_add(1))
    }
    fn bumped(&self, commit: bool, fresh: Option<ProducerId>) -> Ending {
        let ending = self.ending(commit, self.fencing_epoch());
        match fresh.filter(|_| self.needs_producer_id()) {
            Some(producer) => Ending { next: Identity { producer, epoch: ProducerEpoch(0) }, ..ending },
            None => ending,
        }
    }
    fn ending(&self, commit: bool, epoch: ProducerEpoch) -> Ending {
        let offsets = self.groups.iter().flat_map(|(group, offsets)| {
            offsets.iter().map(move |(at, offset)| (group.clone(), wide(*at), offset.clone()))
        });
        Ending {
            commit,
            producer: self.producer,
            epoch,
            next: Identity { producer: self.producer, epoch },
            partitions: self.partitions().collect(),
            offsets: if commit { offsets.collect() } else { Vec::new() },
        }
    }
}
