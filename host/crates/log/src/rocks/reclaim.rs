//! Gives the disk back what removed records took. In comes nothing, out go smaller files.
//! Removing a batch only takes its place away. A segment of the journal of which nothing is needed goes at once; of those
//! that are needed in part, the emptiest are emptied: what is left in them is written anew at the journal's end.
//! Invariant: a segment goes only when RocksDB's files no longer name it and need nothing of it to be complete; and nothing
//! is written anew while what that would give back is below the settings' limits.

use super::disk;
use super::group::io_failure;
use super::journal::{JournalError, Segment, each_entry};
use super::keys::records::{self, Place, Stored};
use super::keys::{meta, successor};
use super::live;
use super::maintenance::Maintenance;
use super::ops::each_put;
use super::shared::Shared;
use super::store::{Family, failure};
use super::writer::{Admin, Writer};
use crate::error::StoreError;
use potok_types::{RecordBatch, TopicNumber, TopicPartition};
use std::sync::Arc;

/// Bytes of batches that move in one command: few enough that appends hardly wait behind them.
const MOVE_LEN: usize = 1 << 20;

/// Bytes of a place with its key, in a file.
const PLACE_LEN: u64 = 64;
/// Merging the files of places holds the writer: not for less.
const BESIDE_LEN_MIN: u64 = 1 << 20;

/// A batch that lies in a segment which is to be emptied.
pub(super) struct Moved {
    at: TopicPartition,
    from: Place,
    batch: RecordBatch,
}

/// Takes away what nobody needs; empties segments when there is enough to give back, and on a disk that is nearly full
/// whenever there is anything. Blocks while it does.
pub(super) async fn reclaim(shared: &Shared, maintenance: &mut Maintenance) -> Result<(), StoreError> {
    remove_deleted_topics(shared).await?;
    let tight = disk::is_tight(&shared.settings);
    let before = journal_len(shared);
    let mut gone = take_away(shared).await?;
    if empty_segments(shared, maintenance, tight).await? {
        gone = take_away(shared).await?;
        let after = journal_len(shared);
        tracing::info!(before, after, tight, "the journal was rewritten in part to give disk back");
    }
    if gone && removed_beside(shared)? > limit(shared, places_len(shared)?, tight).max(BESIDE_LEN_MIN) {
        shared.administer::<(), StoreError>(Admin::Compact).await?;
    }
    Ok(())
}

/// Batches of topics that were deleted.
async fn remove_deleted_topics(shared: &Shared) -> Result<(), StoreError> {
    let mut going: Vec<TopicNumber> = Vec::new();
    shared.store.scan(Family::Meta, (&meta::ALL_GOING, &successor(&meta::ALL_GOING)), |key, _| {
        going.extend(meta::parse_going(key));
        Ok(true)
    })?;
    for number in going {
        while shared.administer::<bool, StoreError>(|to| Admin::RemoveSome(number, to)).await? {}
    }
    Ok(())
}

/// Empties the segments of which the least is needed, until what else could be given back is not worth it. Whether it was.
async fn empty_segments(
    shared: &Shared,
    maintenance: &mut Maintenance,
    tight: bool,
) -> Result<bool, StoreError> {
    let needed = live::load(&shared.store)?;
    let of = |segment: &Segment| needed.get(&segment.number()).copied().unwrap_or(0);
    let segments = shared.journal.segments();
    let mut sparse: Vec<_> = segments.values().filter(|segment| is_sparse(of(segment), segment)).collect();
    sparse.sort_by_key(|segment| of(segment).saturating_mul(1000) / segment.len().max(1));
    let limit = limit(shared, journal_len(shared), tight);
    let mut removed: u64 = segments.values().map(|segment| segment.len().saturating_sub(of(segment))).sum();
    if removed <= limit || sparse.is_empty() {
        return Ok(false);
    }
    let end = shared.journal.end();
    if sparse.iter().any(|segment| segment.number() == end.segment) {
        shared.administer::<(), StoreError>(Admin::Seal).await?;
    }
    for segment in sparse {
        let (needed, number) = (of(segment), segment.number());
        // what is written anew must fit beside what is there, and appends go on meanwhile
        let room = needed.saturating_add(shared.settings.disk_free_bytes_min);
        if removed <= limit || (needed > 0 && !disk::has_room_for(&shared.settings, room)) {
            break;
        }
        removed = removed.saturating_sub(segment.len().saturating_sub(needed));
        if needed > 0 && !maintenance.is_stuck(number) && !empty(shared, segment).await? {
            maintenance.stick(number);
        }
    }
    Ok(true)
}
/// Whether writing the rest of a segment anew gives back enough: an eighth of it is what heads and changes may take.
fn is_sparse(needed: u64, segment: &Segment) -> bool {
    segment.len().saturating_sub(needed) > segment.len() / 8
}

/// Writes what is needed of a segment anew. Whether all of it could be: what is damaged stays where it is.
async fn empty(shared: &Shared, segment: &Arc<Segment>) -> Result<bool, StoreError> {
    let mut places = Vec::new();
    let mut readable = true;
    let walked = each_entry(segment, |changes| {
        let read = each_put(changes, shared.ids, Family::Records, |key, value| {
            if let Some(Stored::InJournal(place)) = Stored::decode(value)
                && place.from.segment == segment.number()
            {
                places.push((key.to_vec(), place));
            }
        });
        readable &= read.is_some();
        Ok(())
    });
    match walked {
        Ok(()) if readable => {}
        Ok(()) => return Ok(false),
        Err(JournalError::Apply(error)) => return Err(error),
        Err(error) => {
            tracing::warn!(%error, "a file of the journal cannot be emptied, and is kept");
            return Ok(false);
        }
    }
    let mut all = true;
    let (mut moved, mut len) = (Vec::new(), 0);
    for (key, place) in places {
        if !is_there(shared, &key, place)? {
            continue;
        }
        match read(segment, &key, place) {
            Some(one) => {
                len += one.batch.len();
                moved.push(one);
            }
            None => {
                tracing::warn!(
                    file = segment.number(),
                    byte = place.from.at,
                    "a batch is damaged; its file is kept"
                );
                all = false;
            }
        }
        if len >= MOVE_LEN {
            let some = std::mem::take(&mut moved);
            shared.administer::<(), StoreError>(|to| Admin::Move(some, to)).await?;
            len = 0;
        }
    }
    shared.administer::<(), StoreError>(|to| Admin::Move(moved, to)).await?;
    Ok(all)
}
fn is_there(shared: &Shared, key: &[u8], place: Place) -> Result<bool, StoreError> {
    let value = shared.store.get(Family::Records, key)?;
    Ok(value.is_some_and(|value| Stored::decode(&value) == Some(Stored::InJournal(place))))
}
fn read(segment: &Segment, key: &[u8], from: Place) -> Option<Moved> {
    let (at, base) = records::parse(key)?;
    let bytes = segment.read(from.from.at, usize::try_from(from.len).ok()?).ok()?;
    let batch = RecordBatch::from_stored(bytes).ok()?;
    (batch.header().base_offset == base).then_some(Moved { at, from, batch })
}

impl Writer {
    /// Writes batches anew that are still where they were.
    pub(super) fn move_batches(&mut self, moved: Vec<Moved>) -> Result<(), StoreError> {
        for Moved { at, from, batch } in moved {
            let key = records::key(at, batch.header().base_offset);
            if is_there(&self.shared, &key, from)? {
                self.live.remove(Stored::InJournal(from));
                self.replaced.push((at, batch));
            }
        }
        if self.replaced.is_empty() { Ok(()) } else { self.write() }
    }
}

impl Writer {
    /// Merges the files of places: what was removed leaves them. RocksDB writes its memory to files first, so nobody may write
    /// between the sync and the end of it.
    pub(super) fn compact(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.shared.store.compact(Family::Records);
        Ok(())
    }
}

/// Takes the segments away of which nothing is needed, once RocksDB's files say so too. Whether it could.
async fn take_away(shared: &Shared) -> Result<bool, StoreError> {
    let needed = live::load(&shared.store)?;
    let end = shared.journal.end();
    let segments = shared.journal.segments();
    let superfluous: Vec<u32> = segments
        .range(..end.segment)
        .map(|(number, _)| *number)
        .filter(|number| !needed.contains_key(number))
        .collect();
    if superfluous.is_empty() {
        return Ok(true);
    }
    if !shared.flush().await? {
        tracing::warn!("memory goes to files more slowly than it fills; disk is given back later");
        return Ok(false);
    }
    shared.journal.remove(&superfluous).map_err(io_failure)?;
    Ok(true)
}

/// Bytes that removed records may take, of so many.
fn limit(shared: &Shared, stored: u64, tight: bool) -> u64 {
    let percent = u64::from(shared.settings.reclaim_percent_min);
    match tight {
        true => 0,
        false => shared.settings.reclaim_bytes_min.max(stored.saturating_mul(percent) / 100),
    }
}
/// Bytes of the journal.
fn journal_len(shared: &Shared) -> u64 {
    shared.journal.segments().values().map(|segment| segment.len()).sum()
}
/// Bytes of the files of places, and of the batches that lie beside their keys.
fn places_len(shared: &Shared) -> Result<u64, StoreError> {
    number(shared, "rocksdb.total-sst-files-size")
}
/// Of these, what removed records take, about.
fn removed_beside(shared: &Shared) -> Result<u64, StoreError> {
    let there: u64 =
        shared.catalog.read().all_partitions().map(|partition| partition.tail.lock().bytes).sum();
    let in_journal: u64 = live::load(&shared.store)?.values().sum();
    let places = number(shared, "rocksdb.estimate-num-keys")?.saturating_mul(PLACE_LEN);
    Ok(places_len(shared)?.saturating_sub(there.saturating_sub(in_journal)).saturating_sub(places))
}
fn number(shared: &Shared, property: &str) -> Result<u64, StoreError> {
    let family = shared.store.family(Family::Records);
    let value = shared.store.db().property_int_value_cf(family, property);
    Ok(value.map_err(|error| failure(property, &error))?.unwrap_or(0))
}
