//! The bytes of the journal: what a segment begins with, and an entry, which is one write of the log.
//!
//! ```text
//! segment | "potok journal 1\n" | number u32 | first sequence u64 | boot 16 bytes | salt u32 | CRC-32C u32 of all before | entries... |
//! entry   | head | batches... | changes... |
//! head    | "PTKJ" | CRC-32C u32 of the salt and the rest of the head | sequence u64 | synced segment u32 | synced to u64 |
//!         | batches' length u32 | changes' length u32 | CRC-32C u32 of the changes |                    all numbers BE
//! ```
//! The batches lie as they travel: each brings a checksum of its own. The changes are a RocksDB write batch (`ops.rs`), in
//! which the batches are named by their places. "Synced" is a place up to which everything was on disk for sure when the
//! entry was written: a hole before it is damage, behind it the end that a power failure left. The salt is drawn for each
//! segment, so that no record can be made to look like an entry.
//! Invariant: sequences rise by one from entry to entry, across segments.

use super::super::keys::{u32_at, u64_at};

const MAGIC: &[u8; 16] = b"potok journal 1\n";
const ENTRY_MAGIC: &[u8; 4] = b"PTKJ";
/// Bytes before a segment's first entry.
pub(super) const HEADER_LEN: usize = 16 + 4 + 8 + Boot::LEN + 4 + 4;
const CHECKED_FROM: usize = 8;
/// Bytes of an entry before its batches.
pub(in crate::rocks) const HEAD_LEN: usize = CHECKED_FROM + 8 + 4 + 8 + 4 + 4 + 4;
const _: () = assert!(HEADER_LEN == 52 && HEAD_LEN == 40, "this layout is on disk");

/// A place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rocks) struct Position {
    /// The segment's number.
    pub(in crate::rocks) segment: u32,
    /// Bytes from its beginning.
    pub(in crate::rocks) at: u64,
}

/// Which start of the machine wrote a segment: what was written since the machine's last start is there, synced or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boot([u8; 16]);

impl Boot {
    const LEN: usize = 16;
    /// Not this one.
    #[cfg(test)]
    pub(super) fn other() -> Boot {
        Boot([1; Boot::LEN])
    }
    /// The machine's present one; none where the system does not tell.
    pub(super) fn now() -> Option<Boot> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let digits = text.trim().replace('-', "");
        u128::from_str_radix(&digits, 16).ok().map(|id| Boot(id.to_be_bytes()))
    }
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u32,
    pub(super) first_sequence: u64,
    /// None where the system did not tell.
    pub(super) boot: Option<Boot>,
    pub(super) salt: u32,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut to = [0; HEADER_LEN];
        to[..16].copy_from_slice(MAGIC);
        to[16..20].copy_from_slice(&self.number.to_be_bytes());
        to[20..28].copy_from_slice(&self.first_sequence.to_be_bytes());
        to[28..44].copy_from_slice(&self.boot.map_or([0; Boot::LEN], |boot| boot.0));
        to[44..48].copy_from_slice(&self.salt.to_be_bytes());
        let checksum = crc32c::crc32c(&to[..48]);
        to[48..].copy_from_slice(&checksum.to_be_bytes());
        to
    }
    pub(super) fn decode(bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..HEADER_LEN)?;
        if !bytes.starts_with(MAGIC) || u32_at(bytes, 48)? != crc32c::crc32c(&bytes[..48]) {
            return None;
        }
        let boot: [u8; Boot::LEN] = bytes[28..44].try_into().ok()?;
        Some(Header {
            number: u32_at(bytes, 16)?,
            first_sequence: u64_at(bytes, 20)?,
            boot: (boot != [0; Boot::LEN]).then_some(Boot(boot)),
            salt: u32_at(bytes, 44)?,
        })
    }
}

/// What an entry says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) synced: Position,
    pub(super) batches_len: u32,
    pub(super) changes_len: u32,
    changes_checksum: u32,
}

impl Head {
    /// The head of an entry with these changes; none when they are too long for one.
    pub(super) fn new(sequence: u64, synced: Position, batches_len: usize, changes: &[u8]) -> Option<Head> {
        let batches_len = u32::try_from(batches_len).ok()?;
        let changes_len = u32::try_from(changes.len()).ok()?;
        Some(Head { sequence, synced, batches_len, changes_len, changes_checksum: crc32c::crc32c(changes) })
    }
    /// In a segment with this salt.
    pub(super) fn encode(&self, salt: u32) -> [u8; HEAD_LEN] {
        let mut to = [0; HEAD_LEN];
        to[..4].copy_from_slice(ENTRY_MAGIC);
        to[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        to[16..20].copy_from_slice(&self.synced.segment.to_be_bytes());
        to[20..28].copy_from_slice(&self.synced.at.to_be_bytes());
        to[28..32].copy_from_slice(&self.batches_len.to_be_bytes());
        to[32..36].copy_from_slice(&self.changes_len.to_be_bytes());
        to[36..].copy_from_slice(&self.changes_checksum.to_be_bytes());
        let checksum = checksum(salt, &to);
        to[4..8].copy_from_slice(&checksum.to_be_bytes());
        to
    }
    /// The head that `bytes` begin with, when it is one of a segment with this salt.
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Option<Head> {
        let bytes: &[u8; HEAD_LEN] = bytes.first_chunk()?;
        if !bytes.starts_with(ENTRY_MAGIC) || u32_at(bytes, 4)? != checksum(salt, bytes) {
            return None;
        }
        Some(Head {
            sequence: u64_at(bytes, 8)?,
            synced: Position { segment: u32_at(bytes, 16)?, at: u64_at(bytes, 20)? },
            batches_len: u32_at(bytes, 28)?,
            changes_len: u32_at(bytes, 32)?,
            changes_checksum: u32_at(bytes, 36)?,
        })
    }
    /// Whether these are its changes, as they were written.
    pub(super) fn fits(&self, changes: &[u8]) -> bool {
        crc32c::crc32c(changes) == self.changes_checksum
    }
    /// Bytes of the whole entry.
    pub(super) fn entry_len(&self) -> u64 {
        HEAD_LEN as u64 + u64::from(self.batches_len) + u64::from(self.changes_len)
    }
}

fn checksum(salt: u32, head: &[u8; HEAD_LEN]) -> u32 {
    crc32c::crc32c_append(salt, &head[CHECKED_FROM..])
}

/// Where the next head may begin in `bytes`, from `from` on.
pub(super) fn find_head(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(ENTRY_MAGIC.len()).position(|window| window == ENTRY_MAGIC)?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_reads_back_and_a_flipped_bit_is_seen() {
        for boot in [None, Some(Boot([7; 16]))] {
            let header = Header { number: 9, first_sequence: 1 << 40, boot, salt: 5 };
            let bytes = header.encode();
            assert_eq!(Header::decode(&bytes), Some(header));
            for at in 0..bytes.len() {
                let mut other = bytes;
                other[at] ^= 1;
                assert_eq!(Header::decode(&other), None, "byte {at}");
            }
        }
    }
    #[test]
    fn a_head_reads_back_and_a_flipped_bit_is_seen() {
        let synced = Position { segment: 3, at: 77 };
        let head = Head::new(5, synced, 1000, b"changes").unwrap();
        let bytes = head.encode(6);
        assert_eq!(Head::decode(&bytes, 6), Some(head));
        assert_eq!(Head::decode(&bytes, 7), None, "it is of another segment");
        assert!(head.fits(b"changes") && !head.fits(b"chanfes"));
        for at in 0..bytes.len() {
            let mut other = bytes;
            other[at] ^= 1;
            assert_eq!(Head::decode(&other, 6), None, "byte {at}");
        }
        assert_eq!(head.entry_len(), 40 + 1000 + 7);
        assert_eq!(find_head(&[&[0; 3][..], &bytes].concat(), 1), Some(3));
        assert_eq!(find_head(&bytes, 1), None);
    }
    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (Header::decode(&bytes), Head::decode(&bytes, 0), find_head(&bytes, 2));
        }
    }
}
