//! One record as the bytes of its value, with the rest in headers.

use super::reader::Reader;
use super::render::Form;
use crate::api::{RAW, ReadQuery};
use crate::app::App;
use crate::error::Refusal;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use potok_types::TopicName;
use std::time::Duration;

/// The cursor of the next read.
const NEXT: HeaderName = HeaderName::from_static("potok-next");

/// Answers the next record, or that there is none.
pub(super) async fn answer(app: App, name: &TopicName, query: &ReadQuery) -> Result<Response, Refusal> {
    if query.limit.is_some_and(|limit| limit > 1) {
        return Err(Refusal::Query("raw bytes are those of one record: `limit` is 1".to_owned()));
    }
    let mut reader = Reader::open(app, name, query, Form::Raw).await?;
    reader.limit(1);
    let found = Bytes::from(reader.poll(1, Duration::from_millis(query.wait.unwrap_or(0))).await?);
    let mut response = match memchr::memchr(b'\n', &found) {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(end) => {
            let mut response = ([(header::CONTENT_TYPE, RAW)], found.slice(end + 1..)).into_response();
            headers(&found[..end], response.headers_mut());
            response
        }
    };
    if let Ok(next) = HeaderValue::from_str(&reader.cursor()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(response)
}

/// Names and values as `Form::Raw` writes them: digits, base64 and words, so that none is refused.
fn headers(line: &[u8], to: &mut HeaderMap) {
    for pair in line.split(|byte| *byte == b',') {
        let Some(colon) = memchr::memchr(b':', pair) else { continue };
        let name = HeaderName::from_bytes(&pair[..colon]);
        let value = HeaderValue::from_bytes(&pair[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            to.insert(name, value);
        }
    }
}
