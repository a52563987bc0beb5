//! The offsets of a request that commits some: the good ones become the coordinator's, and each gets its code, in the order asked.

use super::{partition, text};
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::{NewOffset, OffsetRefusal};
use potok_types::{LeaderEpoch, Offset};

/// Offsets as they were asked for.
#[derive(Debug, Default)]
pub(in crate::api) struct Asked {
    /// Of each: its place among the good ones, or what is wrong with it.
    places: Vec<Result<usize, Code>>,
}

/// One offset by its wire names.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct WireOffset<'a> {
    pub(in crate::api) topic: &'a str,
    pub(in crate::api) partition: i32,
    pub(in crate::api) offset: i64,
    /// Below 0 for none.
    pub(in crate::api) leader_epoch: i32,
    pub(in crate::api) metadata: Option<&'a StrBytes>,
}

impl Asked {
    /// Takes the offsets in the order asked; answers the good ones.
    pub(in crate::api) fn read<'a>(
        call: &Call,
        offsets: impl Iterator<Item = WireOffset<'a>>,
    ) -> (Asked, Vec<NewOffset>) {
        let (mut asked, mut good) = (Asked::default(), Vec::new());
        for offset in offsets {
            asked.places.push(new_offset(call, &offset).map(|offset| {
                good.push(offset);
                good.len() - 1
            }));
        }
        (asked, good)
    }
    /// One code for each, in the order asked; `committed` is what became of the good ones.
    pub(in crate::api) fn codes(
        self,
        committed: Result<Vec<Result<(), OffsetRefusal>>, Code>,
    ) -> impl Iterator<Item = i16> {
        self.places.into_iter().map(move |place| match (&committed, place) {
            (Err(refused), _) => refused.code(),
            (Ok(_), Err(wrong)) => wrong.code(),
            (Ok(results), Ok(index)) => match results.get(index) {
                Some(Err(refusal)) => error::of_offset(refusal).code(),
                Some(Ok(())) | None => 0,
            },
        })
    }
}

fn new_offset(call: &Call, asked: &WireOffset<'_>) -> Result<NewOffset, Code> {
    Ok(NewOffset {
        at: partition(&call.broker, asked.topic, asked.partition).ok_or(Code::UnknownTopicOrPartition)?,
        offset: Offset::from_wire(asked.offset).ok_or(Code::InvalidRequest)?,
        leader_epoch: (asked.leader_epoch >= 0).then_some(LeaderEpoch(asked.leader_epoch)),
        metadata: text(asked.metadata).unwrap_or_default(),
    })
}
