//! Who may do what, and how much of it: there is no log-in yet, no authorizer and no quota. What asks for rules hears that there
//! are none; what would set some is refused, so that nobody believes to be protected.

pub(crate) mod acls;
pub(crate) mod quotas;
pub(crate) mod scram;
