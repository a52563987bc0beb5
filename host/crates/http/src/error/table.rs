//! The table: each thing that can go wrong, its code, and what to do about it. No wildcard arm, so that a new error in
//! any room asks here for its answer before it compiles.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use super::group::{group, stop_members};
use super::{Code, Refusal};
use crate::checkpoint::CheckpointError;
use crate::produce::parse::ParseError;
use potok_log::{
    AlterTopicError, AppendError, CommitError, ConfigError, CreateTopicError, DeleteRecordsError,
    DeleteTopicError, ReadError, StoreError,
};
use potok_plugin::{PushError, RemoveError};
use potok_processor::{DeployError, ProcessorError};
use potok_types::{ProcessorName, TopicName};

pub(super) type Row = (Code, String);

pub(super) fn say(code: Code, remedy: impl Into<String>) -> Row {
    (code, remedy.into())
}

/// Code and remedy.
pub(super) fn row(refusal: &Refusal) -> Row {
    match refusal {
        Refusal::AtLine { error, .. } | Refusal::AtRecord { error, .. } => row(error),
        Refusal::UnknownPath(_) => say(Code::UnknownPath, "See /openapi.json for the paths there are."),
        Refusal::MethodNotAllowed { .. } => {
            say(Code::MethodNotAllowed, "Use a method of the `Allow` header.")
        }
        Refusal::NotAcceptable { offered, .. } => {
            say(Code::NotAcceptable, format!("Accept one of: {offered}."))
        }
        Refusal::Origin(_) => say(Code::ForeignOrigin, "Name the page's origin in http.origins."),
        Refusal::Query(_) => say(Code::IllegalQuery, "Fix the query; /openapi.json lists its parameters."),
        Refusal::Header(_) => say(Code::IllegalHeader, "Fix the header."),
        Refusal::Name(_) | Refusal::BackupName(_) | Refusal::PathText => {
            say(Code::IllegalName, "Use 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'.")
        }
        Refusal::Json(_) => illegal_json(),
        Refusal::Body(_) => illegal_body(),
        Refusal::Parse(error) => parse(error),
        Refusal::ContentType { accepted, .. } => content_type(accepted),
        Refusal::ContentEncoding(_) => {
            say(Code::UnsupportedEncoding, "Send it uncompressed, or as gzip or zstd.")
        }
        Refusal::CutOff { .. } => say(Code::BodyCutOff, "Send the whole body."),
        Refusal::TooSlow { .. } => {
            say(Code::BodyTooSlow, "Send without long pauses, or in several requests.")
        }
        Refusal::Unpack(_) => say(Code::IllegalBody, "Make the body what `Content-Encoding` says it is."),
        Refusal::TooLarge { .. } => say(Code::BodyTooLarge, "Send less at once, or stream NDJSON."),
        Refusal::RecordTooLarge { .. } => record_too_large(),
        Refusal::Overloaded(_) => say(Code::Overloaded, "Try again in a moment."),
        Refusal::Stopping => say(Code::Stopping, "Try again when the server is back."),
        Refusal::UnknownTopic(_) => unknown_topic(),
        Refusal::UnknownPartition { topic, .. } => no_partition(topic),
        Refusal::InternalTopic(_) => {
            say(Code::InternalTopic, "You can only read it: `_potok.` topics are written by Potok itself.")
        }
        Refusal::TopicInUse { processor, .. } => say(Code::TopicInUse, delete_first(processor)),
        Refusal::Cursor { .. } => say(Code::OffsetOutOfRange, "Start over without the cursor."),
        Refusal::GroupHasMembers(_) => stop_members(),
        Refusal::GroupOfProcessor { processor, .. } => say(Code::GroupInUse, reset_instead(processor)),
        Refusal::UnknownModule(_) => unknown_module(),
        Refusal::ModuleInUse { processor, .. } => say(Code::ModuleInUse, delete_first(processor)),
        Refusal::Damaged { .. } => damaged(),
        Refusal::BackupsOff => say(Code::BackupsOff, "Start the server with http.backup_dir set."),
        Refusal::Panic(_) => report(),
        Refusal::Batch(_) => say(Code::IllegalBatch, "Send fewer records at once."),
        Refusal::CreateTopic(error) => create_topic(error),
        Refusal::AlterTopic(error) => alter_topic(error),
        Refusal::DeleteTopic(error) => delete_topic(error),
        Refusal::Append(error) => append(error),
        Refusal::Commit(error) => commit(error),
        Refusal::Read(error) => read(error),
        Refusal::DeleteRecords(error) => delete_records(error),
        Refusal::Group(error) => group(error),
        Refusal::Store(error) => store(error),
        Refusal::Push(error) => push(error),
        Refusal::Remove(error) => remove(error),
        Refusal::Deploy(error) => deploy(error),
        Refusal::Processor(error) => processor(error),
        Refusal::Checkpoint(error) => checkpoint(error),
    }
}

fn illegal_json() -> Row {
    say(Code::IllegalJson, "Send JSON (RFC 8259) in UTF-8.")
}

fn illegal_body() -> Row {
    say(Code::IllegalBody, "Fix the body; /openapi.json has its schema.")
}

fn parse(error: &ParseError) -> Row {
    match error {
        ParseError::Json(_) => illegal_json(),
        ParseError::Shape(_) | ParseError::Timestamp(_) => illegal_body(),
        ParseError::Base64 { .. } => say(Code::IllegalBase64, "Use RFC 4648, section 4, with padding."),
    }
}

fn content_type(accepted: &str) -> Row {
    say(
        Code::UnsupportedContentType,
        format!("Set the header `Content-Type` to what the body is; accepted here: {accepted}."),
    )
}

fn record_too_large() -> Row {
    say(Code::RecordTooLarge, "Send a smaller record, or raise the topic's max.message.bytes.")
}

fn unknown_topic() -> Row {
    say(Code::UnknownTopic, "Create it first: POST /v1/topics, or `potok topic create`.")
}

fn no_partition(topic: &TopicName) -> Row {
    say(Code::UnknownPartition, format!("Use a partition that GET /v1/topics/{topic} shows, or add some."))
}

fn unknown_module() -> Row {
    say(Code::UnknownModule, "Push it first: PUT /v1/modules/{name}, or `potok module push`.")
}

fn delete_first(processor: &ProcessorName) -> String {
    format!("Delete the processor first: `potok processor delete {processor}`.")
}

fn reset_instead(processor: &str) -> String {
    format!("Move the processor instead: `potok processor reset {processor}`.")
}

pub(super) fn report() -> Row {
    say(Code::Internal, "Please report it, along with what the server's log says.")
}

fn damaged() -> Row {
    say(Code::Damaged, "Read on after the damage, or restore the data from a backup; check the disk.")
}

fn config(error: &ConfigError) -> Row {
    match error {
        ConfigError::Unknown { .. } => say(Code::IllegalConfig, "Use one of the configs named."),
        ConfigError::Value { .. } => say(Code::IllegalConfig, "Fix the value."),
    }
}

fn create_topic(error: &CreateTopicError) -> Row {
    match error {
        CreateTopicError::Exists(_) => say(Code::TopicExists, "Use the existing topic, or another name."),
        CreateTopicError::Collides { .. } => {
            say(Code::TopicExists, "Use another name: metrics cannot tell these two apart.")
        }
        CreateTopicError::Partitions { .. } => {
            say(Code::IllegalPartitions, "Ask for a number in that range.")
        }
        CreateTopicError::Config(error) => config(error),
        CreateTopicError::Store(error) => store(error),
    }
}

fn alter_topic(error: &AlterTopicError) -> Row {
    match error {
        AlterTopicError::Unknown(_) => unknown_topic(),
        AlterTopicError::Partitions { .. } => say(
            Code::IllegalPartitions,
            "Ask for a number in that range: records would lose their place if partitions were taken away.",
        ),
        AlterTopicError::Config(error) => config(error),
        AlterTopicError::Store(error) => store(error),
    }
}

fn delete_topic(error: &DeleteTopicError) -> Row {
    match error {
        DeleteTopicError::Unknown(_) => {
            say(Code::UnknownTopic, "To see which there are: GET /v1/topics, or `potok topic list`.")
        }
        DeleteTopicError::Store(error) => store(error),
    }
}

fn unknown_partition() -> Row {
    say(Code::UnknownPartition, "The topic has just been deleted; to see which there are: GET /v1/topics.")
}

fn append(error: &AppendError) -> Row {
    match error {
        AppendError::UnknownPartition(_) => unknown_partition(),
        AppendError::TooLarge { .. } => record_too_large(),
        AppendError::Invalid(_) => say(Code::IllegalBatch, "Send the records again, fewer at once."),
        AppendError::KeyMissing { .. } => say(
            Code::KeyMissing,
            "Give each record a key: a compacted topic keeps the newest record of each key.",
        ),
        AppendError::OutOfOrder { .. } | AppendError::Fenced { .. } => {
            say(Code::ProducerConflict, "Start a new producer.")
        }
        AppendError::Overloaded => say(Code::Overloaded, "Try again in a moment, or send less at once."),
        AppendError::Store(error) => store(error),
    }
}

fn commit(error: &CommitError) -> Row {
    match error {
        CommitError::Append { error, .. } => append(error),
        CommitError::UnknownPartition(_) => unknown_partition(),
        CommitError::Store(error) => store(error),
    }
}

fn read(error: &ReadError) -> Row {
    match error {
        ReadError::UnknownPartition(_) => unknown_partition(),
        ReadError::OutOfRange { .. } => {
            say(Code::OffsetOutOfRange, "Begin in that range, or with from=earliest (`--from-beginning`).")
        }
        ReadError::Store(error) => store(error),
    }
}

fn delete_records(error: &DeleteRecordsError) -> Row {
    match error {
        DeleteRecordsError::UnknownPartition(_) => unknown_partition(),
        DeleteRecordsError::OutOfRange { .. } => say(Code::OffsetOutOfRange, "Delete up to there at most."),
        DeleteRecordsError::Store(error) => store(error),
    }
}

pub(super) fn store(error: &StoreError) -> Row {
    match error {
        StoreError::Io(_) => {
            say(Code::StorageFailed, "Check the disk and the server's log; then start the server again.")
        }
        StoreError::DiskFull { .. } => say(
            Code::WritesRefused,
            "Free some space on the log's disk; writes resume by themselves, and reads still work.",
        ),
        StoreError::Corrupt { .. } => damaged(),
        StoreError::WritesRefused(_) => say(
            Code::WritesRefused,
            "Look at /health for the reason, fix it, and restart the server; reads still work.",
        ),
        StoreError::Closed => say(Code::Stopping, "Try again when the server is back."),
    }
}

fn push(error: &PushError) -> Row {
    match error {
        PushError::NotWasm(_)
        | PushError::CoreModule
        | PushError::Truncated(_)
        | PushError::Malformed(_)
        | PushError::UnknownWorld { .. }
        | PushError::SeveralWorlds(_)
        | PushError::UnknownVersion { .. }
        | PushError::MissingImport { .. }
        | PushError::Shape(_)
        | PushError::Describe(_)
        | PushError::Description(_) => {
            say(Code::ModuleRefused, "Nothing was kept; fix it and push it again.")
        }
        PushError::TooLarge { .. } => {
            say(Code::BodyTooLarge, "Nothing was kept; make it smaller and push it again.")
        }
        PushError::Busy(_) => say(Code::Overloaded, "Push again in a moment."),
        PushError::Disk(_) => say(Code::StorageFailed, "Check the disk, and push again."),
    }
}

fn remove(error: &RemoveError) -> Row {
    match error {
        RemoveError::Unknown(_) => unknown_module(),
        RemoveError::Disk { .. } => say(Code::StorageFailed, "Check the disk, and try again."),
    }
}

fn deploy(error: &DeployError) -> Row {
    match error {
        DeployError::UnknownModule(_) => unknown_module(),
        DeployError::NotAProcessor(..) => {
            say(Code::IllegalDeployment, "Deploy a module that exports a processor.")
        }
        DeployError::UnknownInput(topic) | DeployError::UnknownOutput(topic) => say(
            Code::UnknownTopic,
            format!("Create it first: `potok topic create {topic} --partitions N`, or POST /v1/topics."),
        ),
        DeployError::Ports { .. } => say(Code::IllegalDeployment, "Name one topic for each, in that order."),
        DeployError::NotCoPartitioned(_) => say(
            Code::IllegalDeployment,
            "Add some to the smaller ones: `potok topic alter TOPIC --partitions N`.",
        ),
        DeployError::Config(_) => say(
            Code::IllegalDeployment,
            "Fix it; GET /v1/modules/{name} and `potok module inspect` show the schema.",
        ),
        DeployError::StateVersion { .. } => say(
            Code::StateVersion,
            "Set accept_state_version (`--accept-state-version`) if the module can read the old state, or reset the processor.",
        ),
        DeployError::Invalid(_) => say(Code::IllegalDeployment, "Fix the deployment."),
        DeployError::InputsChanged(_) => {
            say(Code::InputsChanged, "Delete the processor first, or deploy under a new name.")
        }
        DeployError::Log(_) => say(Code::StorageFailed, "Look at /health, and try again."),
    }
}

fn processor(error: &ProcessorError) -> Row {
    match error {
        ProcessorError::Unknown(_) => say(
            Code::UnknownProcessor,
            "To see which there are: GET /v1/processors, or `potok processor list`.",
        ),
        ProcessorError::Running(name) => {
            say(Code::ProcessorRunning, format!("Pause it first: `potok processor pause {name}`."))
        }
        ProcessorError::Invalid(_) => say(Code::IllegalReset, "Fix the request."),
        ProcessorError::Log(_) => say(Code::StorageFailed, "Look at /health, and try again."),
    }
}

fn checkpoint(error: &CheckpointError) -> Row {
    match error {
        CheckpointError::Exists(_) => say(Code::BackupExists, "Use another name, or remove the folder."),
        CheckpointError::Failed(_) => {
            say(Code::StorageFailed, "Check that the backup folder exists, is writable, and has room.")
        }
    }
}
