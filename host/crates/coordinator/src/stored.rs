//! The bytes that are kept: a version and JSON. In come states, out go bytes, and back.
//! Fields are only ever added, with a default; anything else is a new version. Damage is said, never guessed around.

use bytes::Bytes;
use potok_groups::{GroupSnapshot, Transaction};
use potok_log::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    value: T,
}

pub(crate) fn encode_group(group: GroupSnapshot) -> Result<Bytes, StoreError> {
    encode(group)
}
pub(crate) fn decode_group(name: &str, bytes: &[u8]) -> Result<GroupSnapshot, StoreError> {
    decode(|| format!("group {name:?}"), bytes)
}
pub(crate) fn encode_transaction(transaction: &Transaction) -> Result<Bytes, StoreError> {
    encode(transaction)
}
pub(crate) fn decode_transaction(id: &str, bytes: &[u8]) -> Result<Transaction, StoreError> {
    decode(|| format!("transactional id {id:?}"), bytes)
}

fn encode<T: Serialize>(value: T) -> Result<Bytes, StoreError> {
    let bytes = serde_json::to_vec(&Versioned { version: VERSION, value });
    bytes.map(Bytes::from).map_err(|error| StoreError::Io(error.to_string().into()))
}
fn decode<T: DeserializeOwned>(at: impl Fn() -> String, bytes: &[u8]) -> Result<T, StoreError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let damaged = |error: serde_json::Error| StoreError::Corrupt { at: at(), reason: error.to_string() };
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.version != VERSION {
        let reason = format!("its format has version {}, and this program knows {VERSION}", head.version);
        return Err(StoreError::Corrupt { at: at(), reason });
    }
    serde_json::from_slice::<Versioned<T>>(bytes).map(|kept| kept.value).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_types::{ProducerId, Timestamp};
    use std::time::Duration;

    #[test]
    fn what_is_kept_reads_back_and_damage_is_named() {
        let transaction = Transaction::new(ProducerId(7), Duration::from_secs(1), Timestamp(3));
        let bytes = encode_transaction(&transaction).unwrap();
        assert_eq!(decode_transaction("t", &bytes).unwrap(), transaction);
        for (bytes, reason) in [(&b"{"[..], "EOF"), (br#"{"version":9,"value":{}}"#, "version 9")] {
            let error = decode_group("g", bytes).unwrap_err().to_string();
            assert!(error.contains("group \"g\"") && error.contains(reason), "{error}");
        }
    }
}
