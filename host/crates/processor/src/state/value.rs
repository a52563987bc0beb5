//! Values of keyed state as they lie on disk.
//!
//! ```text
//!   0 | value                                   without a time to live
//!   1 | written at, i64 BE, milliseconds | value    in a store with a time to live
//! ```
//! The first byte is the format: these two keep their meaning for ever, a new one takes a new number. Both may be found
//! in one store, as a module may give a store a time to live later.

use potok_types::Timestamp;

const PLAIN: u8 = 0;
const TIMED: u8 = 1;
const TIMED_PREFIX_LEN: usize = 1 + size_of::<i64>();
const _: () = assert!(TIMED_PREFIX_LEN == 9, "the value format is on disk");

/// Makes the stored form of `value` in `to`, which is emptied first.
pub(crate) fn encode(to: &mut Vec<u8>, written_at: Option<Timestamp>, value: &[u8]) {
    to.clear();
    match written_at {
        None => to.push(PLAIN),
        Some(at) => {
            to.push(TIMED);
            to.extend_from_slice(&at.0.to_be_bytes());
        }
    }
    to.extend_from_slice(value);
}

/// Splits a stored value into when it was written, if that was kept, and the user's bytes.
pub(crate) fn decode(stored: &[u8]) -> Result<(Option<Timestamp>, &[u8]), String> {
    match stored.split_first() {
        Some((&PLAIN, value)) => Ok((None, value)),
        Some((&TIMED, rest)) => match rest.split_first_chunk::<8>() {
            Some((at, value)) => Ok((Some(Timestamp(i64::from_be_bytes(*at))), value)),
            None => Err(format!(
                "a stored value of format 1 has {} bytes, it needs {TIMED_PREFIX_LEN}",
                stored.len()
            )),
        },
        Some((format, _)) => Err(format!("a stored value has format {format}, this version knows 0 and 1")),
        None => Err("a stored value is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_come_back() {
        let mut stored = Vec::new();
        for (at, value) in
            [(None, &b"v"[..]), (Some(Timestamp(-5)), b""), (Some(Timestamp(7)), b"long value")]
        {
            encode(&mut stored, at, value);
            assert_eq!(decode(&stored), Ok((at, value)));
        }
    }
    #[test]
    fn what_is_no_value_is_named() {
        for bad in [&b""[..], &[2, 0], &[1, 0, 0]] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
