//! Modules: uploaded components and the names that point at them, under `/v1/modules`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All modules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleList {
    /// By their first name, then by digest.
    pub modules: Vec<Module>,
}

/// A component that was uploaded and accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Module {
    /// SHA-256 of its bytes: 64 hexadecimal digits.
    pub digest: String,
    /// Names that point at it. None when all of them have moved on to newer bytes.
    pub names: Vec<String>,
    /// Processors that run it.
    pub used_by: Vec<String>,
    /// Its bytes.
    pub size_bytes: u64,
    /// What it is.
    pub world: World,
    /// Every interface that it imports, with its version.
    pub imports: Vec<String>,
    /// What it calls itself.
    pub title: String,
    /// Its own version.
    pub version: String,
    /// What it does, in a line.
    pub summary: String,
    /// JSON Schema (2020-12) of its configuration.
    pub config_schema: serde_json::Value,
    /// Its inputs in order.
    pub inputs: Vec<ModulePort>,
    /// Its outputs in order.
    pub outputs: Vec<ModulePort>,
    /// Its keyed stores in order.
    pub stores: Vec<ModuleStore>,
    /// Raised when its stored state changes its meaning.
    pub state_version: u32,
    /// What it would like to be granted; a deployment grants, the module does not.
    pub wants: Vec<Grant>,
}

/// What a module is by its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Takes records in and puts records out.
    Processor,
    /// Brings records in from elsewhere.
    Source,
    /// Takes records elsewhere.
    Sink,
}

/// An input or an output of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModulePort {
    /// Its name.
    pub name: String,
    /// What it is, in a line.
    pub summary: String,
}

/// A keyed store of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModuleStore {
    /// Its name.
    pub name: String,
    /// Entries older than this are gone, in milliseconds; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// Something outside the sandbox that a deployment lets a module reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// `host:port`; `*` stands for one label or for any port.
    Tcp(String),
    /// `https://host/path-prefix`.
    Http(String),
    /// A directory by the name that the host's settings map to a path.
    Directory {
        /// The name.
        name: String,
        /// Whether it may be written to.
        write: bool,
    },
    /// A secret by name.
    Secret(String),
    /// A database by name.
    Database(String),
}
