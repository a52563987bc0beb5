//! Keys of a store as bytes whose order is the order of the keys.
//! In: text, bytes, integers and tuples of them. Out: bytes, and back. Invariant: a < b exactly when bytes(a) < bytes(b); text and bytes
//! alone or in the last place are written as they are, so that a record's key is the key of its entry.

/// Something that can be written as a key, possibly borrowed: `str`, `[u8]`, integers, tuples.
pub trait Key {
    /// Appends its bytes. What is not `last` must show by itself where it ends.
    fn write(&self, into: &mut Vec<u8>, last: bool);
    /// Its bytes where it is nothing but bytes: saves a copy.
    fn as_bytes(&self) -> Option<&[u8]> {
        None
    }
}

/// A key that can be read back, as a scan does.
pub trait OwnedKey: Key + Sized {
    /// Takes one from the front; `None` when the bytes are no such key.
    fn read(from: &mut &[u8], last: bool) -> Option<Self>;
}

/// A tuple, whose entries can be found by the first part.
pub trait Parts {
    /// The first part.
    type First;
}

/// Inside text that is not last, a zero byte is written as 0 255, and the end as 0 0.
const ESCAPE: u8 = 0;
const ESCAPED_ZERO: u8 = 255;
const END: u8 = 0;

impl Key for [u8] {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        if last {
            into.extend_from_slice(self);
            return;
        }
        for &byte in self {
            into.push(byte);
            if byte == ESCAPE {
                into.push(ESCAPED_ZERO);
            }
        }
        into.extend_from_slice(&[ESCAPE, END]);
    }
    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}
impl Key for Vec<u8> {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        self.as_slice().write(into, last);
    }
    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}
impl OwnedKey for Vec<u8> {
    fn read(from: &mut &[u8], last: bool) -> Option<Vec<u8>> {
        if last {
            return Some(std::mem::take(from).to_vec());
        }
        let mut bytes = Vec::new();
        loop {
            let (&byte, rest) = from.split_first()?;
            *from = rest;
            if byte == ESCAPE {
                let (&next, rest) = from.split_first()?;
                *from = rest;
                match next {
                    END => return Some(bytes),
                    ESCAPED_ZERO => {}
                    _ => return None,
                }
            }
            bytes.push(byte);
        }
    }
}
impl Key for str {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        Key::write(self.as_bytes(), into, last);
    }
    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self.as_bytes())
    }
}
impl Key for String {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        Key::write(self.as_bytes(), into, last);
    }
    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self.as_bytes())
    }
}
impl OwnedKey for String {
    fn read(from: &mut &[u8], last: bool) -> Option<String> {
        String::from_utf8(Vec::read(from, last)?).ok()
    }
}
impl<const N: usize> Key for [u8; N] {
    fn write(&self, into: &mut Vec<u8>, _last: bool) {
        into.extend_from_slice(self);
    }
    fn as_bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}
impl<const N: usize> OwnedKey for [u8; N] {
    fn read(from: &mut &[u8], _last: bool) -> Option<[u8; N]> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(*bytes)
    }
}

/// Big-endian; the sign bit of a signed number is turned round, so that negative numbers come first.
macro_rules! integer_key {
    ($($integer:ty, $flip:expr);*) => {$(
        impl Key for $integer {
            fn write(&self, into: &mut Vec<u8>, _last: bool) {
                into.extend_from_slice(&(*self ^ $flip).to_be_bytes());
            }
        }
        impl OwnedKey for $integer {
            fn read(from: &mut &[u8], _last: bool) -> Option<$integer> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(<$integer>::from_be_bytes(*bytes) ^ $flip)
            }
        }
    )*};
}
integer_key!(u8, 0; u16, 0; u32, 0; u64, 0; i32, i32::MIN; i64, i64::MIN);

impl Key for crate::Timestamp {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        self.0.write(into, last);
    }
}
impl OwnedKey for crate::Timestamp {
    fn read(from: &mut &[u8], last: bool) -> Option<crate::Timestamp> {
        i64::read(from, last).map(crate::Timestamp)
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        self.0.write(into, false);
        self.1.write(into, last);
    }
}
impl<A: OwnedKey, B: OwnedKey> OwnedKey for (A, B) {
    fn read(from: &mut &[u8], last: bool) -> Option<(A, B)> {
        Some((A::read(from, false)?, B::read(from, last)?))
    }
}
impl<A, B> Parts for (A, B) {
    type First = A;
}
impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, into: &mut Vec<u8>, last: bool) {
        self.0.write(into, false);
        self.1.write(into, false);
        self.2.write(into, last);
    }
}
impl<A: OwnedKey, B: OwnedKey, C: OwnedKey> OwnedKey for (A, B, C) {
    fn read(from: &mut &[u8], last: bool) -> Option<(A, B, C)> {
        Some((A::read(from, false)?, B::read(from, false)?, C::read(from, last)?))
    }
}
impl<A, B, C> Parts for (A, B, C) {
    type First = A;
}

/// The bytes of a whole key.
pub(crate) fn bytes<Q: Key + ?Sized>(key: &Q) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes, true);
    bytes
}
/// The first byte string after a whole key.
pub(crate) fn successor<Q: Key + ?Sized>(key: &Q) -> Vec<u8> {
    let mut bytes = bytes(key);
    bytes.push(0);
    bytes
}
/// The first byte string after all that begin with this one; `None` when there is none.
pub(crate) fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
/// A whole key read back; `None` when the bytes are no such key.
pub(crate) fn parse<K: OwnedKey>(mut bytes: &[u8]) -> Option<K> {
    let key = K::read(&mut bytes, true)?;
    bytes.is_empty().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn in_order<K: OwnedKey + PartialEq + std::fmt::Debug>(keys: Vec<K>) {
        let written: Vec<Vec<u8>> = keys.iter().map(bytes).collect();
        assert!(written.is_sorted_by(|a, b| a < b), "{written:?}");
        for (key, bytes) in keys.into_iter().zip(&written) {
            assert_eq!(parse::<K>(bytes), Some(key));
        }
    }
    #[test]
    fn the_order_of_bytes_is_the_order_of_keys() {
        in_order(vec![i64::MIN, -1, 0, 1, 255, 256, i64::MAX]);
        in_order(vec![0u32, 1, 255, 256, u32::MAX]);
        in_order(["", "a", "a\0", "a\0\0", "aa", "b"].map(String::from).to_vec());
        let text = |a: &str, b: i64| (a.to_owned(), b);
        in_order(vec![
            text("", 5),
            text("JFK", -1),
            text("JFK", 7),
            text("JFK\0", 0),
            text("JFKA", -9),
            text("LGA", 0),
        ]);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned(), 3u8);
        in_order(vec![pair("a", "b"), pair("a", "b\0"), pair("a\0", ""), pair("ab", "")]);
    }
    #[test]
    fn text_alone_is_its_own_bytes() {
        assert_eq!(bytes("UA"), b"UA");
        assert_eq!(bytes(b"UA".as_slice()), b"UA");
    }
    #[test]
    fn other_bytes_are_no_key() {
        assert_eq!(parse::<u32>(b"abc"), None);
        assert_eq!(parse::<u32>(b"abcde"), None);
        assert_eq!(parse::<(String, u8)>(b"a\0"), None);
        assert_eq!(parse::<(String, u8)>(b"a\0\x07x"), None);
        assert_eq!(parse::<String>(b"\xff"), None);
    }
    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(end_of_prefix(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(end_of_prefix(b"\xff\xff"), None);
        assert_eq!(end_of_prefix(b""), None);
    }
}
