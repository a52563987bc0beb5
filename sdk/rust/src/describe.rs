//! What a module says of itself: built from declarative parts, read by the host at upload, where nothing is granted.
//! In: names and sentences. Out: a [`Description`]. Invariant: the order of inputs, outputs and stores is their number.

use std::time::Duration;

/// What a module says of itself. Begin with [`describe!`](crate::describe!).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) config_schema: String,
    pub(crate) inputs: Vec<(String, String)>,
    pub(crate) outputs: Vec<(String, String)>,
    pub(crate) stores: Vec<(String, Option<Duration>)>,
    pub(crate) state_version: u32,
    pub(crate) wants: Vec<Grant>,
}

/// Something outside the sandbox that a module would like to reach. Only a deployment grants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// `host:port`; `*` stands for one label or any port.
    Tcp(String),
    /// `https://host/path-prefix`.
    Http(String),
    /// A directory by the name that the deployment maps to a path.
    Directory {
        /// Its name.
        name: String,
        /// Whether it is written to.
        write: bool,
    },
    /// A secret by name.
    Secret(String),
    /// A database by the name that the deployment maps to a connection.
    Database(String),
}

impl Description {
    /// A module with no inputs, outputs or stores yet. [`describe!`](crate::describe!) fills this from `Cargo.toml`.
    pub fn new(name: &str, version: &str, summary: &str) -> Description {
        Description {
            name: name.into(),
            version: version.into(),
            summary: summary.into(),
            config_schema: "{}".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            stores: Vec::new(),
            state_version: 1,
            wants: Vec::new(),
        }
    }
    /// The next input, with one line about it. `Record::input` counts them from 0.
    pub fn input(mut self, name: &str, summary: &str) -> Description {
        self.inputs.push((name.into(), summary.into()));
        self
    }
    /// The next output, with one line about it. `Output::to` counts them from 0.
    pub fn output(mut self, name: &str, summary: &str) -> Description {
        self.outputs.push((name.into(), summary.into()));
        self
    }
    /// A keyed store that keeps its entries. Its place in the order is its number on disk: add new ones at the end.
    pub fn store(mut self, name: &str) -> Description {
        self.stores.push((name.into(), None));
        self
    }
    /// A keyed store whose entries are gone when they have not been written for this long.
    pub fn store_with_ttl(mut self, name: &str, ttl: Duration) -> Description {
        self.stores.push((name.into(), Some(ttl)));
        self
    }
    /// JSON Schema (2020-12) of the configuration: a text or a `serde_json::Value`. Without it any object is taken.
    pub fn config_schema(mut self, schema: impl ToString) -> Description {
        self.config_schema = schema.to_string();
        self
    }
    /// To be raised when stored state changes its meaning: a deployment over older state is then refused unless told otherwise. Starts at 1.
    pub fn state_version(mut self, version: u32) -> Description {
        self.state_version = version;
        self
    }
    /// Something that the module would like to be granted.
    pub fn wants(mut self, grant: Grant) -> Description {
        self.wants.push(grant);
        self
    }
}

/// A [`Description`] with the name, version and description of the crate that it stands in.
#[macro_export]
macro_rules! describe {
    () => {
        $crate::Description::new(
            ::core::env!("CARGO_PKG_NAME"),
            ::core::env!("CARGO_PKG_VERSION"),
            ::core::env!("CARGO_PKG_DESCRIPTION"),
        )
    };
}
