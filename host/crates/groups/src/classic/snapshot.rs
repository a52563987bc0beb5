//! What is kept of a group, and the group made from it again: its members go on where they were, with fresh sessions.

use super::{ClassicGroup, GroupSettings, GroupState, Member, Protocol};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use potok_types::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// A group as it is kept. Version 1 of the format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its generation.
    pub generation: i32,
    /// `consumer`, …
    pub protocol_type: Option<String>,
    /// The chosen one.
    pub protocol: Option<String>,
    /// Who assigns.
    pub leader: Option<String>,
    /// Milliseconds since 1970-01-01 UTC.
    pub state_since: Timestamp,
    /// Its members.
    pub members: Vec<MemberSnapshot>,
    /// They are to join again.
    #[serde(default)]
    pub rebalances: bool,
}

/// A member as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSnapshot {
    /// Its id.
    pub id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// Milliseconds.
    pub session_timeout_ms: u64,
    /// Milliseconds.
    pub rebalance_timeout_ms: u64,
    /// Name and metadata, in order of preference.
    pub protocols: Vec<(String, Blob)>,
    /// What the leader gave it.
    pub assignment: Blob,
}

/// Bytes that only clients understand; base64 where they are kept as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Blob, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(|bytes| Blob(bytes.into())).map_err(D::Error::custom)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl ClassicGroup {
    /// What to keep. Taken when the group is stable, empty, or is to rebalance because it was of KIP-848 until now; of a rebalance
    /// nothing else is kept.
    pub fn snapshot(&self) -> Snapshot {
        let member = |m: &Member| MemberSnapshot {
            id: m.id.clone(),
            instance_id: m.instance_id.clone(),
            client_id: m.client_id.clone(),
            client_host: m.client_host.clone(),
            session_timeout_ms: millis(m.session_timeout),
            rebalance_timeout_ms: millis(m.rebalance_timeout),
            protocols: m.protocols.iter().map(|p| (p.name.clone(), Blob(p.metadata.clone()))).collect(),
            assignment: Blob(m.assignment.clone()),
        };
        Snapshot {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: self.state_since,
            members: self.members.values().map(member).collect(),
            rebalances: !matches!(self.state, GroupState::Stable | GroupState::Empty),
        }
    }

    /// The group again; sessions begin at `now`.
    pub fn restore(settings: GroupSettings, now: Timestamp, kept: Snapshot) -> ClassicGroup {
        let mut group = ClassicGroup::new(settings, kept.state_since);
        group.generation = kept.generation;
        group.protocol_type = kept.protocol_type;
        group.protocol = kept.protocol;
        group.leader = kept.leader;
        for m in kept.members {
            if let Some(instance) = &m.instance_id {
                group.statics.insert(instance.clone(), m.id.clone());
            }
            let session_timeout = Duration::from_millis(m.session_timeout_ms);
            let protocol = |(name, metadata): (String, Blob)| Protocol { name, metadata: metadata.0 };
            let member = Member {
                id: m.id.clone(),
                instance_id: m.instance_id,
                client_id: m.client_id,
                client_host: m.client_host,
                session_timeout,
                rebalance_timeout: Duration::from_millis(m.rebalance_timeout_ms),
                protocols: m.protocols.into_iter().map(protocol).collect(),
                assignment: m.assignment.0,
                joining: None,
                syncing: None,
                is_new: false,
                expires_at: now.plus(session_timeout),
            };
            group.members.insert(m.id, member);
        }
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
            if kept.rebalances {
                // nobody waits as yet, and so nobody is answered
                group.prepare_rebalance(now, &mut Vec::new());
            }
        }
        group
    }
}
