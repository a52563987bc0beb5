//! The forms in which a store keeps values.
//! In: a value. Out: its bytes, and back. Invariant: what was written can be read by the same form; other bytes give a reason, never a panic.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A form in which values of type `V` are kept.
pub trait Codec<V> {
    /// Appends the value's bytes.
    fn encode(value: &V, into: &mut Vec<u8>) -> Result<(), String>;
    /// Reads a value; the reason when it is none.
    fn decode(bytes: &[u8]) -> Result<V, String>;
}

/// JSON: readable in every tool, open to new fields.
#[derive(Clone, Copy, Debug)]
pub enum Json {}

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn encode(value: &V, into: &mut Vec<u8>) -> Result<(), String> {
        serde_json::to_writer(into, value).map_err(|e| e.to_string())
    }
    fn decode(bytes: &[u8]) -> Result<V, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
}

/// postcard: compact and quick; a field can only be added by raising the state's version.
#[cfg(feature = "postcard")]
#[derive(Clone, Copy, Debug)]
pub enum Postcard {}

#[cfg(feature = "postcard")]
impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    fn encode(value: &V, into: &mut Vec<u8>) -> Result<(), String> {
        *into = postcard::to_extend(value, std::mem::take(into)).map_err(|e| e.to_string())?;
        Ok(())
    }
    fn decode(bytes: &[u8]) -> Result<V, String> {
        postcard::from_bytes(bytes).map_err(|e| e.to_string())
    }
}

/// Bytes as they are; numbers as eight bytes, little-endian.
#[derive(Clone, Copy, Debug)]
pub enum Raw {}

impl Codec<Vec<u8>> for Raw {
    fn encode(value: &Vec<u8>, into: &mut Vec<u8>) -> Result<(), String> {
        into.extend_from_slice(value);
        Ok(())
    }
    fn decode(bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.to_vec())
    }
}

macro_rules! raw_number {
    ($($number:ty),*) => {$(
        impl Codec<$number> for Raw {
            fn encode(value: &$number, into: &mut Vec<u8>) -> Result<(), String> {
                into.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
            fn decode(bytes: &[u8]) -> Result<$number, String> {
                let bytes = bytes.try_into().map_err(|_| format!("{} bytes are no number of 8", bytes.len()))?;
                Ok(<$number>::from_le_bytes(bytes))
            }
        }
    )*};
}
raw_number!(u64, i64, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn there_and_back<V: PartialEq + std::fmt::Debug, C: Codec<V>>(value: V) {
        let mut bytes = b"before".to_vec();
        C::encode(&value, &mut bytes).unwrap();
        assert_eq!(C::decode(&bytes[6..]), Ok(value));
    }
    #[test]
    fn values_come_back_from_every_form() {
        there_and_back::<_, Json>(vec![Some("a".to_owned()), None]);
        there_and_back::<_, Raw>(b"\0\xff".to_vec());
        there_and_back::<_, Raw>(-7i64);
        #[cfg(feature = "postcard")]
        there_and_back::<_, Postcard>((1u32, "b".to_owned()));
    }
    #[test]
    fn other_bytes_give_a_reason() {
        assert!(<Json as Codec<u32>>::decode(b"{").is_err());
        assert_eq!(<Raw as Codec<u64>>::decode(b"abc"), Err("3 bytes are no number of 8".to_owned()));
    }
}
