//! Batches to be sent on as they are: where they lie in the journal, when the system can send them from there. In come
//! offsets, out go stretches of bytes.
//! Invariant: a batch that is not looked at lies where this process wrote it and has been in the system's memory all along, as
//! far as can be told; every other one is read and checked, like those of `read.rs`.

use super::read::{DiskBatches, Found, cached, end_of, found_or, in_range};
use super::shared::Shared;
use crate::api::{Fetched, ReadRequest};
use crate::error::{ReadError, StoreError};
use crate::stretch::{FileStretch, Located, Stretch};
use potok_types::Offset;

/// Stretches shorter than this on average are read, many with one call: a call each costs more than copying them.
const STRETCH_LEN_MIN: usize = 8 << 10;

/// What a read finds, as bytes.
pub(super) fn locate(shared: &Shared, request: ReadRequest) -> Result<Located, ReadError> {
    let (partition, ends) = in_range(shared, &request)?;
    if let Some(batches) = cached(&partition, &request, ends) {
        return Ok(Located::of(Fetched { batches, ends }, request.offset));
    }
    let end = end_of(&request, ends);
    let mut disk = DiskBatches::from(shared, &partition, request.offset, end, true).up_to(request.bytes_max);
    let mut stretches = Vec::new();
    let outcome = disk.locate(true, &mut stretches);
    found_or(outcome, &partition, request.offset, stretches.is_empty())?;
    Ok(Located { stretches, next: disk.expected(), ends })
}

/// The same, where something of it is known without waiting for the disk.
pub(super) fn locate_now(shared: &Shared, request: ReadRequest) -> Option<Located> {
    let (partition, ends) = in_range(shared, &request).ok()?;
    if let Some(batches) = cached(&partition, &request, ends) {
        return Some(Located::of(Fetched { batches, ends }, request.offset));
    }
    let end = end_of(&request, ends);
    let mut disk = DiskBatches::from(shared, &partition, request.offset, end, false).up_to(request.bytes_max);
    let mut stretches = Vec::new();
    // what is wrong, or on the disk, the read says that waits
    let _ = disk.locate(false, &mut stretches);
    (!stretches.is_empty()).then(|| Located { stretches, next: disk.expected(), ends })
}

impl DiskBatches<'_> {
    /// All its batches. Those before an error are there; without waiting also those before what is not known.
    fn locate(&mut self, may_wait: bool, to: &mut Vec<Stretch>) -> Result<(), StoreError> {
        while let Some(found) = self.find()? {
            if found.is_empty() {
                return self.check_end();
            }
            match self.unread(&found) {
                Some((files, next)) => {
                    to.extend(files.into_iter().map(Stretch::File));
                    self.go_on_at(next);
                }
                None if !may_wait => return Ok(()),
                None => {
                    self.read(found);
                    while let Some(batch) = self.next_read()? {
                        to.push(Stretch::Memory(batch.bytes().clone()));
                    }
                }
            }
        }
        Ok(())
    }
    /// Where these lie, and the offset behind them, when they can be sent without being read.
    fn unread(&self, found: &[(Offset, Found)]) -> Option<(Vec<FileStretch>, Offset)> {
        let mut stretches: Vec<FileStretch> = Vec::new();
        let (mut next, mut len) = (self.expected(), 0);
        for (base, found) in found {
            let place = found.place()?;
            if !self.may_follow(next, *base) {
                return None;
            }
            next = place.next_offset(*base)?;
            let here = self.segment(place.from.segment).ok()?.stretch(place.from.at, place.len)?;
            len += place.len as usize;
            if !stretches.last_mut().is_some_and(|last| last.take_along(&here)) {
                stretches.push(here);
            }
        }
        let pays = len / stretches.len() >= STRETCH_LEN_MIN;
        (pays && stretches.iter().all(FileStretch::is_in_memory)).then_some((stretches, next))
    }
}
