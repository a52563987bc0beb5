//! HTTP `/v1`: resources to calls on the log, the modules and the processors; the OpenAPI document is made from the code.
//! In come requests, out go calls on the rooms' doors and answers in the words of [`api`]. The only crate that names hyper
//! and axum. Every body, queue, wait and answer has a bound: what a client claims or withholds takes no memory.

pub mod api;
mod app;
mod body;
mod checkpoint;
mod consume;
mod error;
mod extract;
mod groups;
mod io;
mod limits;
mod metrics;
mod modules;
mod openapi;
mod origin;
mod processors;
mod produce;
mod rates;
mod router;
mod server;
mod settings;
mod system;
mod topics;
mod unpack;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::Code;
pub use server::{BindError, Components, Door, Server};
pub use settings::Settings;
