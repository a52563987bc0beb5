//! Request bodies, read under a watch: no longer pause than allowed, no more bytes than allowed, memory only as it comes.
//! In comes a body (unpacked already), out go its bytes or the reason why they are not all there.

use crate::error::Refusal;
use crate::limits::{Limits, Room};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::error::Error;
use std::time::Duration;

/// How much more room a body of unknown length asks for at a time.
const ROOM_STEP: usize = 64 * 1024;
/// Slowest pace of a whole body, in bytes a second: with it, how long a body may take follows from its size, and a byte
/// now and then holds no place for ever.
const PACE_MIN: u64 = 16 * 1024;
/// Of a body that is refused, so much is still read, so that the client gets to read the answer.
const DISCARD_BYTES_MAX: u64 = 1 << 20;
/// And for so long.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct BodyReader {
    body: Body,
    idle: Duration,
    received: u64,
    ended: bool,
}

/// A whole body and the room that it takes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _room: Room,
}

impl BodyReader {
    pub(crate) fn new(body: Body, idle: Duration) -> BodyReader {
        BodyReader { body, idle, received: 0, ended: false }
    }
    /// The next bytes; none at the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        while !self.ended {
            match tokio::time::timeout(self.idle, self.body.frame()).await {
                Err(_) => {
                    self.ended = true;
                    return Err(Refusal::TooSlow { seconds: self.idle.as_secs(), received: self.received });
                }
                Ok(None) => self.ended = true,
                Ok(Some(Err(error))) => {
                    self.ended = true;
                    return Err(broken(&error, self.received));
                }
                Ok(Some(Ok(frame))) => {
                    // trailers say nothing that is looked at
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.received += data.len() as u64;
                        return Ok(Some(data));
                    }
                }
            }
        }
        Ok(None)
    }
    /// The whole body, if it has no more than `limit` bytes.
    pub(crate) async fn all(&mut self, limits: &Limits, limit: usize) -> Result<Held, Refusal> {
        let claimed = http_body::Body::size_hint(&self.body).lower();
        if claimed > limit as u64 {
            return Err(Refusal::TooLarge { limit: limit as u64 });
        }
        let size = if claimed == 0 { limit as u64 } else { claimed };
        let whole = self.idle + Duration::from_secs(size / PACE_MIN);
        let reading = self.collect(limits, limit, usize::try_from(claimed).unwrap_or(limit));
        match tokio::time::timeout(whole, reading).await {
            Ok(held) => held,
            Err(_) => Err(Refusal::TooSlow { seconds: whole.as_secs(), received: self.received }),
        }
    }
    async fn collect(&mut self, limits: &Limits, limit: usize, claimed: usize) -> Result<Held, Refusal> {
        let mut room = Room::default();
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            let len = all.len() + bytes.len();
            if len > limit {
                return Err(Refusal::TooLarge { limit: limit as u64 });
            }
            limits.widen(&mut room, len.next_multiple_of(ROOM_STEP).min(claimed.max(len))).await?;
            if all.is_empty() && len >= claimed && http_body::Body::is_end_stream(&self.body) {
                return Ok(Held { bytes, _room: room });
            }
            if all.is_empty() {
                all.reserve(claimed.min(ROOM_STEP).max(len));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(Held { bytes: all.freeze(), _room: room })
    }
    /// Reads a little more of a body that nobody wants, so that the answer is not lost in a reset connection.
    pub(crate) async fn discard(&mut self) {
        let until = self.received + DISCARD_BYTES_MAX;
        let reading = async { while self.received < until && matches!(self.next().await, Ok(Some(_))) {} };
        let _ = tokio::time::timeout(DISCARD_TIME_MAX, reading).await;
    }
}

/// A body ends early because the connection does, or because it does not unpack.
fn broken(error: &axum::Error, received: u64) -> Refusal {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(this) = cause {
        if this.is::<hyper::Error>() {
            return Refusal::CutOff { received };
        }
        cause = this.source();
    }
    Refusal::Unpack(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use std::convert::Infallible;

    fn reader(parts: &[&'static str]) -> BodyReader {
        let parts: Vec<_> =
            parts.iter().map(|part| Ok::<_, Infallible>(Bytes::from_static(part.as_bytes()))).collect();
        BodyReader::new(Body::from_stream(stream::iter(parts)), Duration::from_secs(1))
    }

    #[tokio::test]
    async fn a_body_in_parts_is_put_together_up_to_the_limit() {
        let limits = Limits::new(&crate::Settings::default());
        assert_eq!(reader(&["ab", "c"]).all(&limits, 3).await.unwrap().bytes, "abc");
        assert!(matches!(reader(&["ab", "c"]).all(&limits, 2).await, Err(Refusal::TooLarge { limit: 2 })));
        let whole = Body::from("abcd");
        let refused = BodyReader::new(whole, Duration::from_secs(1)).all(&limits, 3).await;
        assert!(matches!(refused, Err(Refusal::TooLarge { limit: 3 })));
    }
    #[tokio::test]
    async fn a_body_that_stops_coming_is_given_up() {
        let endless = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let refused = BodyReader::new(endless, Duration::from_millis(1)).next().await;
        assert!(matches!(refused, Err(Refusal::TooSlow { seconds: 0, received: 0 })));
    }
}
