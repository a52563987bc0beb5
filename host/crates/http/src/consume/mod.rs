//! Reading records: `GET /v1/topics/{topic}/records` in all its forms.
//! In come where to begin and what the client accepts; out go a page, a stream of lines or events, raw bytes or WebSocket
//! messages. A reader that waits, waits for the partitions that it reads, not for a timer. Only committed records are shown.

mod cursor;
pub(crate) mod logs;
mod raw;
mod reader;
mod render;
mod tail;
mod watch;
mod ws;

use crate::api::{self, Binary, ReadQuery, RecordPage};
use crate::app::App;
use crate::error::Refusal;
use crate::extract::{Name, Query, negotiate};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use potok_types::TopicName;
use reader::Reader;
use render::Form;
use std::time::Duration;

/// What a read can be answered in.
const OFFERED: &[&str] = &[api::JSON, api::NDJSON, api::EVENTS, api::RAW];
const OFFERED_WORDS: &str =
    "application/json, application/x-ndjson, text/event-stream, application/octet-stream";
/// Records of a page when the client does not say.
const PAGE_RECORDS_DEFAULT: u64 = 100;
/// Records of a page at most: a page is held in memory as a whole.
const PAGE_RECORDS_MAX: u64 = 10_000;
/// Bytes of a page at most, as written; one record always fits.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// A long poll at most: proxies close connections that are silent for longer.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Reads records: a page as JSON, all there are (or what comes, with `follow`) as NDJSON, one record as raw bytes, a tail
/// as server-sent events (`Last-Event-ID` resumes it) or over a WebSocket (one message a record).
#[utoipa::path(get, path = "/v1/topics/{topic}/records", tag = "records",
    params(("topic" = String, Path, description = "name of the topic"), ReadQuery,
        ("last-event-id" = Option<String>, Header, description = "for events: the id of the last event seen; a cursor")),
    responses(
        (status = 200, description = "records", content(
            (RecordPage = "application/json"), (String = "application/x-ndjson"), (String = "text/event-stream"),
            (Binary = "application/octet-stream"))),
        (status = 101, description = "a WebSocket"),
        (status = 204, description = "no record, where raw bytes were asked for")))]
pub(crate) async fn consume(
    State(app): State<App>,
    Name(name): Name<TopicName>,
    Query(query): Query<ReadQuery>,
    request: Request,
) -> Result<Response, Refusal> {
    check(&query)?;
    let (mut parts, _) = request.into_parts();
    if wants_websocket(&parts.headers) {
        let upgrade = axum::extract::WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let upgrade = upgrade.map_err(|rejection| Refusal::Header(rejection.body_text()))?;
        return ws::answer(app, &name, &query, upgrade).await;
    }
    let form = negotiate(&parts.headers, OFFERED, OFFERED_WORDS)?;
    if query.follow.is_some() && form != api::NDJSON {
        return Err(Refusal::Query(
            "`follow` goes with `Accept: application/x-ndjson`; events always follow".to_owned(),
        ));
    }
    match form {
        api::NDJSON => tail::lines(app, &name, &query).await,
        api::EVENTS => tail::events(app, &name, &query, &parts.headers).await,
        api::RAW => raw::answer(app, &name, &query).await,
        _ => page(app, &name, &query).await,
    }
}

fn check(query: &ReadQuery) -> Result<(), Refusal> {
    let starts =
        [query.from.is_some(), query.offset.is_some(), query.timestamp.is_some(), query.cursor.is_some()];
    if starts.into_iter().filter(|given| *given).count() > 1 {
        return Err(Refusal::Query(
            "at most one of `from`, `offset`, `timestamp` and `cursor` says where to begin".to_owned(),
        ));
    }
    if query.timestamp.is_some_and(|time| time < 0) {
        return Err(Refusal::Query("`timestamp` is before 1970".to_owned()));
    }
    if query.limit == Some(0) {
        return Err(Refusal::Query("`limit` is 1 or more".to_owned()));
    }
    let wait_max = WAIT_MAX.as_millis();
    if query.wait.is_some_and(|wait| u128::from(wait) > wait_max) {
        return Err(Refusal::Query(format!("`wait` is {wait_max} milliseconds at most")));
    }
    Ok(())
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.split(',').any(|one| one.trim().eq_ignore_ascii_case("websocket")))
}

async fn page(app: App, name: &TopicName, query: &ReadQuery) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(PAGE_RECORDS_DEFAULT);
    if limit > PAGE_RECORDS_MAX {
        return Err(Refusal::Query(format!("`limit` is {PAGE_RECORDS_MAX} at most; NDJSON has no limit")));
    }
    let mut reader = Reader::open(app, name, query, Form::Page).await?;
    reader.limit(limit);
    let records = reader.poll(PAGE_BYTES_MAX, Duration::from_millis(query.wait.unwrap_or(0))).await?;
    let end = format!("],\"next\":\"{}\",\"lag\":{}}}", reader.cursor(), reader.lag());
    let body = records.between(b"{\"records\":[", end.as_bytes());
    Ok(([(header::CONTENT_TYPE, api::JSON)], body).into_response())
}
