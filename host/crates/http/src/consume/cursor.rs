//! Where a read stands in every partition of a topic, and how that is written: `0:17,1:4`.

use crate::api::{ReadFrom, ReadQuery};
use crate::app::{App, partition};
use crate::error::Refusal;
use potok_log::{ReadError, Topic};
use potok_types::{Ends, Offset, Timestamp, TopicPartition};
use std::fmt::{self, Write};

/// The next offset to read in each partition that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Positions(pub(super) Vec<(TopicPartition, Offset)>);

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (at, offset)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            write!(f, "{}:{offset}", at.partition)?;
        }
        Ok(())
    }
}

impl Positions {
    /// Where `query` begins. Waits for the disk when it asks for a moment in time.
    pub(super) fn resolve(app: &App, topic: &Topic, query: &ReadQuery) -> Result<Positions, Refusal> {
        let targets: Vec<TopicPartition> = match query.partition {
            Some(index) => vec![partition(topic, index)?],
            None => topic.all_partitions().collect(),
        };
        if query.offset.is_some() && targets.len() > 1 {
            return Err(Refusal::Query(format!(
                "`offset` needs `partition`: topic {} has {} of them",
                topic.name, topic.partitions
            )));
        }
        let cursor = query.cursor.as_deref().map(|text| parse(text, topic)).transpose()?;
        let mut positions = Vec::with_capacity(targets.len());
        for at in targets {
            let ends = app.log.ends(at).map_err(|_| Refusal::UnknownTopic(topic.name.clone()))?;
            let offset = match (&cursor, query.offset, query.timestamp) {
                (Some(cursor), ..) => from_cursor(cursor, at, ends)?,
                (None, Some(raw), _) => in_range(raw, ends)?,
                (None, None, Some(time)) => {
                    app.log.offset_at(at, Timestamp(time))?.map_or(ends.last_stable, |(offset, _)| offset)
                }
                (None, None, None) => match query.from.unwrap_or_default() {
                    ReadFrom::Earliest => ends.log_start,
                    ReadFrom::Latest => ends.last_stable,
                },
            };
            positions.push((at, offset));
        }
        Ok(Positions(positions))
    }
}

fn in_range(raw: u64, ends: Ends) -> Result<Offset, Refusal> {
    match Offset::new(raw) {
        Some(offset) if (ends.log_start..=ends.high_watermark).contains(&offset) => Ok(offset),
        other => Err(ReadError::OutOfRange {
            asked: other.unwrap_or(Offset::MAX),
            log_start: ends.log_start,
            high_watermark: ends.high_watermark,
        }
        .into()),
    }
}

/// Records that retention took meanwhile are passed over; a partition that the cursor does not name begins at its start.
fn from_cursor(cursor: &[(u32, u64)], at: TopicPartition, ends: Ends) -> Result<Offset, Refusal> {
    let named = cursor.iter().find(|(partition, _)| *partition == at.partition.0);
    let Some((partition, asked)) = named.copied() else { return Ok(ends.log_start) };
    match Offset::new(asked) {
        Some(offset) if offset <= ends.high_watermark => Ok(offset.max(ends.log_start)),
        _ => Err(Refusal::Cursor { partition, asked, end: ends.high_watermark.get() }),
    }
}

/// `partition:offset` pairs, each partition once.
fn parse(text: &str, topic: &Topic) -> Result<Vec<(u32, u64)>, Refusal> {
    let wrong = || {
        let text: String = text.chars().take(100).collect();
        Refusal::Query(format!("cursor {text:?} is not made of `partition:offset` pairs with commas between"))
    };
    let mut pairs: Vec<(u32, u64)> = Vec::new();
    for pair in text.split(',') {
        let (index, offset) = pair.split_once(':').ok_or_else(wrong)?;
        let (index, offset) = (index.parse().map_err(|_| wrong())?, offset.parse().map_err(|_| wrong())?);
        partition(topic, index)?;
        if pairs.len() >= topic.partitions as usize {
            return Err(wrong());
        }
        pairs.push((index, offset));
    }
    Ok(pairs)
}
