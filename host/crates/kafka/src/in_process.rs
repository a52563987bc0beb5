//! The path of a request without its socket: for programs that try what bytes can do, such as fuzzers.
//! In come the bytes behind a request's length, out goes the whole answer. Nobody waits: the client counts as gone.

use crate::api;
use crate::broker::Broker;
use crate::call::{Body, Client};
use crate::gather::Gather;
use crate::header::Header;
use crate::room::Held;
use crate::server::{self, BindError, Components};
use crate::settings::Settings;
use bytes::BytesMut;
use potok_log::Piece;
use prometheus_client::registry::Registry;
use std::io;
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
        let (mut held, mut gather, log) = (Held::default(), Gather::default(), Arc::clone(&broker.log));
        let body = Body { span: frame.len(), bytes: frame };
        let started = api::start(broker, client, header, body, (&mut held, &mut gather)).await.ok()?;
        gather.flush(&*log).await;
        let answer = started.outcome.await.ok()??;
        let pieces: io::Result<Vec<_>> = answer.pieces.iter().map(Piece::read).collect();
        Some(pieces.ok()?.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_coordinator::Coordinator;
    use potok_log::{Log, MemoryLog};
    use potok_types::SystemClock;
    use std::path::PathBuf;

    #[tokio::test]
    async fn a_request_without_a_socket_is_answered_as_over_one() {
        let clock = SystemClock::shared();
        let log: Arc<dyn Log> = MemoryLog::new(Arc::clone(&clock));
        let rooms = potok_coordinator::Components {
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            of_processor: Arc::new(|_| false),
        };
        let coordinator = Coordinator::open(potok_coordinator::Settings::default(), rooms).unwrap();
        let (folder, cluster_id) = (PathBuf::from("/"), "test".to_owned());
        let components = Components { log, coordinator, clock, folder, cluster_id };
        let server = InProcess::new(Settings::default(), components).unwrap();
        let versions = [0, 18, 0, 0, 0, 0, 0, 7, 255, 255];
        let answer = server.handle(BytesMut::from(&versions[..])).await.unwrap();
        assert_eq!(answer[4..8], [0, 0, 0, 7], "the correlation id");
        assert_eq!(answer[..4], u32::try_from(answer.len() - 4).unwrap().to_be_bytes());
        let unknown = [0, 19, 0, 99, 0, 0, 0, 8, 255, 255];
        assert_eq!(server.handle(BytesMut::from(&unknown[..])).await, None, "a connection would end");
    }
}
