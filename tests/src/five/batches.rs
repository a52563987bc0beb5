//! Batches for the guests: strange ones from a seed, and plain ones to measure with.
//! The same seed gives the same batches, so that a failing run can be run again.

use potok_types::{Offset, RecordColumns, Timestamp};

/// Keys that have hurt somebody: empty, not UTF-8, with a zero inside, longer than a hash takes at once, in another script.
const KEYS: [&[u8]; 12] = [
    b"",
    b"a",
    b"carrier-9E",
    &[0xff, 0xfe, 0x00, 0x80],
    &[0xff, 0xfe, 0x00, 0x81],
    b"\0",
    b"\0\0",
    "клавиша".as_bytes(),
    "🛫".as_bytes(),
    &[b'k'; 1_000],
    b"__proto__",
    b"true",
];

/// 2013-01-01 UTC, in milliseconds.
const START_MS: i64 = 1_356_998_400_000;

/// Strange batches without end.
#[derive(Debug)]
pub struct Batches {
    state: u64,
    next: Offset,
}

impl Batches {
    /// Batches that follow from `seed`, which is not 0.
    pub fn from_seed(seed: u64) -> Batches {
        Batches { state: seed, next: Offset::FIRST }
    }
    /// A number below `bound` (xorshift64).
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % bound
    }
    /// The next batch, of 1 to `records_max` records; one record in eight has no key, one no value, some have headers.
    pub fn next_of(&mut self, records_max: u64) -> RecordColumns {
        let mut batch = RecordColumns::default();
        let some_have_headers = self.below(4) == 0;
        for _ in 0..=self.below(records_max) {
            let key = (self.below(8) > 0)
                .then(|| KEYS[usize::try_from(self.below(KEYS.len() as u64)).unwrap_or(0)]);
            let value = (self.below(8) > 0).then(|| self.value());
            let timestamp = Timestamp(START_MS + i64::try_from(self.below(86_400_000)).unwrap_or(0));
            let header: [(&[u8], Option<&[u8]>); 1] = [(b"trace", Some(b"1"))];
            let headers = if some_have_headers && self.below(2) == 0 { &header[..] } else { &[] };
            batch.push(self.next, timestamp, key, value.as_deref(), headers.iter().copied());
            self.next = self.next.after(1);
        }
        batch
    }
    fn value(&mut self) -> Vec<u8> {
        let len = self.below(40);
        (0..len).map(|_| self.below(256).to_le_bytes()[0]).collect()
    }
}

/// `records` plain records, as processors see them all day: keys of 12 bytes out of 100, values of 100 bytes and of 101 in turn.
pub fn plain_batch(records: u64) -> RecordColumns {
    let mut batch = RecordColumns::default();
    for i in 0..records {
        let offset = Offset::FIRST.after(u32::try_from(i).unwrap_or(0));
        let key = format!("key-{:08}", i * 7 % 100);
        let value = vec![b'a' + i.to_le_bytes()[0] % 26; if i % 2 == 0 { 100 } else { 101 }];
        let timestamp = Timestamp(START_MS + i.cast_signed());
        batch.push(offset, timestamp, Some(key.as_bytes()), Some(&value), std::iter::empty());
    }
    batch
}
