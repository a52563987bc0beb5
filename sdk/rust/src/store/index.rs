//! Keys to slots, for the keys of one call: an open table over an arena, since a batch brings a thousand keys and each is looked up at
//! least twice. In: key bytes. Out: slot numbers from 0, in the order in which keys came. Invariant: at most half of the table is used.
//! The hash is quick and not secret: keys that collide on purpose cost their own call time, which the deadline bounds.

use crate::column::{Column, append};
use crate::output::wire;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Keys side by side.
    arena: Vec<u8>,
    /// The key of each slot.
    keys: Vec<KeyAt>,
    /// Slot + 1, or 0; a power of two of them.
    table: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct KeyAt {
    hash: u32,
    start: u32,
    end: u32,
}

const TABLE_LEN_MIN: usize = 64;
/// A larger table is given back after its call: 1 MiB.
const TABLE_LEN_KEPT_MAX: usize = 1 << 18;

impl Index {
    /// The slot of a key, and whether it is a new one.
    pub(super) fn find_or_add(&mut self, key: &[u8]) -> (usize, bool) {
        if 2 * (self.keys.len() + 1) > self.table.len() {
            self.grow();
        }
        let hash = hash(key);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = (self.table[at] as usize).checked_sub(1) {
            let known = self.keys[slot];
            if known.hash == hash && same(&self.arena[known.start as usize..known.end as usize], key) {
                return (slot, false);
            }
            at = (at + 1) & mask;
        }
        let slot = self.keys.len();
        self.table[at] = wire(slot + 1);
        let start = wire(self.arena.len());
        append(&mut self.arena, key);
        self.keys.push(KeyAt { hash, start, end: wire(self.arena.len()) });
        (slot, true)
    }
    #[inline]
    pub(super) fn key(&self, slot: usize) -> &[u8] {
        let KeyAt { start, end, .. } = self.keys[slot];
        &self.arena[start as usize..end as usize]
    }
    /// Whether this is the key of a slot; false where there is no such slot.
    #[inline]
    pub(super) fn is(&self, slot: u32, key: &[u8]) -> bool {
        let known = self.keys.get(slot as usize);
        known.is_some_and(|known| same(&self.arena[known.start as usize..known.end as usize], key))
    }
    /// The keys of the slots from `first` on.
    pub(super) fn keys_from(&self, first: usize) -> Column {
        let start = self.keys[first].start;
        let mut ends = Vec::with_capacity(4 * (self.keys.len() - first));
        self.keys[first..].iter().for_each(|key| ends.extend_from_slice(&(key.end - start).to_le_bytes()));
        Column { data: self.arena[start as usize..].to_vec(), ends, nulls: Vec::new() }
    }
    #[cold]
    fn grow(&mut self) {
        let len = (2 * self.table.len()).max(TABLE_LEN_MIN);
        self.table.clear();
        self.table.resize(len, 0);
        for (slot, key) in self.keys.iter().enumerate() {
            let mut at = key.hash as usize & (len - 1);
            while self.table[at] != 0 {
                at = (at + 1) & (len - 1);
            }
            self.table[at] = wire(slot + 1);
        }
    }
    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.keys.clear();
        if self.table.len() > TABLE_LEN_KEPT_MAX { self.table = Vec::new() } else { self.table.fill(0) }
    }
}

/// Multiply and turn, eight bytes at a time; the last eight overlap those before them.
#[inline]
fn hash(key: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let state = match key.last_chunk::<8>() {
        Some(last) => {
            let words = key.as_chunks::<8>().0.iter();
            let state = words.fold(key.len() as u64, |state, word| mix(state, u64::from_le_bytes(*word)));
            mix(state, u64::from_le_bytes(*last))
        }
        None => mix(key.len() as u64, short_word(key)),
    };
    // a product's lower bits know nothing of a word's upper ones, and the table looks at the lower ones
    ((state ^ state >> 32).wrapping_mul(FACTOR) >> 32) as u32
}

/// Whether two keys are equal, eight bytes at a time: a component's `memcmp` goes by single bytes.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(last_a), Some(last_b)) => {
            let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
            let mut words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            word(last_a) == word(last_b) && words.all(|(a, b)| word(a) == word(b))
        }
        _ => short_word(a) == short_word(b),
    }
}

/// The bytes of a key of fewer than eight in one word: no other key of its length has the same.
#[inline]
fn short_word(key: &[u8]) -> u64 {
    match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn keys_that_differ_in_a_digit_spread_over_the_table() {
        for pattern in [
            |i: u32| format!("key-{i:08}"),
            |i| format!("{i}"),
            |i| format!("{i:032}"),
            |i| format!("{i:04}-{}", "x".repeat(40)),
        ] {
            let mut places = std::collections::HashSet::new();
            (0..1000).for_each(|i| {
                places.insert(hash(pattern(i).as_bytes()) & 0xfff);
            });
            // a random function of 1,000 keys hits about 887 of 4,096 places
            assert!(places.len() > 800, "{} places for {}", places.len(), pattern(7));
        }
    }
    #[test]
    fn short_keys_are_told_apart() {
        let mut index = Index::default();
        let mut keys = vec![Vec::new()];
        for len in 0..8usize {
            for (slot, key) in keys.iter().enumerate().filter(|(_, key)| key.len() == len) {
                assert_eq!(index.find_or_add(key), (slot, true), "{key:?}");
            }
            let longer = keys.iter().filter(|key| key.len() == len);
            let longer: Vec<Vec<u8>> =
                longer.flat_map(|key| [0, 1, 255].map(|byte| [key.as_slice(), &[byte]].concat())).collect();
            keys.extend(longer);
        }
        for (slot, key) in keys.iter().enumerate().filter(|(_, key)| key.len() < 8) {
            assert_eq!(index.find_or_add(key), (slot, false), "{key:?}");
            assert!(index.is(wire(slot), key) && !index.is(wire(slot + 1), key) && !index.is(u32::MAX, key));
        }
    }
    #[test]
    fn it_answers_as_a_map_does() {
        let mut index = Index::default();
        for round in 0u64..3 {
            let mut map = HashMap::new();
            let mut state = round;
            for _ in 0..5000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let number = state >> 33 & 0x7ff;
                let key = number.to_le_bytes().repeat(number as usize % 4);
                let expect = map.len();
                let slot = *map.entry(key.clone()).or_insert(expect);
                assert_eq!(index.find_or_add(&key), (slot, slot == expect && map.len() > expect));
                assert_eq!(index.key(slot), key);
            }
            let first = usize::try_from(round).unwrap();
            let column = index.keys_from(first);
            assert_eq!(column.len(), map.len() - first);
            assert!(column.iter().zip(first..).all(|(key, slot)| key == Some(index.key(slot))));
            index.clear();
        }
    }
}
