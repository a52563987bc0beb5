//! The codes of `/v1`: what a program may match on, and the command line has its remedies by. A code keeps its meaning and its status for ever.

use axum::http::StatusCode;

macro_rules! codes {
    ($($code:ident = $status:ident, $text:literal, $title:literal;)*) => {
        /// A stable code with its status and its title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($code),* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];
            /// The HTTP status.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Code::$code => StatusCode::$status),* }
            }
            /// The word in `code`.
            pub fn text(self) -> &'static str {
                match self { $(Code::$code => $text),* }
            }
            /// The code that is written so; none for one of another version.
            pub fn of(text: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.text() == text)
            }
            /// The words in `title`.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Code::$code => $title),* }
            }
        }
    };
}

codes! {
    UnknownPath = NOT_FOUND, "unknown-path", "There is nothing at this path";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The path does not support the method";
    ForeignOrigin = FORBIDDEN, "foreign-origin", "Web pages of other origins may not call this server";
    NotAcceptable = NOT_ACCEPTABLE, "not-acceptable", "There is no answer in the requested format";
    IllegalQuery = BAD_REQUEST, "illegal-query", "The query is wrong";
    IllegalName = BAD_REQUEST, "illegal-name", "The name is not legal";
    IllegalJson = BAD_REQUEST, "illegal-json", "The body is not JSON";
    IllegalBody = BAD_REQUEST, "illegal-body", "The body is not what this resource expects";
    IllegalBase64 = BAD_REQUEST, "illegal-base64", "The text is not valid base64";
    IllegalHeader = BAD_REQUEST, "illegal-header", "A header of the request is wrong";
    BodyCutOff = BAD_REQUEST, "body-cut-off", "The body ends before its end";
    BodyTooSlow = REQUEST_TIMEOUT, "body-too-slow", "The body stopped coming";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    UnsupportedContentType = UNSUPPORTED_MEDIA_TYPE, "unsupported-content-type", "The content type is not supported";
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported-content-encoding", "The content encoding is not supported";
    UnknownTopic = NOT_FOUND, "unknown-topic", "There is no such topic";
    UnknownPartition = NOT_FOUND, "unknown-partition", "There is no such partition";
    TopicExists = CONFLICT, "topic-exists", "The topic already exists";
    TopicInUse = CONFLICT, "topic-in-use", "A processor uses the topic";
    InternalTopic = FORBIDDEN, "internal-topic", "The topic is Potok's own";
    IllegalPartitions = BAD_REQUEST, "illegal-partitions", "The number of partitions is not legal";
    IllegalConfig = BAD_REQUEST, "illegal-config", "A config is not legal";
    RecordTooLarge = PAYLOAD_TOO_LARGE, "record-too-large", "A record is larger than the topic takes";
    KeyMissing = BAD_REQUEST, "key-missing", "A record needs a key";
    IllegalBatch = BAD_REQUEST, "illegal-batch", "The records do not make a valid batch";
    ProducerConflict = CONFLICT, "producer-conflict", "The producer's sequence does not fit";
    OffsetOutOfRange = BAD_REQUEST, "offset-out-of-range", "There is no such offset";
    UnknownGroup = NOT_FOUND, "unknown-group", "There is no such group";
    GroupInUse = CONFLICT, "group-in-use", "The group is in use";
    UnknownModule = NOT_FOUND, "unknown-module", "There is no such module";
    ModuleInUse = CONFLICT, "module-in-use", "A processor runs the module";
    ModuleRefused = UNPROCESSABLE_ENTITY, "module-refused", "The module is not accepted";
    UnknownProcessor = NOT_FOUND, "unknown-processor", "There is no such processor";
    ProcessorRunning = CONFLICT, "processor-running", "The processor is running";
    IllegalDeployment = UNPROCESSABLE_ENTITY, "illegal-deployment", "The deployment is not accepted";
    StateVersion = CONFLICT, "state-version", "The stored state is of another version";
    InputsChanged = CONFLICT, "inputs-changed", "The processor reads other inputs";
    IllegalReset = BAD_REQUEST, "illegal-reset", "The processor cannot be moved there";
    BackupsOff = FORBIDDEN, "backups-off", "Backups over HTTP are off";
    BackupExists = CONFLICT, "backup-exists", "A backup of this name already exists";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "The server is busy";
    WritesRefused = SERVICE_UNAVAILABLE, "writes-refused", "The log refuses writes";
    Stopping = SERVICE_UNAVAILABLE, "stopping", "The server is stopping";
    Damaged = INTERNAL_SERVER_ERROR, "damaged", "Stored data is damaged";
    StorageFailed = INTERNAL_SERVER_ERROR, "storage-failed", "The storage failed";
    Internal = INTERNAL_SERVER_ERROR, "internal", "The server made a mistake";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_reference_has_a_row_for_each_code_and_no_other() {
        let page = include_str!("../../../../../docs/reference/http.md");
        let rows: HashSet<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"))
            .filter(|(status, _)| status.parse::<u16>().is_ok())
            .filter_map(|(status, rest)| Some(format!("{status} {}", rest.rsplit_once(" | ")?.0)))
            .collect();
        let row = |code: &Code| format!("{} {}` | {}", code.status().as_u16(), code.text(), code.title());
        assert_eq!(rows, Code::ALL.iter().map(row).collect());
    }
    #[test]
    fn every_code_has_a_word_of_its_own() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.text()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(
            Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error())
        );
    }
}
