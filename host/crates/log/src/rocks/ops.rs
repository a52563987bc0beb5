//! Changes on their way into one write, as RocksDB's own bytes: puts, deletes and range deletes, encoded where they arise
//! (a unit's state on its caller's thread) and joined by copying.
//!
//! ```text
//! write batch | sequence u64 LE, RocksDB's | changes u32 LE | changes... |                   (rocksdb/db/write_batch.cc)
//! put          0x05 | family varint | key length varint | key | value length varint | value |
//! delete       0x04 | family varint | key length varint | key |
//! delete range 0x0e | family varint | start length varint | start | end length varint | end |
//! ```
//! Invariant: these bytes are what RocksDB's own write batch holds; [`FamilyIds::of`] compares both at every start, and
//! refuses to run on another layout. They also lie in the journal.

use super::store::{Family, Store};
use rocksdb::WriteBatch;

const HEAD_LEN: usize = 12;
const PUT: u8 = 0x05;
const DELETE: u8 = 0x04;
const DELETE_RANGE: u8 = 0x0e;

/// RocksDB's numbers of the families.
#[derive(Clone, Copy, Debug)]
pub(super) struct FamilyIds([u32; Family::ALL.len()]);

impl FamilyIds {
    /// Learns the numbers from RocksDB's own encoding and compares ours with it. None when they differ.
    pub(super) fn of(store: &Store) -> Option<FamilyIds> {
        let mut ids = FamilyIds([0; Family::ALL.len()]);
        for family in Family::ALL {
            let handle = store.family(family);
            let mut batch = WriteBatch::default();
            batch.put_cf(handle, b"", b"");
            ids.0[family as usize] = take_varint(&mut batch.data().get(HEAD_LEN + 1..)?)?;
        }
        for family in Family::ALL {
            let handle = store.family(family);
            let long = [7; 300];
            let mut theirs = WriteBatch::default();
            theirs.put_cf(handle, b"key", long);
            theirs.delete_cf(handle, long);
            theirs.delete_range_cf(handle, b"a", b"b");
            let mut ours = Ops::default();
            ours.put(ids, family, b"key", &long);
            ours.delete(ids, family, &long);
            ours.delete_range(ids, family, b"a", b"b");
            if ours.finished() != theirs.data() {
                return None;
            }
        }
        Some(ids)
    }
    fn id(self, family: Family) -> u32 {
        self.0[family as usize]
    }
}

/// Encoded changes, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ops {
    /// The head, then the changes; empty when there is none.
    bytes: Vec<u8>,
    count: u32,
}

impl Ops {
    /// Sets a value.
    #[inline]
    pub(super) fn put(&mut self, ids: FamilyIds, family: Family, key: &[u8], value: &[u8]) {
        self.begin(PUT, ids.id(family), key.len() + value.len());
        put_slice(&mut self.bytes, key);
        put_slice(&mut self.bytes, value);
    }
    /// Sets a value whose key is `prefix`, then `key`.
    #[inline]
    pub(super) fn put_under(
        &mut self,
        ids: FamilyIds,
        family: Family,
        prefix: &[u8],
        key: &[u8],
        value: &[u8],
    ) {
        self.begin(PUT, ids.id(family), prefix.len() + key.len() + value.len());
        put_varint(&mut self.bytes, prefix.len() + key.len());
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(key);
        put_slice(&mut self.bytes, value);
    }
    /// Deletes a key.
    #[inline]
    pub(super) fn delete(&mut self, ids: FamilyIds, family: Family, key: &[u8]) {
        self.delete_under(ids, family, &[], key);
    }
    /// Deletes the key that is `prefix`, then `key`.
    #[inline]
    pub(super) fn delete_under(&mut self, ids: FamilyIds, family: Family, prefix: &[u8], key: &[u8]) {
        self.begin(DELETE, ids.id(family), prefix.len() + key.len());
        put_varint(&mut self.bytes, prefix.len() + key.len());
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(key);
    }
    /// Deletes all keys of `[start, end)`.
    pub(super) fn delete_range(&mut self, ids: FamilyIds, family: Family, start: &[u8], end: &[u8]) {
        self.begin(DELETE_RANGE, ids.id(family), start.len() + end.len());
        put_slice(&mut self.bytes, start);
        put_slice(&mut self.bytes, end);
    }
    /// All changes of `other`, behind these.
    pub(super) fn join(&mut self, other: &Ops) {
        if other.count > 0 {
            self.head();
            self.bytes.extend_from_slice(&other.bytes[HEAD_LEN..]);
            self.count += other.count;
        }
    }
    /// Where it stands, to come back to.
    pub(super) fn mark(&self) -> Mark {
        Mark { len: self.bytes.len(), count: self.count }
    }
    /// Forgets what came behind `mark`.
    pub(super) fn rollback(&mut self, mark: Mark) {
        self.bytes.truncate(mark.len);
        self.count = mark.count;
    }
    /// Changes.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }
    /// Whether there is no change.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// Bytes of them.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
    /// Forgets all and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
    /// Room for `len` more bytes.
    pub(super) fn reserve(&mut self, len: usize) {
        self.bytes.reserve(len + HEAD_LEN);
    }
    /// The write batch.
    #[cfg(test)]
    pub(super) fn batch(&mut self) -> WriteBatch {
        WriteBatch::from_data(self.finished())
    }
    /// Overwrites the value of the last change, a put, with one that is as long.
    pub(super) fn set_last_value(&mut self, value: &[u8]) {
        let from = self.bytes.len().saturating_sub(value.len());
        self.bytes[from..].copy_from_slice(value);
    }
    /// The bytes of the write batch.
    pub(super) fn finished(&mut self) -> &[u8] {
        self.head();
        self.bytes[8..HEAD_LEN].copy_from_slice(&self.count.to_le_bytes());
        &self.bytes
    }
    #[inline]
    fn head(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEAD_LEN, 0);
        }
    }
    #[inline]
    fn begin(&mut self, tag: u8, family: u32, len: usize) {
        self.head();
        self.bytes.reserve(len + 24);
        self.bytes.push(tag);
        put_varint(&mut self.bytes, family as usize);
        self.count += 1;
    }
}

/// How many changes were written.
pub(super) fn count_of(changes: &[u8]) -> usize {
    let count = changes.get(8..HEAD_LEN).and_then(|count| count.first_chunk());
    count.map_or(0, |count| u32::from_le_bytes(*count) as usize)
}

/// Calls `each` with the puts to a family among changes that were written. None when they do not read back.
pub(super) fn each_put(
    changes: &[u8],
    ids: FamilyIds,
    family: Family,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Option<()> {
    let mut rest = changes.get(HEAD_LEN..).unwrap_or_default();
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        let id = take_varint(&mut rest)?;
        let key = take_slice(&mut rest)?;
        match *tag {
            PUT => {
                let value = take_slice(&mut rest)?;
                if id == ids.id(family) {
                    each(key, value);
                }
            }
            DELETE => {}
            DELETE_RANGE => drop(take_slice(&mut rest)?),
            _ => return None,
        }
    }
    Some(())
}

/// A place between two changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    len: usize,
    count: u32,
}

#[inline]
fn put_slice(to: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(to, bytes.len());
    to.extend_from_slice(bytes);
}
#[inline]
fn put_varint(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.push(value.to_le_bytes()[0]);
}
fn take_varint(from: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for (index, byte) in from.iter().enumerate().take(5) {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *from = &from[index + 1..];
            return Some(value);
        }
    }
    None
}
fn take_slice<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_varint(from)?).ok()?;
    let (slice, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rocks::Settings;

    #[test]
    fn our_bytes_are_rocksdbs_and_a_write_of_them_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Settings::default()).unwrap();
        let ids = FamilyIds::of(&store).unwrap();
        let (mut ops, mut more) = (Ops::default(), Ops::default());
        ops.put(ids, Family::State, b"gone", b"1");
        more.put_under(ids, Family::State, b"pre", b"fix", b"2");
        more.delete(ids, Family::State, b"gone");
        more.put(ids, Family::Meta, b"m", &[9; 1000]);
        more.put(ids, Family::Times, b"t1", b"");
        more.delete_range(ids, Family::Times, b"t0", b"t2");
        ops.join(&more);
        ops.join(&Ops::default());
        let mark = ops.mark();
        ops.put(ids, Family::State, b"prefix", b"3");
        ops.rollback(mark);
        ops.put(ids, Family::Times, b"t3", b"old");
        ops.set_last_value(b"new");
        assert_eq!(count_of(ops.finished()), ops.count());
        let mut puts = Vec::new();
        each_put(ops.finished(), ids, Family::Times, |key, value| puts.push((key.to_vec(), value.to_vec())))
            .unwrap();
        assert_eq!(puts, [(b"t1".to_vec(), vec![]), (b"t3".to_vec(), b"new".to_vec())]);
        store.db().write(ops.batch()).unwrap();
        let get = |family, key: &[u8]| store.get(family, key).unwrap().map(|value| value.to_vec());
        assert_eq!(get(Family::State, b"prefix"), Some(b"2".to_vec()));
        assert_eq!(get(Family::State, b"gone"), None);
        assert_eq!(get(Family::Meta, b"m"), Some(vec![9; 1000]));
        assert_eq!(get(Family::Times, b"t1"), None);
    }
    #[test]
    fn varints_read_back() {
        for value in [0, 127, 128, 300, 1 << 21, u32::MAX as usize] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(take_varint(&mut &bytes[..]).map(|v| v as usize), Some(value));
        }
        assert_eq!(take_varint(&mut &[0x80][..]), None);
    }
}
