//! The forms that a body of records may have, by content type.

use crate::api;
use crate::error::Refusal;
use crate::extract::{content_type, found_or_nothing};
use axum::http::HeaderMap;

/// The content types in words.
const ACCEPTED: &str = "application/json, application/x-ndjson, application/vnd.potok.records+json, \
                        application/vnd.potok.records+ndjson, text/plain or application/octet-stream";

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One value or an array of them.
    Json,
    /// Records with all their parts.
    RecordsJson,
    /// One record of the bytes as they are.
    Raw,
    /// A value a line.
    Ndjson,
    /// A record with all its parts a line.
    RecordsNdjson,
    /// A text a line.
    Text,
}

/// What a line of a streamed body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineForm {
    /// A JSON value.
    Value,
    /// A record with all its parts.
    Record,
    /// A text.
    Text,
}

impl Form {
    /// As the headers say; a body of no stated kind is refused rather than guessed at.
    pub(super) fn of(headers: &HeaderMap) -> Result<Form, Refusal> {
        let found = content_type(headers);
        match found.as_deref() {
            Some(api::JSON) => Ok(Form::Json),
            Some(api::RECORDS_JSON) => Ok(Form::RecordsJson),
            Some(api::RAW) => Ok(Form::Raw),
            Some(api::NDJSON | "application/ndjson" | "application/jsonl") => Ok(Form::Ndjson),
            Some(api::RECORDS_NDJSON) => Ok(Form::RecordsNdjson),
            Some(api::TEXT) => Ok(Form::Text),
            _ => Err(Refusal::ContentType { found: found_or_nothing(found), accepted: ACCEPTED }),
        }
    }
    /// Of a streamed body, what its lines are.
    pub(super) fn lines(self) -> Option<LineForm> {
        match self {
            Form::Json | Form::RecordsJson | Form::Raw => None,
            Form::Ndjson => Some(LineForm::Value),
            Form::RecordsNdjson => Some(LineForm::Record),
            Form::Text => Some(LineForm::Text),
        }
    }
}
