//! Why the room said no: one narrow enum an operation. The texts are whole sentences for the author of a module, with the remedy.

use potok_types::Digest;

/// Why the registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or read.
    #[error("the modules' folder {folder} cannot be used: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// Wasmtime refuses this machine or the room's configuration.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
}

/// Why an upload was refused. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Not WebAssembly at all.
    #[error("this is no WebAssembly: it begins with {0}; push the .wasm file that your build made")]
    NotWasm(String),
    /// A core module.
    #[error(
        "this is a core WebAssembly module, not a component: build it with `potok plugin build`, or turn it into one with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// The file ends in the middle.
    #[error("the component is cut off after {0} bytes: push the whole file")]
    Truncated(usize),
    /// Broken in some other way.
    #[error("the component is malformed: {0}; build it again with an up-to-date toolchain")]
    Malformed(String),
    /// Too many bytes, or too much in them.
    #[error(
        "the component is too large: {what} is {got}, the limit is {limit}; build it for size, without debug data"
    )]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        got: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// It exports none of the worlds.
    #[error(
        "the component is no plugin: it exports {exports}, but a plugin exports one of potok:plugin/processor, /source or /sink \
         at version {known}; see wit/README.md"
    )]
    UnknownWorld {
        /// What it exports.
        exports: String,
        /// The version this host knows.
        known: String,
    },
    /// It exports more than one.
    #[error("the component exports {0}: a plugin is one of them, make each a module of its own")]
    SeveralWorlds(String),
    /// It speaks a version of the WIT that this host does not know.
    #[error(
        "the component uses {name}, this host knows potok:plugin at {known}: build it with the SDK of that version, or update the host"
    )]
    UnknownVersion {
        /// The interface with its version.
        name: String,
        /// What the host knows.
        known: String,
    },
    /// Something is imported that nothing provides.
    #[error("the component imports {name}, which nothing provides to a {world}; provided are {provided}")]
    MissingImport {
        /// What.
        name: String,
        /// To which kind of plugin.
        world: &'static str,
        /// The list.
        provided: String,
    },
    /// An import or export has the right name and another shape.
    #[error("the component does not fit the interface: {0}; build it with the SDK of this host's version")]
    Shape(String),
    /// `describe` went wrong.
    #[error(
        "`describe` failed: {0}; it runs at upload with nothing granted, and must only say what the module is"
    )]
    Describe(String),
    /// What `describe` returned breaks a rule.
    #[error("the description is unsound: {0}")]
    Description(String),
    /// Too many uploads at once.
    #[error("{0} uploads are waiting already")]
    Busy(usize),
    /// The disk.
    #[error("the module could not be kept: {0}; nothing was changed")]
    Disk(String),
}

/// Why a module was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is none.
    #[error("no module {0}")]
    Unknown(Digest),
    /// The disk.
    #[error("module {digest} could not be removed: {source}")]
    Disk {
        /// Which.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
}

/// Why an instance was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InstantiateError {
    /// There is none.
    #[error("no module {0}: push it first with `potok module push`")]
    Unknown(Digest),
    /// A source or a sink.
    #[error("module {0} is no processor")]
    NotAProcessor(Digest),
    /// The kept bytes cannot be read or are not what was pushed.
    #[error("module {digest} is damaged on disk: {reason}; push it again")]
    Damaged {
        /// Which.
        digest: Digest,
        /// How.
        reason: String,
    },
    /// The guest failed while it was made: its start function trapped, or it begins with more memory than it may have.
    #[error("module could not be started: {0}")]
    Start(crate::api::CallError),
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ConfigProblem {
    /// A JSON pointer to the part at fault; empty for the whole.
    pub pointer: String,
    /// A sentence.
    pub message: String,
}
impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}
