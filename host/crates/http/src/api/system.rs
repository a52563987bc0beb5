//! The server itself: what it is, how it is, and a copy of its data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What answers here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Always `potok`.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Raised at each start: this run's leader epoch.
    pub epoch: i32,
    /// When this run began, in milliseconds since 1970-01-01 UTC.
    pub started_at: i64,
    /// Topics there are.
    pub topics: u64,
    /// Modules there are.
    pub modules: u64,
    /// Processors there are.
    pub processors: u64,
}

/// Whether the server does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// Why not, when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Health in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// All is well.
    Good,
    /// Reads work, records are refused until there is room on the log's disk; it goes on by itself.
    DiskFull,
    /// Reads work, writes are refused until the process is started again.
    WritesRefused,
    /// The server is stopping.
    Stopping,
}

/// A copy of the data to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    /// Name of the folder that is made inside the server's backup folder: letters, digits, `.`, `_` and `-`.
    #[schema(min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "before-upgrade")]
    pub name: String,
}

/// A copy of the data that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// Where it lies, on the server's machine.
    pub folder: String,
}
