//! Variable-length integers of Kafka's records: base-128, zigzag for signed ones (protobuf's encoding).
//! Reading stops after the bytes that 32 or 64 bits can take: a varint without end is an error, not a loop.

/// Appends a zigzag varint.
#[inline]
pub(crate) fn put(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the low seven bits are what is written")]
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80 by the loop")]
    to.push(rest as u8);
}

/// Bytes that [`put`] appends.
#[inline]
pub(crate) fn size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let bits = 64 - (zigzag | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads a zigzag varint of at most ten bytes at `*at` and moves on; `None` when it is cut off or has no end.
/// One and two bytes (lengths below 8 KiB) are read in place, as nearly all are: a record has eight varints.
#[inline(always)]
pub(crate) fn take(from: &[u8], at: &mut usize) -> Option<i64> {
    let first = *from.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(unzigzag(first.into()));
    }
    let second = *from.get(*at + 1)?;
    if second < 0x80 {
        *at += 2;
        return Some(unzigzag(u64::from(first & 0x7f) | u64::from(second) << 7));
    }
    take_long(from, at)
}

#[inline(never)]
fn take_long(from: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0;
    for i in 0..10 {
        let byte = *from.get(*at + i)?;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *at += i + 1;
            return Some(unzigzag(value));
        }
    }
    None
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_and_measured() {
        for value in [0, -1, 1, 63, 64, -64, -65, 300, i64::from(i32::MAX), i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            let mut at = 0;
            assert_eq!(take(&bytes, &mut at), Some(value));
            assert_eq!((at, size(value)), (bytes.len(), bytes.len()), "{value}");
        }
    }
    #[test]
    fn a_varint_without_end_is_refused() {
        assert_eq!(take(&[0xff; 11], &mut 0), None);
        assert_eq!(take(&[0xff; 3], &mut 0), None);
    }
}
