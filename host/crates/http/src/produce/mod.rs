//! Writing records: `POST /v1/topics/{topic}/records` in all its forms.
//! In come bodies, out go batches to the log and the place of each record back. A body of one of the JSON forms is written
//! all or not at all; a streamed one (a record a line) is written as it comes, and what was acknowledged stays.

mod batcher;
mod form;
mod lines;
pub(crate) mod parse;
mod receipts;
mod stream;

use crate::api::{
    Acks, Binary, KeyEncoding, NewRecords, Placed, ProduceEvent, ProduceQuery, Produced, Receipts,
};
use crate::app::{App, partition};
use crate::body::BodyReader;
use crate::error::Refusal;
use crate::extract::{Name, Query};
use crate::topics::refuse_internal;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use batcher::{Batcher, Filled};
use form::Form;
use parse::{Header, ParseError};
use potok_log::Topic;
use potok_types::{Timestamp, TopicName};
use std::sync::Arc;

/// Larger bodies are taken apart on a thread that may be busy: a MiB of JSON takes some milliseconds, in which other
/// connections would wait.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// What holds for every record of a request.
#[derive(Clone, Debug)]
struct Plan {
    topic: Arc<Topic>,
    /// Whether each record needs a key.
    compacted: bool,
    acks: potok_log::Acks,
    /// For records that bring none of their own.
    key: Option<Vec<u8>>,
    headers: Vec<Header<'static>>,
    partition: Option<u32>,
    timestamp: Option<Timestamp>,
    key_separator: Option<String>,
    receipts: Receipts,
}

/// Writes records. What the body is says its content type: one JSON value or an array of them (each a record's value),
/// NDJSON or text (a record a line, streamed both ways), raw bytes (one record), or records with all their parts.
#[utoipa::path(post, path = "/v1/topics/{topic}/records", tag = "records",
    params(("topic" = String, Path, description = "name of the topic"), ProduceQuery),
    request_body(description = "the records", content(
        (serde_json::Value = "application/json"),
        (NewRecords = "application/vnd.potok.records+json"),
        (String = "application/x-ndjson"),
        (String = "application/vnd.potok.records+ndjson"),
        (String = "text/plain"),
        (Binary = "application/octet-stream"))),
    responses((status = 200, description = "written; streamed forms answer a line for each batch", content(
        (Produced = "application/json"), (ProduceEvent = "application/x-ndjson")))))]
pub(crate) async fn produce(
    State(app): State<App>,
    Name(name): Name<TopicName>,
    Query(query): Query<ProduceQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let form = Form::of(&headers)?;
    let plan = Arc::new(plan(&app, &name, query, form)?);
    let mut body = BodyReader::new(body, app.settings.body_idle_timeout());
    if let Some(lines) = form.lines() {
        return stream::answer(app, plan, lines, body).await;
    }
    let written = whole(&app, plan, form, &mut body).await;
    if written.is_err() {
        body.discard().await;
    }
    Ok(axum::Json(written?).into_response())
}

fn plan(app: &App, name: &TopicName, query: ProduceQuery, form: Form) -> Result<Plan, Refusal> {
    refuse_internal(name)?;
    let topic = app.topic(name)?;
    if let Some(index) = query.partition {
        partition(&topic, index)?;
    }
    if query.timestamp.is_some_and(|time| time < 0) {
        return Err(Refusal::Query("`timestamp` is before 1970".to_owned()));
    }
    if query.key_encoding.is_some() && query.key.is_none() {
        return Err(Refusal::Query(
            "`key_encoding` says how `key` is written, but there is no `key`".to_owned(),
        ));
    }
    if query.key_separator.is_some() && form != Form::Text {
        return Err(Refusal::Query("`key_separator` only applies to text/plain".to_owned()));
    }
    if query.key_separator.as_deref() == Some("") {
        return Err(Refusal::Query("`key_separator` is empty".to_owned()));
    }
    let key = query
        .key
        .map(|text| decode_key(text, query.key_encoding.unwrap_or_default(), "`key`"))
        .transpose()?;
    let headers = query.headers.map(|text| parse::headers(text.as_bytes())).transpose();
    let headers = headers.map_err(|error| Refusal::Query(format!("`headers`: {error}")))?;
    Ok(Plan {
        compacted: topic.config.cleanup_policy().compact,
        topic,
        acks: acks(query.acks.unwrap_or_default()),
        key,
        headers: headers.unwrap_or_default(),
        partition: query.partition,
        timestamp: query.timestamp.map(Timestamp),
        key_separator: query.key_separator,
        receipts: query.receipts.unwrap_or_default(),
    })
}

fn acks(asked: Acks) -> potok_log::Acks {
    match asked {
        Acks::None => potok_log::Acks::None,
        Acks::Written => potok_log::Acks::Written,
        Acks::Synced => potok_log::Acks::Synced,
    }
}

fn decode_key(text: String, encoding: KeyEncoding, what: &'static str) -> Result<Vec<u8>, ParseError> {
    match encoding {
        KeyEncoding::Text => Ok(text.into_bytes()),
        KeyEncoding::Base64 => parse::decode_base64(text.as_bytes(), what),
    }
}

/// Reads the whole body, then writes all its records or none.
async fn whole(app: &App, plan: Arc<Plan>, form: Form, body: &mut BodyReader) -> Result<Produced, Refusal> {
    let held = body.all(&app.limits, app.settings.body_bytes_max).await?;
    let bytes = held.bytes.len();
    let filled = if bytes <= INLINE_BYTES_MAX {
        fill(app, &plan, form, &held.bytes)?
    } else {
        let (app, plan) = (app.clone(), Arc::clone(&plan));
        app.clone().limits.blocking(move || fill(&app, &plan, form, &held.bytes)).await?
    };
    app.metrics.produced(&plan.topic.name, filled.len(), bytes);
    let records = filled.commit(app, &plan).await?.into_iter();
    Ok(Produced { records: records.map(|(partition, offset)| Placed { partition, offset }).collect() })
}

fn fill(app: &App, plan: &Plan, form: Form, bytes: &[u8]) -> Result<Filled, Refusal> {
    let mut batcher = Batcher::new(app, plan);
    match form {
        Form::Json => {
            for (index, value) in parse::values(bytes)?.enumerate() {
                batcher.push(&value).map_err(|refusal| refusal.at_record(index))?;
            }
        }
        Form::RecordsJson => {
            for (index, record) in parse::records(bytes)?.enumerate() {
                let pushed = record.map_err(Refusal::from).and_then(|record| batcher.push(&record));
                pushed.map_err(|refusal| refusal.at_record(index))?;
            }
        }
        Form::Raw | Form::Ndjson | Form::RecordsNdjson | Form::Text => batcher.push(&parse::raw(bytes))?,
    }
    batcher.take()
}
