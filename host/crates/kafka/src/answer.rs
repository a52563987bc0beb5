//! An answer on its way to the socket: pieces that are written one after the other, so that fetched batches are never copied
//! together; those that lie in a file go from there (sendfile). The first piece begins with the frame's length and the correlation id.
//!
//! ```text
//! | length i32, of all that follows | correlation id i32 | tagged fields, when flexible: 0 | body |
//! ```

use crate::budget::Grant;
use crate::error::Fault;
use crate::header::Header;
use bytes::{BufMut, BytesMut};
use kafka_protocol::protocol::Encodable;
use potok_log::Piece;

const LENGTH_LEN: usize = 4;
/// Bytes of an answer's body that has no batches: more is read by few clients (librdkafka's `receive.message.max.bytes` and
/// Sarama's `MaxResponseSize` are about as much), and is nothing that one request should take in memory.
const BODY_LEN_MAX: usize = 100_000_000;

/// A whole answer, ready for the socket.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The pieces in order.
    pub(crate) pieces: Vec<Piece>,
    /// Bytes of all pieces.
    pub(crate) len: usize,
    /// Memory that it may take until it is written.
    pub(crate) grant: Option<Grant>,
}

impl Answer {
    /// Encodes a body that is one piece, at the version that the request has or falls back to.
    pub(crate) fn encode<R: Encodable>(header: &Header, version: i16, body: &R) -> Result<Answer, Fault> {
        let fault = |error: &dyn std::fmt::Display| {
            Fault::Unencodable(format!("{:?} v{version}: {error}", header.key))
        };
        let len = body.compute_size(version).map_err(|error| fault(&error))?;
        if len > BODY_LEN_MAX {
            return Err(Fault::AnswerTooLarge { len, max: BODY_LEN_MAX });
        }
        let mut buffer = start(header, version);
        buffer.reserve(len);
        body.encode(&mut buffer, version).map_err(|error| fault(&error))?;
        Answer::finish(buffer, Vec::new())
    }
    /// Puts the length in front: `first` comes from [`start`], `rest` follows it.
    pub(crate) fn finish(mut first: BytesMut, mut rest: Vec<Piece>) -> Result<Answer, Fault> {
        let len = first.len() + rest.iter().map(Piece::len).sum::<usize>();
        let framed =
            i32::try_from(len - LENGTH_LEN).map_err(|_| Fault::Unencodable(format!("it has {len} bytes")))?;
        first[..LENGTH_LEN].copy_from_slice(&framed.to_be_bytes());
        rest.insert(0, first.freeze().into());
        Ok(Answer { pieces: rest, len, grant: None })
    }
}

/// The beginning of an answer, its length still to be written.
pub(crate) fn start(header: &Header, version: i16) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(256);
    buffer.put_i32(0);
    buffer.put_i32(header.correlation_id);
    // ApiVersions is the exception: its header is never flexible, so that any client can read it (KIP-511)
    if header.key.response_header_version(version) >= 1 {
        buffer.put_u8(0);
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages::ApiKey;
    use kafka_protocol::messages::FindCoordinatorResponse;
    use kafka_protocol::messages::find_coordinator_response::Coordinator;
    use kafka_protocol::protocol::StrBytes;

    #[test]
    fn an_answer_that_few_could_read_is_not_made() {
        let header =
            Header { key: ApiKey::FindCoordinator, version: 4, correlation_id: 1, client_id: Bytes::new() };
        let host = StrBytes::from_string("h".repeat(30_000));
        let of = |count| {
            let one = Coordinator::default().with_host(host.clone());
            let body = FindCoordinatorResponse::default().with_coordinators(vec![one; count]);
            Answer::encode(&header, 4, &body)
        };
        assert_eq!(of(1).map(|answer| answer.len).ok(), Some(30_000 + 31));
        let refused = of(3_400).expect_err("it is 102 megabytes");
        assert!(matches!(refused, Fault::AnswerTooLarge { .. }), "{refused}");
    }
}
