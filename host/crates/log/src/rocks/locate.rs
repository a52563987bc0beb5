//! Batches to be sent on as they are: where they lie in the journal, when the system can send them from there. In come
//! offsets, out go pieces of bytes.
//! Invariant: a batch that is not looked at lies where this process wrote it, and where that is comes from a block whose checksum
//! agreed; every other one is read and checked, like those of `read.rs`.

use super::read::{DiskBatches, Found, cached, end_of, found_or, in_range};
use super::shared::Shared;
use crate::api::{Fetched, ReadRequest};
use crate::error::{ReadError, StoreError};
use crate::piece::{Located, Piece};
use potok_types::{Offset, RecordBatch};

/// Pieces shorter than this on average are read, many with one call: a call each costs more than copying them.
const PIECE_LEN_MIN: usize = 8 << 10;
/// Batches beside their keys that are handed out at a time: they are copied and checked, which takes a thread's time.
const BESIDE_MAX: usize = 256;

/// What a read finds, as bytes.
pub(super) fn locate(shared: &Shared, request: ReadRequest) -> Result<Located, ReadError> {
    let (partition, ends) = in_range(shared, &request)?;
    if let Some(batches) = cached(&partition, &request, ends) {
        return Ok(Located::of(Fetched { batches, ends }, request.offset));
    }
    let (asked, end) = (request.offset, end_of(&request, ends));
    let mut disk = DiskBatches::from(shared, &partition, asked, end).up_to(request.bytes_max);
    let mut pieces = Vec::new();
    let outcome = disk.locate(true, &mut pieces).map(|_| ());
    found_or(outcome, &partition, asked, pieces.is_empty())?;
    Ok(Located { pieces, next: disk.expected(), ends, more: false })
}

/// The same, where something of it is known without waiting for the disk.
pub(super) fn locate_now(shared: &Shared, request: ReadRequest) -> Option<Located> {
    let (partition, ends) = in_range(shared, &request).ok()?;
    if let Some(batches) = cached(&partition, &request, ends) {
        return Some(Located::of(Fetched { batches, ends }, request.offset));
    }
    let (asked, end) = (request.offset, end_of(&request, ends));
    let mut disk = DiskBatches::in_memory(shared, &partition, asked, end).up_to(request.bytes_max);
    let mut pieces = Vec::new();
    // what is wrong, or on the disk, the read says that waits
    let more = !disk.locate(false, &mut pieces).unwrap_or(false);
    (!pieces.is_empty()).then(|| Located { pieces, next: disk.expected(), ends, more })
}

/// Batches that need not be read.
#[derive(Debug)]
struct Unread {
    piece: Piece,
    /// How many, and what follows them.
    count: usize,
    next: Offset,
}

impl DiskBatches<'_> {
    /// All its batches. Those before an error are there; without waiting also those before what would have to be read. Whether
    /// these are all.
    fn locate(&mut self, may_wait: bool, to: &mut Vec<Piece>) -> Result<bool, StoreError> {
        while let Some(mut found) = self.find()? {
            if found.is_empty() {
                return self.check_end().map(|()| true);
            }
            let unread = self.unread(&found);
            let count = unread.iter().map(|some| some.count).sum();
            unread.last().into_iter().for_each(|last| self.go_on_at(last.next));
            to.extend(unread.into_iter().map(|some| some.piece));
            if count < found.len() {
                if !may_wait {
                    return Ok(false);
                }
                self.read(found.split_off(count));
                while let Some(batch) = self.next_read()? {
                    to.push(Piece::Memory(batch.bytes().clone()));
                }
            }
        }
        Ok(true)
    }
    /// Those at the front that are here, or can be sent from where they lie.
    fn unread(&self, found: &[(Offset, Found)]) -> Vec<Unread> {
        let mut all: Vec<Unread> = Vec::new();
        let (mut expected, mut beside) = (self.expected(), 0);
        for (base, found) in found {
            beside += usize::from(found.place().is_none());
            if beside > BESIDE_MAX {
                break;
            }
            let Some((piece, next)) = self.piece(expected, *base, found) else { break };
            expected = next;
            if let (Some(Unread { piece: Piece::File(last), count, next: end }), Piece::File(file)) =
                (all.last_mut(), &piece)
                && last.take_along(file)
            {
                (*count, *end) = (*count + 1, next);
            } else {
                all.push(Unread { piece, count: 1, next });
            }
        }
        let stays = |some: &Unread| !matches!(&some.piece, Piece::File(file) if !file.can_be_sent());
        let staying = all.iter().take_while(|some| stays(some)).count();
        all.truncate(staying);
        let files = all.iter().filter(|some| matches!(some.piece, Piece::File(_)));
        let (count, len) = files.fold((0, 0), |(count, len), some| (count + 1, len + some.piece.len()));
        if len < count * PIECE_LEN_MIN {
            all.clear();
        }
        all
    }
    fn piece(&self, expected: Offset, base: Offset, found: &Found) -> Option<(Piece, Offset)> {
        if !self.may_follow(expected, base) || !self.is_checked() {
            return None;
        }
        match found {
            Found::Here(bytes) => {
                let batch = RecordBatch::from_stored(bytes.clone()).ok()?;
                let next = batch.header().next_offset();
                (batch.header().base_offset == base).then(|| (Piece::Memory(bytes.clone()), next))
            }
            Found::InJournal(place) => {
                let segment = self.segment(place.from.segment).ok()?;
                Some((Piece::File(segment.piece(place.from.at, place.len, base)?), place.next_offset(base)?))
            }
        }
    }
}
