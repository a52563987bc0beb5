//! Who may do what, and how much of it: there is no log-in yet and no authorizer, and nobody is slowed down. Rules of access are
//! refused, as a broker without an authorizer refuses them; quotas and credentials are kept, as such a broker keeps them.

pub(crate) mod acls;
pub(crate) mod quotas;
pub(crate) mod scram;

pub(crate) use quotas::Quotas;
pub(crate) use scram::Credentials;
