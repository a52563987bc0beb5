//! From one protocol to the other while members are there (KIP-848, "Online migration"; Kafka's
//! `group.consumer.migration.policy=bidirectional`): a classic group of consumers is taken over by the first member of KIP-848 that joins,
//! and goes back when the last of them has gone.

use super::{Group, Kind};
use crate::classic::{ClassicGroup, Effect, GroupError, JoinRequest};
use crate::consumer::{ConsumerError, ConsumerGroup, Topics};
use potok_types::Timestamp;

impl Group {
    /// The group as one of KIP-848. With `joins` it may be made, or a classic one be taken over; whoever waits there is told to join
    /// again, by `effects`.
    pub(super) fn consumer(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        joins: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<&mut ConsumerGroup, ConsumerError> {
        let memberless = self.is_memberless();
        let taken_over = match &mut self.kind {
            Some(Kind::Consumer(_)) => None,
            Some(Kind::Classic(_)) if !joins && !memberless => return Err(ConsumerError::ClassicGroup),
            _ if !joins => return Err(ConsumerError::UnknownMember),
            Some(Kind::Classic(classic)) if !memberless => {
                let group = ConsumerGroup::from_classic(self.rules.consumer, now, topics, classic);
                let group = group.ok_or(ConsumerError::ClassicGroup)?;
                effects.extend(classic.send_away());
                Some(group)
            }
            Some(Kind::Classic(_)) | None => Some(ConsumerGroup::new(self.rules.consumer, now)),
        };
        if let Some(group) = taken_over {
            self.kind = Some(Kind::Consumer(group));
        }
        match &mut self.kind {
            Some(Kind::Consumer(group)) => Ok(group),
            Some(Kind::Classic(_)) | None => Err(ConsumerError::UnknownMember),
        }
    }

    /// Makes the group a classic one when nobody speaks KIP-848 any more. One that is too large for that stays what it is.
    pub(super) fn go_back(&mut self, now: Timestamp, topics: &dyn Topics) {
        if let Some(Kind::Consumer(group)) = &self.kind
            && group.is_all_classic()
            && group.members().len() <= self.rules.classic.members_max
        {
            let classic = ClassicGroup::from_consumer(self.rules.classic, now, topics, group);
            self.kind = Some(Kind::Classic(classic));
        }
    }

    /// The last static member of KIP-848 comes back as a classic one: the group goes back first, without it. Says whether it did.
    pub(super) fn goes_back_with(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: &JoinRequest,
    ) -> Result<bool, GroupError> {
        let Some(Kind::Consumer(group)) = &mut self.kind else { return Ok(false) };
        group.check_classic(request)?;
        if !group.makes_way(request) {
            return Ok(false);
        }
        self.go_back(now, topics);
        Ok(true)
    }
}
