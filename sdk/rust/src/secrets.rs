//! Secrets that the deployment grants by name.
//! In: a name. Out: bytes, or the sentence that says how to grant it. Invariant: nothing is granted at upload.

use std::fmt;

/// A secret that is not granted; the sentence says how to grant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied(pub(crate) String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Denied {}

/// The secret of this name.
pub fn get(name: &str) -> Result<Vec<u8>, Denied> {
    crate::host::secret(name)
}
