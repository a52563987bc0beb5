//! A processor's log: its lines of the topic of all processors' logs, as NDJSON or events.

use super::reader::Reader;
use super::render::Form;
use super::tail::{CHUNK_BYTES, answer_events, answer_lines};
use crate::api::{EVENTS, LogLine, LogsQuery, NDJSON, ReadFrom, ReadQuery};
use crate::app::App;
use crate::error::Refusal;
use crate::extract::{Name, Query, negotiate};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use potok_processor::{LOGS_TOPIC, logs_partition};
use potok_types::ProcessorName;
use std::collections::VecDeque;
use std::sync::Arc;

const OFFERED: &[&str] = &[NDJSON, EVENTS];
const OFFERED_WORDS: &str = "application/x-ndjson, text/event-stream";
/// Lines that `tail` may ask for: they are held in memory.
const TAIL_LINES_MAX: u64 = 10_000;
/// Bytes of those lines at most; the oldest are left out beyond.
const TAIL_BYTES_MAX: usize = 8 << 20;

/// The log of a processor: what its guests and the host wrote, a line each. Lines of one task are in order.
#[utoipa::path(get, path = "/v1/processors/{processor}/logs", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor"), LogsQuery,
        ("last-event-id" = Option<String>, Header, description = "for events: the id of the last event seen; a cursor")),
    responses((status = 200, description = "lines", content((LogLine = "application/x-ndjson"), (String = "text/event-stream")))))]
pub(crate) async fn processor_logs(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    Query(query): Query<LogsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    app.processors.status(&name)?;
    if query.tail.is_some_and(|tail| tail > TAIL_LINES_MAX) {
        return Err(Refusal::Query(format!("`tail` is {TAIL_LINES_MAX} at most")));
    }
    let events = negotiate(&headers, OFFERED, OFFERED_WORDS)? == EVENTS;
    let follow = query.follow.unwrap_or(false);
    let Some(topic) = app.log.topic(&LOGS_TOPIC.parse()?) else {
        // the processors' room makes it when it starts to run: nobody has logged anything yet
        return Ok(([(header::CONTENT_TYPE, NDJSON)], Vec::new()).into_response());
    };
    let mut from =
        ReadQuery { partition: Some(logs_partition(&name, topic.partitions).0), ..ReadQuery::default() };
    if let Some(last) =
        headers.get("last-event-id").and_then(|last| last.to_str().ok()).filter(|last| !last.is_empty())
    {
        from.cursor = Some(last.to_owned());
    } else if query.tail == Some(0) {
        from.from = Some(ReadFrom::Latest);
    }
    let form = if events { Form::ValueEvents } else { Form::Values };
    let mut reader = Reader::open(app, &topic.name, &from, form).await?;
    reader.filter = Some(Arc::from(name.as_str().as_bytes()));
    let lead = match query.tail {
        Some(lines) if lines > 0 && from.cursor.is_none() => {
            Some(last_lines(&mut reader, lines, events).await?)
        }
        _ => None,
    };
    if events {
        return answer_events(reader, lead);
    }
    if !follow {
        reader.until_now();
    }
    answer_lines(reader, follow, lead.map(Bytes::from))
}

/// The last so many lines of what is there; the reader stands behind them.
async fn last_lines(reader: &mut Reader, lines: u64, events: bool) -> Result<Vec<u8>, Refusal> {
    let end: &[u8] = if events { b"\n\n" } else { b"\n" };
    let (mut held, mut bytes) = (VecDeque::new(), 0);
    loop {
        let chunk = reader.next(CHUNK_BYTES).await?;
        if chunk.is_empty() {
            return Ok(held.into_iter().flatten().collect());
        }
        let mut rest = &chunk[..];
        while let Some(at) = memchr::memmem::find(rest, end) {
            let (line, behind) = rest.split_at(at + end.len());
            bytes += line.len();
            held.push_back(line.to_vec());
            rest = behind;
            while held.len() as u64 > lines || bytes > TAIL_BYTES_MAX {
                bytes -= held.pop_front().map_or(0, |line| line.len());
            }
        }
    }
}
