//! The HTTP client of every command: requests in the server's own words, answers as values, refusals as sentences.
//! In come paths and bodies of `potok_http::api`, out go its answers or a [`Failure`] with the exit code that fits.
//! Nothing is retried here: a command that failed says what was done, and its user decides.

use crate::exit::{Exit, Failure};
use crate::remedy::{Asked, remedy};
use futures::{Stream, StreamExt};
use potok_http::api;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

/// A server on this machine or the next answers a connection at once; longer means that nobody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest line of a streamed answer: the largest legal batch (256 MiB) as base64, with room for its other parts.
const LINE_LEN_MAX: usize = 400 << 20;
/// What of an answer that is no problem document is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Talks to one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
}

impl Client {
    /// A client of the server at `server`, such as `http://127.0.0.1:8080`.
    pub fn new(server: &str) -> Result<Client, Failure> {
        let wrong = |why: &str| {
            let host =
                server.rsplit("://").next().filter(|host| !host.is_empty()).unwrap_or("127.0.0.1:8080");
            Failure::usage(format!("{server:?} is not a server address: {why}"))
                .remedy(format!("write it as http://{host}"))
        };
        if !server.starts_with("http://") {
            return Err(wrong("it must begin with http://"));
        }
        let url = Url::parse(server).map_err(|error| wrong(&error.to_string()))?;
        // Within one machine compressing costs more than it saves.
        let far = !matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().gzip(far).build();
        let http = http.map_err(|error| Failure::failed(format!("cannot make an HTTP client: {error}")))?;
        Ok(Client { http, server: url })
    }
    /// The server's address.
    pub fn server(&self) -> &Url {
        &self.server
    }
    /// As its user would write it.
    pub fn shown_server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }
    /// A request on `/v1/` and these segments, each escaped.
    pub fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1").extend(segments);
        }
        self.http.request(method, url)
    }
    /// Reads a resource.
    pub async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Failure> {
        self.answer(self.request(Method::GET, segments)).await
    }
    /// Sends `body` as JSON and reads what is answered.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.answer(self.request(method, segments).json(body)).await
    }
    /// Does something that needs no body and answers nothing of interest.
    pub async fn act(&self, method: Method, segments: &[&str]) -> Result<(), Failure> {
        self.open(self.request(method, segments)).await.map(|_| ())
    }
    /// Sends a request and reads its JSON answer.
    pub async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let bytes = self.open(request).await?.bytes().await.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&bytes).map_err(|_| not_potok(self.shown_server(), &shown(&bytes)))
    }
    /// Sends a request; the answer's body is still to be read. Refusals have become failures.
    pub async fn open(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.lost(&error))?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(refused(response).await),
        }
    }
    /// How the server is. One that is not well says so with a status of its own, and is no failure here.
    pub async fn health(&self) -> Result<api::Health, Failure> {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("health");
        }
        let response = self.http.get(url).send().await.map_err(|error| self.lost(&error))?;
        let bytes = response.bytes().await.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&bytes).map_err(|_| not_potok(self.shown_server(), &shown(&bytes)))
    }
    /// Reads an answer line by line as it comes.
    pub fn lines(&self, response: Response) -> impl Stream<Item = Result<String, Failure>> + Unpin + use<> {
        let client = self.clone();
        let bytes =
            response.bytes_stream().map(|chunk| chunk.map_err(|error| std::io::Error::other(causes(&error))));
        let lines = FramedRead::new(
            StreamReader::new(Box::pin(bytes)),
            LinesCodec::new_with_max_length(LINE_LEN_MAX),
        );
        lines.map(move |line| {
            line.map_err(|error| match error {
                LinesCodecError::Io(error) => client.cut(&error),
                LinesCodecError::MaxLineLengthExceeded => Failure::failed(format!(
                    "{} answered a line of more than {LINE_LEN_MAX} bytes",
                    client.server
                )),
            })
        })
    }
    fn lost(&self, error: &reqwest::Error) -> Failure {
        if let Some(input) = input_error(error) {
            return Failure::failed(input.to_string());
        }
        if error.is_connect() || error.is_timeout() {
            return Failure::new(Exit::Unreachable, format!("no server answers at {}", self.shown_server()))
                .remedy("start one with potok serve --data DIR, or point --server at another one");
        }
        self.cut(&std::io::Error::other(causes(error)))
            .remedy("is that a Potok server's HTTP address? whatever it acknowledged is safe")
    }
    /// The connection broke while an answer was read.
    pub fn cut(&self, error: &std::io::Error) -> Failure {
        Failure::new(Exit::Unreachable, format!("lost the connection to {}: {error}", self.shown_server()))
            .remedy("check the server's log; whatever it acknowledged is safe")
    }
}

/// What was to be sent and could not be read: no fault of the server's.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {error}")]
pub struct InputError {
    /// The file, or `stdin`.
    pub name: String,
    /// Why.
    pub error: std::io::Error,
}

fn input_error(error: &reqwest::Error) -> Option<&InputError> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(input) = cause.downcast_ref() {
            return Some(input);
        }
        source = cause.source();
    }
    None
}

/// An error with what is behind it: reqwest's own words say only that something went wrong.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

async fn refused(response: Response) -> Failure {
    let status = response.status();
    let asked = Asked::of(response.url());
    let server = response.url().origin().ascii_serialization();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(api::PROBLEM_JSON.as_bytes()));
    let body = response.bytes().await.unwrap_or_default();
    match serde_json::from_slice::<api::Problem>(&body) {
        Ok(problem) if is_problem => failure_of(problem, &asked),
        _ => not_potok(&server, &format!("{status} and {}", shown(&body))),
    }
}

/// Somebody else answered, or a server of another version.
fn not_potok(server: &str, answer: &str) -> Failure {
    Failure::failed(format!("{server} did not answer as a Potok server of this version does: {answer}"))
        .remedy("is --server right? potok serve prints its address")
}

/// The beginning of an answer that is not understood, on one line and without what a terminal would obey.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = words.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown }
}

/// The failure that a stream ends with, when `line` says one: its status was sent long before.
pub fn last_words(line: &str, asked: &Asked) -> Option<Failure> {
    #[derive(Deserialize)]
    struct LastWords {
        problem: api::Problem,
    }
    // A record or a log line begins with another name, so that no value of a user's can be taken for this.
    let looks_like_it = line.starts_with("{\"problem\":");
    let said = looks_like_it.then(|| serde_json::from_str::<LastWords>(line).ok())??;
    Some(failure_of(said.problem, asked))
}

/// A problem document as a failure: the exit code follows from the status, what to do from the code and what was `asked`.
pub fn failure_of(problem: api::Problem, asked: &Asked) -> Failure {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let remedy = remedy(&problem, asked);
    // names the line already, when one is to blame
    let mut what = problem.detail;
    if let Some(records) = problem.acknowledged {
        what.push_str(&match records {
            0 => "; nothing was written".to_owned(),
            1 => "; 1 record before it was written".to_owned(),
            _ => format!("; {} before it were written", crate::output::counted(records, "record")),
        });
    }
    Failure { exit: exit_of(status), code: problem.code.into(), what, remedy }
}

fn exit_of(status: StatusCode) -> Exit {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Exit::NotFound,
        _ if status.is_client_error() => Exit::Refused,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_a_host() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1/", "http://proxy/potok"] {
            assert!(Client::new(good).is_ok(), "{good}");
        }
        for wrong in ["127.0.0.1:8080", "https://a", "", "localhost"] {
            assert_eq!(Client::new(wrong).map(|_| ()).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
    #[test]
    fn names_are_escaped_in_paths() {
        let client = Client::new("http://h/base/").unwrap();
        let request = client.request(Method::GET, &["topics", "a/b ?"]).build().unwrap();
        assert_eq!(request.url().as_str(), "http://h/base/v1/topics/a%2Fb%20%3F");
    }
    #[test]
    fn a_stream_that_ends_with_a_problem_has_failed_and_a_record_has_not() {
        let problem = r#"{"type":"","title":"","status":500,"code":"damaged","detail":"offset 1 is damaged","remedy":"Read on."}"#;
        let failure = last_words(&format!("{{\"problem\":{problem}}}"), &Asked::default()).unwrap();
        assert_eq!((failure.exit, failure.what.as_str()), (Exit::Failed, "offset 1 is damaged"));
        let record =
            format!("{{\"partition\":0,\"offset\":0,\"timestamp\":0,\"value\":{{\"problem\":{problem}}}}}");
        let asked = Asked::default();
        assert!(last_words(&record, &asked).is_none() && last_words("", &asked).is_none());
    }
    #[test]
    fn a_problem_becomes_a_sentence_and_an_exit_code() {
        let problem = api::Problem {
            kind: String::new(),
            title: String::new(),
            status: 404,
            code: "unknown-topic".into(),
            detail: "line 7: there is no topic a".into(),
            remedy: "create it".into(),
            line: Some(7),
            acknowledged: Some(1),
        };
        let failure = failure_of(problem, &Asked::default());
        assert_eq!((failure.exit, failure.code.as_ref()), (Exit::NotFound, "unknown-topic"));
        assert_eq!(failure.what, "line 7: there is no topic a; 1 record before it was written");
    }
}
