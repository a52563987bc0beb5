//! What to do about a refusal, as a command: the server's own remedies speak to programs that call it over HTTP.
//! In come a problem document and the path that was asked for, out goes what to type. The table has an arm for every code of the
//! server's and no wildcard: a new code asks for its words here.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use potok_http::{Code, api};
use reqwest::Url;

/// What a request was about: the segments of its path behind `/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    segments: Vec<String>,
}

impl Asked {
    /// From the address that was asked.
    pub fn of(url: &Url) -> Asked {
        let decoded = |segment: &str| percent_decoded(segment);
        let behind = url.path_segments().into_iter().flatten().skip_while(|segment| *segment != "v1").skip(1);
        Asked { segments: behind.map(decoded).collect() }
    }
    /// The name of the topic (or another `kind`), where the path has one; else a word in capitals for the user to replace.
    fn name(&self, kind: &str) -> &str {
        match self.segments.as_slice() {
            [asked, name, ..] if asked == kind => name,
            _ => match kind {
                "topics" => "TOPIC",
                "groups" => "GROUP",
                "modules" => "MODULE",
                _ => "NAME",
            },
        }
    }
    fn is_about(&self, kind: &str) -> bool {
        self.segments.first().is_some_and(|asked| asked == kind)
    }
}

fn percent_decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = segment.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                text.push(escaped);
                at += 3;
            }
            _ => {
                text.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What to do about `problem`; none when neither side knows.
pub(crate) fn remedy(problem: &api::Problem, asked: &Asked) -> Option<String> {
    let ours = Code::of(&problem.code).and_then(|code| in_commands(code, asked, &problem.remedy));
    ours.or_else(|| Some(in_our_form(&problem.remedy)).filter(|text| !text.is_empty()))
}

/// The server's sentence as a line of ours: small first letter, no ticks, no full stop.
fn in_our_form(text: &str) -> String {
    let text = text.replace('`', "");
    let mut letters = text.strip_suffix('.').unwrap_or(&text).chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

/// Whether a sentence of the server's sends its reader to a request.
fn speaks_http(text: &str) -> bool {
    ["/v1", "/openapi", "/health", "GET ", "PUT ", "POST ", "`Allow`", "`Content-"]
        .iter()
        .any(|word| text.contains(word))
}

const OTHER_SERVER: &str =
    "is --server the address of a Potok server, and is it of this version (potok --version)?";
const LINES: &str =
    "fix that line, or say what the lines are: --format text, json or records (potok produce --help)";
const KEYS: &str =
    "give each record a key, with --key, --key-separator or --format records: the newest of each key is kept";
const WRITES: &str = "look for the reason in the server's log, fix it, and restart the server";

const HELP: &str = "see the command's --help for what it takes";

fn partitions(topic: &str) -> String {
    format!(
        "to see its partitions: potok topic describe {topic}; to add some: potok topic alter {topic} --partitions N"
    )
}

fn larger(topic: &str) -> String {
    format!(
        "send smaller records, or raise the limit: potok topic alter {topic} --config max.message.bytes=N"
    )
}

fn those_there_are(kind: &str) -> String {
    format!("to see which there are: potok {kind} list")
}

fn stop_members(group: &str) -> String {
    format!(
        "stop its members first: potok group describe {group} shows them; one that died without leaving is dropped when its session times out"
    )
}

fn state_version(processor: &str) -> String {
    format!(
        "pass --accept-state-version if the module can read the old state, or start over: \
         potok processor pause {processor} && potok processor reset {processor} --to earliest"
    )
}

/// The command for a code; none where the server's words, `theirs`, say it as well on a command line.
fn in_commands(code: Code, asked: &Asked, theirs: &str) -> Option<String> {
    let (topic, processor, module) = (asked.name("topics"), asked.name("processors"), asked.name("modules"));
    let of_topic = asked.is_about("topics");
    let plain = !speaks_http(theirs);
    Some(match code {
        // said with several remedies, most of which hold for everybody
        Code::IllegalDeployment | Code::GroupInUse | Code::StorageFailed | Code::WritesRefused if plain => {
            return None;
        }
        Code::UnknownPath
        | Code::MethodNotAllowed
        | Code::NotAcceptable
        | Code::UnsupportedContentType
        | Code::UnsupportedEncoding => OTHER_SERVER.to_owned(),
        Code::IllegalJson | Code::IllegalBody if of_topic => LINES.to_owned(),
        Code::IllegalQuery | Code::IllegalHeader | Code::IllegalJson | Code::IllegalBody => HELP.to_owned(),
        Code::IllegalBase64 => "write it as base64 with padding (RFC 4648, section 4)".to_owned(),
        Code::BodyTooLarge if of_topic => "make the lines shorter, or split the input".to_owned(),
        Code::UnknownTopic if of_topic => {
            format!("create it: potok topic create {topic}; to see which there are: potok topic list")
        }
        Code::UnknownTopic => those_there_are("topic"),
        Code::UnknownPartition => partitions(topic),
        Code::RecordTooLarge => larger(topic),
        Code::KeyMissing => KEYS.to_owned(),
        Code::OffsetOutOfRange if of_topic => {
            format!(
                "start within that range, or use --from-beginning; potok topic describe {topic} shows what there is"
            )
        }
        Code::OffsetOutOfRange => format!("to see what there is: potok topic describe {topic}"),
        Code::UnknownGroup => those_there_are("group"),
        Code::GroupInUse => stop_members(asked.name("groups")),
        Code::UnknownModule => {
            format!(
                "push it: potok module push {module} FILE.wasm; to see which there are: potok module list"
            )
        }
        Code::UnknownProcessor => those_there_are("processor"),
        Code::IllegalDeployment => "to see what the module takes: potok module inspect MODULE".to_owned(),
        Code::StateVersion => state_version(processor),
        Code::InputsChanged => {
            format!("delete it first: potok processor delete {processor}; or deploy under another name")
        }
        Code::BackupExists => "give another --name, or remove the folder".to_owned(),
        Code::StorageFailed | Code::WritesRefused => WRITES.to_owned(),
        Code::ForeignOrigin
        | Code::IllegalName
        | Code::BodyCutOff
        | Code::BodyTooSlow
        | Code::BodyTooLarge
        | Code::TopicExists
        | Code::TopicInUse
        | Code::InternalTopic
        | Code::IllegalPartitions
        | Code::IllegalConfig
        | Code::IllegalBatch
        | Code::ProducerConflict
        | Code::ModuleInUse
        | Code::ModuleRefused
        | Code::ProcessorRunning
        | Code::IllegalReset
        | Code::BackupsOff
        | Code::Overloaded
        | Code::Stopping
        | Code::Damaged
        | Code::Internal => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> Asked {
        Asked::of(&Url::parse("http://h/base").unwrap().join(path).unwrap())
    }
    #[track_caller]
    fn check(path: &str, code: &str, theirs: &str, expect: &str) {
        let problem = api::Problem {
            kind: String::new(),
            title: String::new(),
            status: 404,
            code: code.to_owned(),
            detail: String::new(),
            remedy: theirs.to_owned(),
            line: None,
            acknowledged: None,
        };
        assert_eq!(remedy(&problem, &asked(path)).unwrap_or_default(), expect);
    }

    #[test]
    fn a_remedy_is_a_command_with_the_name_that_was_asked_for() {
        let theirs = "Create it first: POST /v1/topics, or `potok topic create`.";
        let ours = |name: &str| {
            format!("create it: potok topic create {name}; to see which there are: potok topic list")
        };
        check("/base/v1/topics/orders/records?x=1", "unknown-topic", theirs, &ours("orders"));
        check("/v1/topics/a%20b", "unknown-topic", theirs, &ours("a b"));
        check("/v1/groups/g/offsets", "unknown-topic", theirs, "to see which there are: potok topic list");
    }
    #[test]
    fn the_servers_words_stand_where_they_hold_for_everybody() {
        check("/v1/topics/t", "topic-in-use", "Delete it. Or wait.", "delete it. Or wait");
        let own = "Move the processor instead: `potok processor reset p`.";
        check(
            "/v1/groups/processor.p",
            "group-in-use",
            own,
            "move the processor instead: potok processor reset p",
        );
        check("/v1/topics", "of-a-newer-server", "Think again.", "think again");
        check("/v1/topics", "of-a-newer-server", "", "");
    }
    #[test]
    fn no_code_sends_a_user_of_the_command_line_to_a_request() {
        for code in Code::ALL {
            for path in
                ["/v1/topics/t/records", "/v1/modules/m", "/v1/processors/p", "/v1/groups/g", "/v1/backups"]
            {
                let said = in_commands(*code, &asked(path), "See GET /v1/topics.").unwrap_or_default();
                assert!(!speaks_http(&said), "{code:?}: {said}");
                assert!(said.chars().next().is_none_or(char::is_lowercase) && !said.ends_with('.'), "{said}");
            }
        }
    }
}
