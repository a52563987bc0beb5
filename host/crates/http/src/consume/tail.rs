//! Records as they come: NDJSON and server-sent events. A client that does not read holds up its own stream alone; one
//! that has gone is noticed at the next byte written, which a sign of life makes come soon.

use super::reader::Reader;
use super::render::Form;
use crate::api::{EVENTS, NDJSON, Problem, ReadQuery};
use crate::app::App;
use crate::error::Refusal;
use crate::router::Uncompressed;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use potok_types::TopicName;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of one step of a stream: large enough to fill a socket, small enough for a thousand streams.
pub(super) const CHUNK_BYTES: usize = 128 * 1024;
/// A stream that has nothing to say gives a sign of life this often: proxies cut what is silent for a minute.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MILLIS: u32 = 1000;

/// A stream on its way.
struct Tail {
    reader: Reader,
    kind: Kind,
    /// What goes before the first record.
    lead: Option<Bytes>,
    ended: bool,
    _place: Option<OwnedSemaphorePermit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    Events,
}

/// All there are as lines, or what comes.
pub(super) async fn lines(app: App, name: &TopicName, query: &ReadQuery) -> Result<Response, Refusal> {
    let follow = query.follow.unwrap_or(false);
    let mut reader = Reader::open(app, name, query, Form::Lines).await?;
    let mut lead = None;
    if !follow {
        if let Some(wait) = query.wait.filter(|wait| *wait > 0) {
            lead = Some(reader.poll(CHUNK_BYTES, Duration::from_millis(wait)).await?.into());
        }
        reader.until_now();
    }
    answer_lines(reader, follow, lead)
}

/// The same for any reader that writes lines; `lead` goes before.
pub(super) fn answer_lines(reader: Reader, follow: bool, lead: Option<Bytes>) -> Result<Response, Refusal> {
    let place = if follow { Some(reader.app.limits.tail()?) } else { None };
    let tail = Tail { reader, kind: Kind::Lines, lead, ended: false, _place: place };
    let mut response = ([(header::CONTENT_TYPE, NDJSON)], tail.body()).into_response();
    if follow {
        response.extensions_mut().insert(Uncompressed);
    }
    Ok(response)
}

/// What comes as events; the id of each says where to go on.
pub(super) async fn events(
    app: App,
    name: &TopicName,
    query: &ReadQuery,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let mut query = query.clone();
    if let Some(last) = headers.get("last-event-id").filter(|last| !last.is_empty()) {
        let cursor = last.to_str().map_err(|_| Refusal::Header("`Last-Event-ID` is no cursor".to_owned()))?;
        query =
            ReadQuery { from: None, offset: None, timestamp: None, cursor: Some(cursor.to_owned()), ..query };
    }
    let reader = Reader::open(app, name, &query, Form::Events).await?;
    answer_events(reader, None)
}

/// The same for any reader that writes events; `lead` goes before.
pub(super) fn answer_events(reader: Reader, lead: Option<Vec<u8>>) -> Result<Response, Refusal> {
    let place = Some(reader.app.limits.tail()?);
    let mut greeting = format!("retry: {RETRY_MILLIS}\n\n").into_bytes();
    greeting.extend(lead.unwrap_or_default());
    let tail = Tail { reader, kind: Kind::Events, lead: Some(greeting.into()), ended: false, _place: place };
    let mut response = ([(header::CONTENT_TYPE, EVENTS)], tail.body()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Uncompressed);
    Ok(response)
}

impl Tail {
    fn body(self) -> Body {
        let chunks = stream::unfold(self, |mut tail| async move {
            let chunk = tail.next().await?;
            Some((Ok::<Bytes, Infallible>(chunk), tail))
        });
        // a compressor asks once more after the end
        Body::from_stream(chunks.fuse())
    }
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(lead) = self.lead.take().filter(|lead| !lead.is_empty()) {
            return Some(lead);
        }
        if self.ended {
            return None;
        }
        match self.records().await {
            Ok(Some(records)) => Some(records),
            Ok(None) => None,
            Err(refusal) => {
                self.ended = true;
                Some(last_words(self.kind, &refusal.problem()))
            }
        }
    }
    async fn records(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let records = self.reader.next(CHUNK_BYTES).await?;
            if !records.is_empty() {
                return Ok(Some(records.into()));
            }
            if self.reader.at_end() || self.reader.is_bounded() {
                return Ok(None);
            }
            if !self.reader.wait(SIGN_OF_LIFE).await? {
                if self.reader.app.stop.is_cancelled() {
                    return Ok(None);
                }
                return Ok(Some(Bytes::from_static(match self.kind {
                    Kind::Lines => b"\n",
                    Kind::Events => b":\n\n",
                })));
            }
        }
    }
}

/// A stream that ends because something is the matter says so last.
fn last_words(kind: Kind, problem: &Problem) -> Bytes {
    let problem = serde_json::to_string(problem).unwrap_or_default();
    Bytes::from(match kind {
        Kind::Lines => format!("{{\"problem\":{problem}}}\n"),
        Kind::Events => format!("event: problem\ndata: {problem}\n\n"),
    })
}
