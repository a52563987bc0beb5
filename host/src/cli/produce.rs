//! `potok produce TOPIC < lines`: streams stdin to the server as it comes.
//! In come lines, out go records; memory holds a few chunks whatever comes, because the server's pace holds the reader back.
//! What the server acknowledged is counted and said, also when the rest failed.

use super::OutputArg;
use super::values::LineFormat;
use crate::client::{Client, InputError, failure_of};
use crate::exit::{Exit, Failure};
use crate::output::{Page, bytes, counted, thousands};
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
    potok consume flights --from-beginning --output json | potok produce copy --format records\n  \
    tail -f app.log | potok produce logs --acks 1")]
pub(super) struct Produce {
    /// The topic
    topic: TopicName,
    /// What stands before the first SEP in a line is the record's key
    #[arg(long, value_name = "SEP", conflicts_with = "key")]
    key_separator: Option<String>,
    /// Key of every record
    #[arg(long)]
    key: Option<String>,
    /// Partition of every record; by key when absent
    #[arg(long, short, value_name = "N")]
    partition: Option<u32>,
    /// What a line is
    #[arg(long, short, value_enum, default_value_t = LineFormat::Text)]
    format: LineFormat,
    /// When a record counts as written
    #[arg(long, value_enum, default_value_t = AcksArg::All)]
    acks: AcksArg,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AcksArg {
    /// Once queued: nothing is promised
    #[value(name = "0")]
    None,
    /// Once written: survives the server being killed
    #[value(name = "1")]
    Written,
    /// Once synced to disk: survives the machine losing power
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
            return Err(Failure::usage("--key-separator goes with --format text only"));
        }
        let clock = SystemClock::shared();
        let started = clock.monotonic();
        let sent = Arc::new(AtomicU64::new(0));
        // Asked first, because a server that refuses while lines still stream may close before its answer is read.
        let _: api::Topic = client.get(&["topics", self.topic.as_str()]).await?;
        let request = client.request(Method::POST, &["topics", self.topic.as_str(), "records"]);
        let request = request.query(&self.query()).header(header::CONTENT_TYPE, self.content_type());
        let response = client.open(request.body(stdin_body(Arc::clone(&sent))?)).await?;
        let mut summary = Summary { topic: self.topic.to_string(), ..Summary::default() };
        let progress = progress_line();
        let ended = follow(client, response, &mut summary, &sent, &progress).await;
        progress.finish_and_clear();
        ended?;
        summary.bytes = sent.load(Ordering::Relaxed);
        summary.millis =
            u64::try_from(clock.monotonic().saturating_sub(started).as_millis()).unwrap_or(u64::MAX);
        self.output.open().show(&summary, page)
    }
    fn query(&self) -> api::ProduceQuery {
        api::ProduceQuery {
            partition: self.partition,
            key: self.key.clone(),
            key_separator: self.key_separator.clone(),
            acks: Some(match self.acks {
                AcksArg::None => api::Acks::None,
                AcksArg::Written => api::Acks::Written,
                AcksArg::All => api::Acks::Synced,
            }),
            ..api::ProduceQuery::default()
        }
    }
    fn content_type(&self) -> &'static str {
        match self.format {
            LineFormat::Text => api::TEXT,
            LineFormat::Json => api::NDJSON,
            LineFormat::Records => api::RECORDS_NDJSON,
        }
    }
}

/// Stdin as a body that comes as the server takes it. A thread reads, because reading a terminal cannot be awaited; it is
/// left behind when the server ends the conversation, and ends with the process.
fn stdin_body(sent: Arc<AtomicU64>) -> Result<Body, Failure> {
    let (chunks, body) = mpsc::channel::<Result<Bytes, InputError>>(CHUNKS_MAX);
    let read = move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; CHUNK_LEN];
        loop {
            let chunk = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(len) => Ok(Bytes::copy_from_slice(&buffer[..len])),
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
            Ok(api::ProduceEvent::Problem(problem)) => return Err(failure_of(problem)),
            Err(error) => {
                return Err(Failure::failed(format!(
                    "the server answered something else than expected: {error}"
                )));
            }
        }
    }
    let cut = Failure::new(
        Exit::Unreachable,
        "the server ended the conversation before it had acknowledged everything",
    );
    Err(so_far(cut, summary))
}

fn so_far(mut failure: Failure, summary: &Summary) -> Failure {
    failure
        .what
        .push_str(&format!("; {} were acknowledged and are kept", counted(summary.records, "record")));
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
    let a_second = u128::from(summary.records) * 1_000 / u128::from(summary.millis.max(1));
    let rate = u64::try_from(a_second).unwrap_or(u64::MAX);
    let partitions = summary.partitions.len();
    Page::line(format!(
        "produced {} to {} in {} partition{} ({}, {:.1} s, {} a second)",
        counted(summary.records, "record"),
        summary.topic,
        partitions,
        if partitions == 1 { "" } else { "s" },
        bytes(summary.bytes),
        summary.millis as f64 / 1e3,
        thousands(rate),
    ))
}
