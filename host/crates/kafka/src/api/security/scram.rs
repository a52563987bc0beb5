//! DescribeUserScramCredentials and AlterUserScramCredentials (keys 50 and 51): users' credentials, checked and kept as Kafka does it.
//! What is kept proves a password without being one (RFC 5802: `StoredKey` and `ServerKey`); neither is ever told. They protect
//! nothing as long as there is no log-in: that the reference says.

use crate::call::Call;
use crate::error::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::fmt;

/// Kafka's bounds.
const ITERATIONS_MIN: i32 = 4096;
const ITERATIONS_MAX: i32 = 16384;

/// How a password is proved, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Mechanism {
    #[serde(rename = "SCRAM-SHA-256")]
    Sha256 = 1,
    #[serde(rename = "SCRAM-SHA-512")]
    Sha512 = 2,
}

/// What proves one password. Bytes are kept in base 64.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Credential {
    iterations: i32,
    salt: String,
    stored_key: String,
    server_key: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(hidden)")
    }
}

/// All credentials, by user and mechanism.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Credentials(BTreeMap<String, BTreeMap<Mechanism, Credential>>);

pub(crate) fn describe(
    call: &Call,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let asked = request.users.unwrap_or_default();
    let results = call.broker.credentials.look(|Credentials(all)| {
        if asked.is_empty() {
            return all.keys().map(|user| told(all, user, 1)).collect();
        }
        let counts = counts(asked.iter().map(|one| one.name.as_str()));
        counts.into_iter().map(|(user, count)| told(all, user, count)).collect::<Vec<_>>()
    });
    DescribeUserScramCredentialsResponse::default().with_error_message(None).with_results(results)
}

fn told(
    all: &BTreeMap<String, BTreeMap<Mechanism, Credential>>,
    user: &str,
    count: usize,
) -> DescribeUserScramCredentialsResult {
    let name = StrBytes::from_string(user.to_owned());
    let result = DescribeUserScramCredentialsResult::default().with_user(name).with_error_message(None);
    let refused = |code: Code, why: &'static str| {
        let result = result.clone().with_error_code(code.code());
        result.with_error_message(Some(StrBytes::from_static_str(why)))
    };
    let info = |(mechanism, credential): (&Mechanism, &Credential)| {
        CredentialInfo::default().with_mechanism(*mechanism as i8).with_iterations(credential.iterations)
    };
    match all.get(user) {
        _ if count > 1 => refused(Code::DuplicateResource, "the request names this user more than once"),
        None => refused(Code::ResourceNotFound, "nobody of this name has credentials"),
        Some(has) => result.with_credential_infos(has.iter().map(info).collect()),
    }
}

pub(crate) async fn alter(
    call: &Call,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let deleted = request.deletions.iter().map(|one| one.name.as_str());
    let counts = counts(deleted.chain(request.upsertions.iter().map(|one| one.name.as_str())));
    let change = |credentials: &mut Credentials| {
        let twice = |user: &StrBytes| counts.get(user.as_str()).is_some_and(|count| *count > 1);
        let mut results = BTreeMap::new();
        for one in &request.deletions {
            let done = if twice(&one.name) {
                Err(named_twice())
            } else {
                credentials.delete(&one.name, one.mechanism)
            };
            results.insert(one.name.to_string(), done);
        }
        for one in &request.upsertions {
            let done = if twice(&one.name) { Err(named_twice()) } else { credentials.set(one) };
            results.insert(one.name.to_string(), done);
        }
        results
    };
    let results = call.broker.credentials.change(&*call.broker.log, change).await;
    let results = results.unwrap_or_else(|refusal| {
        let each = |user: &&str| ((*user).to_owned(), Err(refusal.clone()));
        counts.keys().map(each).collect()
    });
    let result = |(user, done): (String, Result<(), Refusal>)| {
        let user = StrBytes::from_string(user);
        let result = AlterUserScramCredentialsResult::default().with_user(user).with_error_message(None);
        match done {
            Ok(()) => result,
            Err(refusal) => result.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
        }
    };
    AlterUserScramCredentialsResponse::default().with_results(results.into_iter().map(result).collect())
}

/// How often each user is named.
fn counts<'a>(users: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    users.for_each(|user| *counts.entry(user).or_default() += 1);
    counts
}

fn named_twice() -> Refusal {
    Refusal::new(Code::DuplicateResource, "the request names this user more than once")
}

impl Credentials {
    fn delete(&mut self, user: &str, mechanism: i8) -> Result<(), Refusal> {
        let mechanism = check(user, mechanism)?;
        let has = self.0.get_mut(user);
        if has.and_then(|has| has.remove(&mechanism)).is_none() {
            let message = "the user has no such credential that could be deleted";
            return Err(Refusal::new(Code::ResourceNotFound, message));
        }
        self.0.retain(|_, has| !has.is_empty());
        Ok(())
    }
    fn set(&mut self, asked: &ScramCredentialUpsertion) -> Result<(), Refusal> {
        let mechanism = check(&asked.name, asked.mechanism)?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&asked.iterations) {
            let message = format!("a credential has {ITERATIONS_MIN} to {ITERATIONS_MAX} iterations");
            return Err(Refusal::new(Code::UnacceptableCredential, message));
        }
        let (stored_key, server_key) = keys(mechanism, &asked.salted_password);
        let credential = Credential {
            iterations: asked.iterations,
            salt: STANDARD.encode(&asked.salt),
            stored_key: STANDARD.encode(stored_key),
            server_key: STANDARD.encode(server_key),
        };
        self.0.entry(asked.name.to_string()).or_default().insert(mechanism, credential);
        Ok(())
    }
}

fn check(user: &str, mechanism: i8) -> Result<Mechanism, Refusal> {
    if user.is_empty() {
        return Err(Refusal::new(Code::UnacceptableCredential, "the user has no name"));
    }
    match mechanism {
        1 => Ok(Mechanism::Sha256),
        2 => Ok(Mechanism::Sha512),
        other => {
            Err(Refusal::new(Code::UnsupportedSaslMechanism, format!("there is no SCRAM mechanism {other}")))
        }
    }
}

/// `StoredKey` and `ServerKey` of a salted password (RFC 5802, section 3).
fn keys(mechanism: Mechanism, salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match mechanism {
        Mechanism::Sha256 => keys_by::<Sha256>(64, salted_password),
        Mechanism::Sha512 => keys_by::<Sha512>(128, salted_password),
    }
}

fn keys_by<D: Digest>(block_len: usize, salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let client_key = hmac::<D>(block_len, salted_password, b"Client Key");
    (D::digest(client_key).to_vec(), hmac::<D>(block_len, salted_password, b"Server Key"))
}

/// RFC 2104.
fn hmac<D: Digest>(block_len: usize, key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > block_len { D::digest(key).to_vec() } else { key.to_vec() };
    block.resize(block_len, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
    let inner = D::new().chain_update(padded(0x36)).chain_update(text).finalize();
    D::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PBKDF2 of "pencil" with the salt and the 4,096 iterations of RFC 7677, and what PostgreSQL keeps of it.
    #[test]
    fn what_is_kept_is_what_others_keep_of_the_same_password() {
        let salted = "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d";
        let salted: Vec<u8> =
            (0..32).map(|i| u8::from_str_radix(&salted[2 * i..2 * i + 2], 16).unwrap()).collect();
        let (stored, server) = keys(Mechanism::Sha256, &salted);
        assert_eq!(STANDARD.encode(stored), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(STANDARD.encode(server), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
        let long =
            hmac::<Sha256>(64, &[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        let long: String = long.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(long, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "RFC 4231, 6");
        assert_eq!(keys(Mechanism::Sha512, b"x").0.len(), 64);
    }
    #[test]
    fn nobody_is_shown_what_is_kept() {
        let mut credentials = Credentials::default();
        let asked = ScramCredentialUpsertion::default().with_name(StrBytes::from_static_str("u"));
        assert!(credentials.set(&asked.with_mechanism(1).with_iterations(4096)).is_ok());
        assert!(!format!("{credentials:?}").contains("salt"));
    }
}
