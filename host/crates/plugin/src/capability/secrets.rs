//! `potok:plugin/secrets`: secrets that the deployment grants by name. Limit: `SECRET_NAME_LEN_MAX`.
//! A name that is not granted is denied without asking the port for a value; the port tells of the denial, and counts it.

use super::Views;
use crate::api::Grant;
use crate::bindings::secrets::{Error, Host as SecretsHost, add_to_linker as add};
use crate::host::Host;
use crate::limits::{SECRET_NAME_LEN_MAX, cut};
use wasmtime::Result;
use wasmtime::component::Linker;

impl SecretsHost for Host {
    fn get(&mut self, name: String) -> Result<Result<Vec<u8>, Error>> {
        let granted =
            self.grants.iter().any(|grant| matches!(grant, Grant::Secret(secret) if *secret == name));
        let name = cut(name, SECRET_NAME_LEN_MAX);
        if !granted {
            let reason = format!("secret {name:?} is not granted: add it to the deployment's grants");
            self.port.denied(reason.clone());
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
        let said = port.said.lock();
        assert!(
            matches!(said.as_slice(), [line] if line.starts_with("denied secret \"other\" is not granted"))
        );
    }
}
