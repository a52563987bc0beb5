//! Keys to slots, for the keys of one call: an open table over an arena, since a batch brings a thousand keys and each is looked up at
//! least twice. In: key bytes. Out: slot numbers from 0, in the order in which keys came. Invariant: at most half of the table is used.
//! The hash is quick and not secret: keys that collide on purpose cost their own call time, which the deadline bounds.

use crate::column::Column;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// The key of each slot.
    keys: Column,
    hashes: Vec<u32>,
    /// Slot + 1, or 0; a power of two of them.
    table: Vec<u32>,
}

const TABLE_LEN_MIN: usize = 64;
/// A larger table is given back after its call: 1 MiB.
const TABLE_LEN_KEPT_MAX: usize = 1 << 18;

impl Index {
    /// The slot of a key, and whether it is a new one.
    pub(super) fn find_or_add(&mut self, key: &[u8]) -> (usize, bool) {
        if 2 * (self.hashes.len() + 1) > self.table.len() {
            self.grow();
        }
        let hash = hash(key);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.table[at] {
                0 => break,
                taken => {
                    let slot = taken as usize - 1;
                    if self.hashes[slot] == hash && self.key(slot) == key {
                        return (slot, false);
                    }
                }
            }
            at = (at + 1) & mask;
        }
        let slot = self.hashes.len();
        self.table[at] = crate::output::wire(slot + 1);
        self.hashes.push(hash);
        self.keys.push(Some(key));
        (slot, true)
    }
    pub(super) fn key(&self, slot: usize) -> &[u8] {
        self.keys.get(slot).unwrap_or_default()
    }
    fn grow(&mut self) {
        let len = (2 * self.table.len()).max(TABLE_LEN_MIN);
        self.table.clear();
        self.table.resize(len, 0);
        for (slot, hash) in self.hashes.iter().enumerate() {
            let mut at = *hash as usize & (len - 1);
            while self.table[at] != 0 {
                at = (at + 1) & (len - 1);
            }
            self.table[at] = crate::output::wire(slot + 1);
        }
    }
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.hashes.clear();
        if self.table.len() > TABLE_LEN_KEPT_MAX { self.table = Vec::new() } else { self.table.fill(0) }
    }
}

/// Multiply and turn, eight bytes at a time.
#[expect(clippy::cast_possible_truncation, reason = "the upper half is folded in before")]
fn hash(key: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = key.as_chunks::<8>();
    let state = words.iter().fold(key.len() as u64, |state, word| mix(state, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let state = mix(state, u64::from_le_bytes(last));
    (state ^ state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

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
            index.clear();
        }
    }
}
