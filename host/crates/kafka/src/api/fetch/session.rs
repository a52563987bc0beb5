//! Fetch sessions (KIP-227): what a client wants to read, remembered between its requests, and what it was told last.
//! In come requests, out go wants, and afterwards which of them the answer has to mention. Invariant: at most
//! [`SESSIONS_MAX`] sessions with [`PARTITIONS_MAX`] partitions in all; a client that finds no place is served without one.

use super::read::{Found, Reading, Want};
use super::wire::TOPIC_IDS_FROM;
use crate::api::topics;
use crate::broker::Broker;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use parking_lot::Mutex;
use potok_log::Topic;
use potok_types::{Offset, TopicPartition};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Kafka's `max.incremental.fetch.session.cache.slots`.
const SESSIONS_MAX: usize = 1000;
/// Partitions that all sessions remember: some 30 MiB.
const PARTITIONS_MAX: usize = 200_000;
/// A session that was not used for so long gives its place to another, as in Kafka.
const IDLE_MIN: Duration = Duration::from_secs(120);
/// The request begins a session.
const EPOCH_FIRST: i32 = 0;
/// The request has no session, and ends the one that it names.
const EPOCH_NONE: i32 = -1;

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<i32, Slot>>);

#[derive(Debug)]
struct Slot {
    session: Arc<Mutex<Session>>,
    partitions: usize,
    used_at: Duration,
}

/// One client's partitions.
#[derive(Debug)]
pub(super) struct Session {
    id: i32,
    /// The epoch that the next request must have.
    epoch: i32,
    by_id: bool,
    wants: Vec<Want>,
    /// What was told last, as many as wants; none where the next answer mentions the partition anyway.
    told: Vec<Option<(Offset, Offset)>>,
    /// Which one is served first, in turn, so that a busy partition cannot starve the others.
    begin: usize,
}

/// A fetch with its session.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) session: Handle,
    pub(super) wants: Vec<Want>,
    /// Place of the want that is served first, where a session remembers it.
    pub(super) begin: Option<usize>,
}

/// The session of a fetch.
#[derive(Debug)]
pub(super) enum Handle {
    /// None, and none is wanted.
    None,
    /// One that begins with this request.
    New { by_id: bool, now: Duration },
    /// One that goes on.
    Old(Arc<Mutex<Session>>),
}

/// What the answer mentions.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) session_id: i32,
    /// Places of wants.
    pub(super) partitions: Vec<usize>,
}

/// Finds the request's session, and all that is wanted now.
pub(super) fn open(call: &Call, request: FetchRequest) -> Result<Opened, Code> {
    let (broker, by_id) = (&call.broker, call.version() >= TOPIC_IDS_FROM);
    let now = broker.clock.monotonic();
    let (id, epoch) = (request.session_id, request.session_epoch);
    if epoch == EPOCH_FIRST || epoch == EPOCH_NONE {
        broker.sessions.0.lock().remove(&id);
        let wants = wants(broker, by_id, &request);
        let session =
            if epoch == EPOCH_NONE || wants.is_empty() { Handle::None } else { Handle::New { by_id, now } };
        return Ok(Opened { session, wants, begin: None });
    }
    let session = broker.sessions.find(id, now).ok_or(Code::FetchSessionIdNotFound)?;
    let mut open = session.lock();
    if open.epoch != epoch {
        return Err(Code::InvalidFetchSessionEpoch);
    }
    if open.by_id != by_id {
        return Err(Code::FetchSessionTopicIdError);
    }
    open.update(broker, &request)?;
    // epochs wrap past the two that mean something else
    open.epoch = epoch.checked_add(1).unwrap_or(1);
    let (wants, begin) = (open.wants.clone(), open.begin);
    broker.sessions.count(id, wants.len());
    drop(open);
    Ok(Opened { session: Handle::Old(session), wants, begin: Some(begin) })
}

impl Session {
    /// Takes in what the request adds, changes and forgets.
    fn update(&mut self, broker: &Broker, request: &FetchRequest) -> Result<(), Code> {
        if !request.topics.is_empty() || !request.forgotten_topics_data.is_empty() {
            let key = |want: &Want| (want.topic_id, Arc::clone(&want.topic), want.partition);
            let mut places: HashMap<_, _> =
                self.wants.iter().enumerate().map(|(i, want)| (key(want), i)).collect();
            for want in wants(broker, self.by_id, request) {
                match places.get(&key(&want)) {
                    Some(place) => self.wants[*place] = want,
                    None => {
                        places.insert(key(&want), self.wants.len());
                        self.wants.push(want);
                        self.told.push(None);
                    }
                }
            }
            self.forget(request, &places);
        }
        if self.wants.len() > PARTITIONS_MAX {
            return Err(Code::InvalidRequest);
        }
        for want in &mut self.wants {
            // the topic may have been deleted, and made anew, since
            if !want.at.is_ok_and(|at| broker.log.ends(at).is_ok()) {
                let topic = find(broker, self.by_id, want.topic_id, &want.topic);
                want.at = place(&topic, want.partition);
            }
        }
        Ok(())
    }
    fn forget(&mut self, request: &FetchRequest, places: &HashMap<(Uuid, Arc<str>, i32), usize>) {
        let mut gone = vec![false; self.wants.len()];
        for topic in &request.forgotten_topics_data {
            let name: Arc<str> = topic.topic.as_str().into();
            for partition in &topic.partitions {
                if let Some(place) = places.get(&(topic.topic_id, Arc::clone(&name), *partition)) {
                    gone[*place] = true;
                }
            }
        }
        if gone.contains(&true) {
            let mut keep = gone.iter();
            self.wants.retain(|_| keep.next() == Some(&false));
            let mut keep = gone.iter();
            self.told.retain(|_| keep.next() == Some(&false));
            self.begin = 0;
        }
    }
    /// Remembers what the answer tells; answers the places that it mentions.
    fn tell(&mut self, reading: &Reading) -> Vec<usize> {
        let mut mentioned = Vec::new();
        for (place, found) in reading.found.iter().enumerate() {
            let (news, told) = news(found, self.told.get(place).copied().flatten());
            if news {
                mentioned.push(place);
            }
            if found.bytes > 0 {
                self.begin = (place + 1) % reading.found.len();
            }
            if let Some(slot) = self.told.get_mut(place) {
                *slot = told;
            }
        }
        self.begin = reading.left_out().unwrap_or(self.begin);
        mentioned
    }
}

/// Whether the client has to hear of a partition, and what it then knows.
fn news(found: &Found, told: Option<(Offset, Offset)>) -> (bool, Option<(Offset, Offset)>) {
    match found.ends.filter(|_| found.code == 0 && found.diverging.is_none()) {
        None => (true, None),
        Some(ends) => {
            let now = Some((ends.high_watermark, ends.log_start));
            (found.bytes > 0 || now != told, now)
        }
    }
}

impl Handle {
    /// After the read: what the answer mentions, and of which session it is.
    pub(super) fn settle(self, sessions: &Sessions, reading: &Reading) -> Told {
        let all = || (0..reading.wants.len()).collect();
        match self {
            Handle::None => Told { session_id: 0, partitions: all() },
            Handle::New { by_id, now } => {
                let told = reading.found.iter().map(|found| news(found, None).1).collect();
                let wants = reading.wants.clone();
                let begin = reading.left_out().unwrap_or(0);
                let session = Session { id: 0, epoch: 1, by_id, wants, told, begin };
                Told { session_id: sessions.begin(session, now), partitions: all() }
            }
            Handle::Old(session) => {
                let mut session = session.lock();
                Told { session_id: session.id, partitions: session.tell(reading) }
            }
        }
    }
}

impl Sessions {
    fn find(&self, id: i32, now: Duration) -> Option<Arc<Mutex<Session>>> {
        let mut slots = self.0.lock();
        let slot = slots.get_mut(&id)?;
        slot.used_at = now;
        Some(Arc::clone(&slot.session))
    }
    fn count(&self, id: i32, partitions: usize) {
        if let Some(slot) = self.0.lock().get_mut(&id) {
            slot.partitions = partitions;
        }
    }
    /// Gives a session its id; 0 where there is no place for it.
    fn begin(&self, mut session: Session, now: Duration) -> i32 {
        let mut slots = self.0.lock();
        let full = |slots: &HashMap<i32, Slot>| {
            let partitions: usize = slots.values().map(|slot| slot.partitions).sum();
            slots.len() >= SESSIONS_MAX || partitions + session.wants.len() > PARTITIONS_MAX
        };
        if full(&slots) {
            slots.retain(|_, slot| now.saturating_sub(slot.used_at) < IDLE_MIN);
            if full(&slots) {
                return 0;
            }
        }
        let id = loop {
            let id = rand::random_range(1..=i32::MAX);
            if !slots.contains_key(&id) {
                break id;
            }
        };
        session.id = id;
        let partitions = session.wants.len();
        slots.insert(id, Slot { session: Arc::new(Mutex::new(session)), partitions, used_at: now });
        id
    }
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// The partitions that a request names.
fn wants(broker: &Broker, by_id: bool, request: &FetchRequest) -> Vec<Want> {
    let mut wants = Vec::new();
    for topic in &request.topics {
        let name: Arc<str> = topic.topic.as_str().into();
        let found = find(broker, by_id, topic.topic_id, &name);
        wants.extend(topic.partitions.iter().map(|asked| want(&name, topic.topic_id, &found, asked)));
    }
    wants
}

fn want(name: &Arc<str>, topic_id: Uuid, topic: &Result<Arc<Topic>, Code>, asked: &FetchPartition) -> Want {
    Want {
        topic: Arc::clone(name),
        topic_id,
        partition: asked.partition,
        offset: asked.fetch_offset,
        bytes_max: usize::try_from(asked.partition_max_bytes).unwrap_or(0),
        leader_epoch: asked.current_leader_epoch,
        fetched_epoch: asked.last_fetched_epoch,
        at: place(topic, asked.partition),
    }
}

fn find(broker: &Broker, by_id: bool, id: Uuid, name: &str) -> Result<Arc<Topic>, Code> {
    if by_id { topics::with_id(broker, id) } else { topics::named(broker, name) }
}

fn place(topic: &Result<Arc<Topic>, Code>, partition: i32) -> Result<TopicPartition, Code> {
    topics::partition(topic.as_ref().map_err(|code| *code)?, partition)
}
