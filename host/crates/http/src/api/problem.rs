//! How a refusal looks on the wire: problem details (RFC 9457) with a code that programs may rely on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not served: the fact, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:potok:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words; the same for every problem of the code.
    pub title: String,
    /// The HTTP status, once more.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable and short; programs match on this.
    #[schema(example = "unknown-topic")]
    pub code: String,
    /// What is the matter with this request.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// Line of the body that is to blame, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Records of this request that were acknowledged before the problem: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
}
