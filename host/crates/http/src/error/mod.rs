//! Everything that can be answered instead of what was asked for, and how that becomes a problem document.
//! In come the rooms' narrow errors and this room's own, out goes RFC 9457 by the one table (`table.rs`).

mod code;
mod group;
mod table;

pub use code::Code;

use crate::api::{PROBLEM_JSON, Problem};
use crate::checkpoint::CheckpointError;
use crate::produce::parse::ParseError;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use potok_coordinator::GroupRefusal;
use potok_log::{
    AlterTopicError, AppendError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    ReadError, StoreError,
};
use potok_plugin::{PushError, RemoveError};
use potok_processor::{DeployError, ProcessorError};
use potok_types::{BatchError, NameError, Offset, PartitionIndex, ProcessorName, TopicName};

/// Seconds after which an overloaded server may be asked again.
const RETRY_AFTER_SECONDS: &str = "1";

/// What is the matter with a request, or with the server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is nothing at {0}")]
    UnknownPath(String),
    #[error("{path} does not support {method}")]
    MethodNotAllowed { method: String, path: String },
    #[error("`Accept: {asked}` does not match any format this resource has")]
    NotAcceptable { asked: String, offered: &'static str },
    #[error("the request comes from a web page of {0}")]
    Origin(String),
    #[error("{0}")]
    Query(String),
    #[error("{0}")]
    Header(String),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("a backup cannot be named {0:?}")]
    BackupName(String),
    #[error("the name in the path is not UTF-8")]
    PathText,
    #[error("{0}")]
    Json(String),
    #[error("{0}")]
    Body(String),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("the body is {found}")]
    ContentType { found: String, accepted: &'static str },
    #[error("`Content-Encoding: {0}` is not supported")]
    ContentEncoding(String),
    #[error("the body was cut off after {received} bytes")]
    CutOff { received: u64 },
    #[error("the body came too slowly: {received} bytes, then no more for {seconds} s")]
    TooSlow { seconds: u64, received: u64 },
    #[error("the body cannot be decompressed: {0}")]
    Unpack(String),
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the record has {len} bytes, and the topic takes {limit} including overhead")]
    RecordTooLarge { len: usize, limit: usize },
    #[error("{0}")]
    Overloaded(&'static str),
    #[error("the server is stopping")]
    Stopping,
    #[error("there is no topic {0}")]
    UnknownTopic(TopicName),
    #[error("topic {topic} has partitions 0 to {}, not {partition}", .partitions.saturating_sub(1))]
    UnknownPartition { topic: TopicName, partition: u32, partitions: u32 },
    #[error("topic {0} is Potok's own")]
    InternalTopic(TopicName),
    #[error("processor {processor} uses topic {topic}")]
    TopicInUse { topic: TopicName, processor: ProcessorName },
    #[error("cursor names offset {asked} of partition {partition}, which ends at {end}")]
    Cursor { partition: u32, asked: u64, end: u64 },
    #[error("group {0:?} has members")]
    GroupHasMembers(String),
    #[error("group {group:?} holds the positions of processor {processor}")]
    GroupOfProcessor { group: String, processor: String },
    #[error("there is no module {0:?}")]
    UnknownModule(String),
    #[error("processor {processor} runs module {module:?}")]
    ModuleInUse { module: String, processor: ProcessorName },
    #[error("partition {partition} of topic {topic} at offset {offset}: {error}")]
    Damaged { topic: TopicName, partition: PartitionIndex, offset: Offset, error: BatchError },
    #[error("this server has no backup folder")]
    BackupsOff,
    #[error("{0}")]
    Panic(String),
    #[error("line {line}: {}", of_one_line(error))]
    AtLine { line: u64, error: Box<Refusal> },
    #[error("record {index} of the request: {error}")]
    AtRecord { index: usize, error: Box<Refusal> },
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    CreateTopic(#[from] CreateTopicError),
    #[error(transparent)]
    AlterTopic(#[from] AlterTopicError),
    #[error(transparent)]
    DeleteTopic(#[from] DeleteTopicError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    DeleteRecords(#[from] DeleteRecordsError),
    #[error(transparent)]
    Group(#[from] GroupRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error(transparent)]
    Remove(#[from] RemoveError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl Refusal {
    /// The same, said of a line of the body.
    pub(crate) fn at_line(self, line: u64) -> Refusal {
        Refusal::AtLine { line, error: Box::new(self) }
    }
    /// The same, said of an element of the body, counted from 0.
    pub(crate) fn at_record(self, index: usize) -> Refusal {
        Refusal::AtRecord { index, error: Box::new(self) }
    }
    /// The document that says it.
    pub(crate) fn problem(&self) -> Problem {
        let (code, remedy) = table::row(self);
        let line = if let Refusal::AtLine { line, .. } = self { Some(*line) } else { None };
        Problem {
            kind: format!("urn:potok:problem:{}", code.text()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            code: code.text().to_owned(),
            detail: cut(self.to_string()),
            remedy,
            line,
            acknowledged: None,
        }
    }
}

/// A parser counts the lines of what it is given, and that was one.
fn of_one_line(error: &Refusal) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// Longest `detail`, in bytes: what came from outside is quoted in it.
const DETAIL_LEN_MAX: usize = 4096;

fn cut(mut text: String) -> String {
    if text.len() > DETAIL_LEN_MAX {
        let end = (0..=DETAIL_LEN_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The answer that a problem is.
pub(crate) fn problem_response(problem: &Problem) -> Response {
    let status = axum::http::StatusCode::from_u16(problem.status);
    let status = status.unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
    if status == axum::http::StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = self.problem();
        if problem.status >= 500 {
            tracing::warn!(code = problem.code, detail = problem.detail, "http: request failed");
        }
        problem_response(&problem)
    }
}
