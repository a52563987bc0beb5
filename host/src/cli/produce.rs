//! `potok produce TOPIC < lines`: streams stdin to the server as it comes.
//! In come lines, out go records; memory holds a few chunks whatever comes, because the server's pace holds the reader back.
//! What the server acknowledged is counted and said, also when the rest failed.

use super::OutputArg;
use super::ages::Ages;
use super::values::{LineFormat, Setting, setting};
use crate::client::{Client, InputError, failure_of};
use crate::exit::{Exit, Failure};
use crate::output::{Page, bytes, counted, note, thousands, time};
use crate::remedy::Asked;
use bytes::Bytes;
use clap::Args;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use potok_http::api;
use potok_types::{SystemClock, TopicName};
use reqwest::{Body, Method, Response, header};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes read from stdin at a time: large enough that a pipe is drained in one call.
const CHUNK_LEN: usize = 64 << 10;
/// Chunks that wait for the network: enough to overlap reading and sending, little enough to feel the server's pace.
const CHUNKS_MAX: usize = 8;
/// How often the progress line moves.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Appends lines from stdin to a topic.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    echo hello | potok produce greetings\n  \
    printf 'UA:late\\nAA:on time\\n' | potok produce flights --key-separator :\n  \
    echo '{\"late\":31}' | potok produce flights --format json --key UA --header source=tower\n  \
    potok consume flights --from-beginning --output json | potok produce copy --format records\n  \
    tail -f app.log | potok produce logs --acks 1")]
pub(super) struct Produce {
    /// The topic
    topic: TopicName,
    /// Split each line at the first SEP: the key is before it, the value after it
    #[arg(long, value_name = "SEP", conflicts_with = "key")]
    key_separator: Option<String>,
    /// Key for every record
    #[arg(long, short)]
    key: Option<String>,
    /// A header for every record that has none of its own; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = setting)]
    headers: Vec<Setting>,
    /// Partition for every record [default: chosen by key]
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    partition: Option<u32>,
    /// What each line is
    #[arg(long, short, value_enum, default_value_t = LineFormat::Text)]
    format: LineFormat,
    /// When a record counts as written
    #[arg(long, value_enum, default_value_t = AcksArg::All, allow_negative_numbers = true)]
    acks: AcksArg,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AcksArg {
    /// Once queued; nothing is promised
    #[value(name = "0")]
    None,
    /// Once written; survives the server being killed
    #[value(name = "1")]
    Written,
    /// Once synced to disk; survives a power failure
    #[value(alias = "-1")]
    All,
}

/// What was written.
#[derive(Debug, Default, Serialize)]
struct Summary {
    topic: String,
    records: u64,
    lines: u64,
    bytes: u64,
    partitions: BTreeMap<u32, u64>,
    millis: u64,
}

impl Produce {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.key_separator.is_some() && self.format != LineFormat::Text {
            return Err(Failure::usage("--key-separator only works with --format text"));
        }
        let clock = SystemClock::shared();
        let started = clock.monotonic();
        let sent = Arc::new(AtomicU64::new(0));
        // Asked first, because a server that refuses while lines still stream may close before its answer is read.
        let topic: api::Topic = client.get(&["topics", self.topic.as_str()]).await?;
        // Elsewhere a record is as old as its arrival.
        let dated = self.format == LineFormat::Records;
        let ages = dated.then(|| Ages::of(&topic.configs, clock.now())).flatten();
        let ages = ages.map(|ages| Watched { topic: self.topic.clone(), ages });
        let request = client.request(Method::POST, &["topics", self.topic.as_str(), "records"]);
        let request = request.query(&self.query()?).header(header::CONTENT_TYPE, self.content_type());
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            note("each line you type becomes a record (Ctrl-D ends)");
        }
        let mut summary = Summary { topic: self.topic.to_string(), ..Summary::default() };
        let response = client.open(request.body(stdin_body(Arc::clone(&sent), ages)?)).await;
        let response = response.map_err(|failure| match failure.exit {
            Exit::Unreachable => so_far(failure, &summary),
            _ => failure,
        })?;
        let progress = progress_line();
        let ended = follow(client, response, &mut summary, &sent, &progress).await;
        progress.finish_and_clear();
        ended?;
        summary.bytes = sent.load(Ordering::Relaxed);
        summary.millis =
            u64::try_from(clock.monotonic().saturating_sub(started).as_millis()).unwrap_or(u64::MAX);
        self.output.open().show(&summary, page)
    }
    fn query(&self) -> Result<api::ProduceQuery, Failure> {
        Ok(api::ProduceQuery {
            partition: self.partition,
            key: self.key.clone(),
            headers: self.headers()?,
            key_separator: self.key_separator.clone(),
            acks: Some(match self.acks {
                AcksArg::None => api::Acks::None,
                AcksArg::Written => api::Acks::Written,
                AcksArg::All => api::Acks::Synced,
            }),
            ..api::ProduceQuery::default()
        })
    }
    /// In the form of the query; none where none is given.
    fn headers(&self) -> Result<Option<String>, Failure> {
        let header = |one: &Setting| api::RecordHeader {
            name: one.name.clone(),
            value: Some(one.value.clone()),
            encoding: None,
        };
        let headers: Vec<_> = self.headers.iter().map(header).collect();
        let text = (!headers.is_empty()).then(|| serde_json::to_string(&headers)).transpose();
        text.map_err(|error| Failure::failed(format!("cannot write the headers: {error}")))
    }
    fn content_type(&self) -> &'static str {
        match self.format {
            LineFormat::Text => api::TEXT,
            LineFormat::Json => api::NDJSON,
            LineFormat::Records => api::RECORDS_NDJSON,
        }
    }
}

/// A topic that drops records by age, and what is seen of their age.
struct Watched {
    topic: TopicName,
    ages: Ages,
}

/// Says once that retention will take what is sent; an empty chunk is the end.
fn warn_of_age(watched: &mut Option<Watched>, chunk: &[u8]) {
    let Some(Watched { topic, ages }) = watched else { return };
    let Some(old) = (if chunk.is_empty() { ages.end() } else { ages.look(chunk) }) else { return };
    note(&format!(
        "warning: the record in line {} is of {}, and topic {topic} keeps records for {} by their timestamps: it will soon be gone\n  \
         keep it: potok topic alter {topic} --config retention.ms=-1",
        old.line,
        time(old.timestamp),
        humantime::format_duration(old.kept),
    ));
    *watched = None;
}

/// Stdin as a body that comes as the server takes it. A thread reads, because reading a terminal cannot be awaited; it is
/// left behind when the server ends the conversation, and ends with the process.
fn stdin_body(sent: Arc<AtomicU64>, mut watched: Option<Watched>) -> Result<Body, Failure> {
    let (chunks, body) = mpsc::channel::<Result<Bytes, InputError>>(CHUNKS_MAX);
    let read = move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; CHUNK_LEN];
        loop {
            let chunk = match stdin.read(&mut buffer) {
                Ok(len) => {
                    warn_of_age(&mut watched, &buffer[..len]);
                    if len == 0 {
                        return;
                    }
                    Ok(Bytes::copy_from_slice(&buffer[..len]))
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(InputError { name: "stdin".to_owned(), error }),
            };
            let (len, failed) = (chunk.as_ref().map_or(0, Bytes::len), chunk.is_err());
            if chunks.blocking_send(chunk).is_err() || failed {
                return;
            }
            sent.fetch_add(len as u64, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("stdin".into()).spawn(read)?;
    Ok(Body::wrap_stream(ReceiverStream::new(body)))
}

/// Reads the server's receipts to the end. Small writes may be answered at once instead of by receipts.
async fn follow(
    client: &Client,
    response: Response,
    summary: &mut Summary,
    sent: &AtomicU64,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let asked = Asked::of(response.url());
    let mut lines = client.lines(response);
    while let Some(line) = lines.next().await {
        let line = line.map_err(|failure| so_far(failure, summary))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(api::ProduceEvent::Acknowledged(acknowledged)) => {
                for run in &acknowledged.placed {
                    *summary.partitions.entry(run.partition).or_default() += run.count;
                    summary.records += run.count;
                }
                progress.set_message(format!(
                    "{} written, {}",
                    counted(summary.records, "record"),
                    bytes(sent.load(Ordering::Relaxed))
                ));
            }
            Ok(api::ProduceEvent::Done(done)) => {
                (summary.records, summary.lines) = (done.records, done.lines);
                return Ok(());
            }
            Ok(api::ProduceEvent::Problem(problem)) => return Err(failure_of(problem, &asked)),
            Err(error) => {
                return Err(Failure::failed(format!("the server sent an unexpected answer: {error}")));
            }
        }
    }
    let cut = Failure::new(
        Exit::Unreachable,
        "the server closed the connection before it had acknowledged everything",
    );
    Err(so_far(cut, summary))
}

/// What was acknowledged before a connection was lost. What was not may have been written all the same.
fn so_far(mut failure: Failure, summary: &Summary) -> Failure {
    failure.what.push_str(&match summary.records {
        0 => "; no record was acknowledged".to_owned(),
        1 => "; 1 record was acknowledged and is kept".to_owned(),
        many => format!("; {} were acknowledged and are kept", counted(many, "record")),
    });
    failure
}

/// A line on stderr that moves while a pipe or a file is sent; a person who types needs none.
fn progress_line() -> ProgressBar {
    let wanted = std::io::stderr().is_terminal() && !std::io::stdin().is_terminal();
    let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(PROGRESS_EVERY);
    bar
}

fn page(summary: &Summary) -> Page {
    let Summary { topic, records, .. } = summary;
    if *records == 0 {
        return Page::line(format!("produced no records to {topic}: stdin had no lines"));
    }
    Page::line(format!(
        "produced {} to {topic} in {} ({}{})",
        counted(*records, "record"),
        counted(summary.partitions.len() as u64, "partition"),
        bytes(summary.bytes),
        pace(summary),
    ))
}

/// How long it took and how fast it was; nothing for what was over at once, as that says more of the connection than of the pace.
fn pace(summary: &Summary) -> String {
    if summary.millis < 1_000 {
        return String::new();
    }
    let a_second = u128::from(summary.records) * 1_000 / u128::from(summary.millis);
    let rate = u64::try_from(a_second).unwrap_or(u64::MAX);
    format!(", {:.1} s, {} a second", summary.millis as f64 / 1e3, thousands(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_told_of_what_took_a_while() {
        let summary = |records, millis| Summary { records, millis, ..Summary::default() };
        assert_eq!(pace(&summary(1, 2)), "");
        assert_eq!(pace(&summary(27_004, 1_500)), ", 1.5 s, 18,002 a second");
    }
}
