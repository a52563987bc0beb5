//! `potok:plugin/secrets`: secrets that the deployment grants by name. Limit: `SECRET_NAME_LEN_MAX`.
//! A name that is not granted is denied without asking the port for a value; the denial is a line in the guest's log and a count.

use super::Views;
use crate::api::{Grant, LogLevel};
use crate::bindings::secrets::{Error, Host as SecretsHost, add_to_linker as add};
use crate::host::Host;
use crate::limits::{SECRET_NAME_LEN_MAX, cut};
use wasmtime::Result;
use wasmtime::component::Linker;

/// The metric that counts denials, of every kind.
const DENIALS: &str = "denials";

impl SecretsHost for Host {
    fn get(&mut self, name: String) -> Result<Result<Vec<u8>, Error>> {
        let granted =
            self.grants.iter().any(|grant| matches!(grant, Grant::Secret(secret) if *secret == name));
        let name = cut(name, SECRET_NAME_LEN_MAX);
        if !granted {
            let reason = format!("secret {name:?} is not granted: add it to the deployment's grants");
            self.port.log(LogLevel::Warn, reason.clone());
            self.port.count(DENIALS, 1);
            return Ok(Err(Error::Denied(reason)));
        }
        Ok(self.port.secret(&name).ok_or_else(|| {
            Error::Denied(format!(
                "secret {name:?} is granted, but the host has none of this name: set it first"
            ))
        }))
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    add::<Host, Views>(linker, |host| host)
}

#[cfg(test)]
mod tests {
    use super::super::testing::host;
    use super::*;

    #[test]
    fn only_a_granted_secret_is_given() {
        let (port, mut host) = host();
        assert_eq!(host.get("token".into()).unwrap().unwrap(), b"s3cret");
        assert!(
            matches!(host.get("absent".into()).unwrap(), Err(Error::Denied(why)) if why.contains("set it first"))
        );
        assert!(port.said.lock().is_empty());
        assert!(
            matches!(host.get("other".into()).unwrap(), Err(Error::Denied(why)) if why.contains("not granted"))
        );
        assert_eq!(port.said.lock()[1], "count denials 1");
    }
}
