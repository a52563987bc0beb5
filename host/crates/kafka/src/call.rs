//! One request on its way through a handler: its head, its body, who asks, and the broker to ask.

use crate::answer::Answer;
use crate::broker::Broker;
use crate::error::Fault;
use crate::header::Header;
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// Where the client is.
    pub(crate) peer: SocketAddr,
    /// Which of our addresses it reached.
    pub(crate) local: SocketAddr,
    /// Cancelled when the client has gone, and when the server stops: whoever waits for it answers at once.
    pub(crate) gone: CancellationToken,
}

/// What follows a request's head.
#[derive(Debug)]
pub(crate) struct Body {
    /// The bytes.
    pub(crate) bytes: BytesMut,
    /// Bytes of memory that live as long as any of them is kept.
    pub(crate) span: usize,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What every handler has at hand.
    pub(crate) broker: Arc<Broker>,
    /// The connection.
    pub(crate) client: Arc<Client>,
    /// The request's head; its version is known to be served.
    pub(crate) header: Header,
    /// The request's body.
    pub(crate) body: Bytes,
}

impl Call {
    /// The request, decoded.
    pub(crate) fn decode<R: Decodable>(&self) -> Result<R, Fault> {
        R::decode(&mut self.body.clone(), self.header.version).map_err(|error| {
            Fault::Undecodable(format!("{:?} v{}: {error}", self.header.key, self.header.version))
        })
    }
    /// The answer, encoded at the request's version.
    pub(crate) fn encode<R: Encodable>(&self, response: R) -> Result<Answer, Fault> {
        Answer::encode(&self.header, self.header.version, &response)
    }
    /// The request's version.
    pub(crate) fn version(&self) -> i16 {
        self.header.version
    }
    /// The client's own name; bytes that are no text are shown as such.
    pub(crate) fn client_id(&self) -> String {
        String::from_utf8_lossy(&self.header.client_id).into_owned()
    }
}
