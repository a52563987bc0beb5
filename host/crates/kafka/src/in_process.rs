//! The path of a request without its socket: for programs that try what bytes can do, such as fuzzers.
//! In come the bytes behind a request's length, out goes the whole answer. Nobody waits: the client counts as gone.

use crate::api;
use crate::broker::Broker;
use crate::call::Client;
use crate::header::Header;
use crate::server::{self, BindError, Components};
use crate::settings::Settings;
use bytes::BytesMut;
use prometheus_client::registry::Registry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// A server that nobody can connect to.
#[derive(Debug)]
pub struct InProcess {
    broker: Arc<Broker>,
    client: Arc<Client>,
}

impl InProcess {
    /// Over these rooms.
    pub fn new(settings: Settings, components: Components) -> Result<InProcess, BindError> {
        let broker = server::broker(settings, components, &mut Registry::default())?;
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
        let gone = broker.stop.child_token();
        gone.cancel();
        Ok(InProcess { broker: Arc::new(broker), client: Arc::new(Client { peer: here, local: here, gone }) })
    }
    /// Handles one request; none where a connection would have ended, or wants no answer.
    pub async fn handle(&self, mut frame: BytesMut) -> Option<Vec<u8>> {
        let header = Header::take(&mut frame).ok()?;
        let (broker, client) = (Arc::clone(&self.broker), Arc::clone(&self.client));
        let started = api::start(broker, client, header, frame).await.ok()?;
        Some(started.outcome.await.ok()??.pieces.concat())
    }
}
