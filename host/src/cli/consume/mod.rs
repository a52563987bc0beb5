//! `potok consume TOPIC`: prints records as they are read.
//! In comes the server's stream of records, out goes one line a record: its value, parts of it by a template, or the whole as JSON.
//! Ctrl-C and a closed pipe end it cleanly; what was printed was whole, and a group's place is behind it.

mod form;
mod place;
mod print;

use super::OutputArg;
use super::values::{Moment, moment, name_a_partition};
use crate::client::{Client, last_words};
use crate::exit::Failure;
use crate::output::{counted, note};
use crate::remedy::Asked;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use form::{Template, template};
use futures::{FutureExt, Stream, StreamExt};
use place::Place;
use potok_http::{Code, api};
use potok_types::{SystemClock, TopicName};
use print::Printer;
use reqwest::{Method, header};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the server is told of a group's place while records come: what a kill has printed again stays short.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The same where records come without a pause.
const SAVE_EVERY_RECORDS: u64 = 10_000;

/// Prints the records of a topic.
///
/// Starts at the end and waits for what comes. With --from-beginning, --tail, --offset, --since or --group it starts
/// there and stops at the end, unless --follow is given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    potok consume flights --from-beginning --count 5\n  \
    potok consume flights --tail 3 --follow\n  \
    potok consume flights --partition 2 --offset 1000\n  \
    potok consume flights --since -10m --key-separator ': '\n  \
    potok consume flights --group billing --follow\n  \
    potok consume flights --format '%p:%o %d %k %h %v'\n  \
    potok consume flights --follow --output json | jq .value\n\n\
    Parts of --format: %t topic, %p partition, %o offset, %k key, %v value, %h headers, %d date and time,\n\
    %T time in milliseconds, %% a percent sign; \\t, \\n and \\\\ as usual")]
pub(super) struct Consume {
    /// The topic
    topic: TopicName,
    /// Start at the first record
    #[arg(long, conflicts_with_all = ["offset", "since", "tail"])]
    from_beginning: bool,
    /// Start at the last N records of each partition
    #[arg(long, value_name = "N", conflicts_with_all = ["offset", "since", "group"], allow_negative_numbers = true)]
    tail: Option<u64>,
    /// Start at this offset; needs --partition unless the topic has only one
    #[arg(long, value_name = "OFFSET", conflicts_with_all = ["since", "group"], allow_negative_numbers = true)]
    offset: Option<u64>,
    /// Start at this time, such as 2013-01-31T10:00:00Z, or -10m for ten minutes ago
    #[arg(long, value_name = "TIME", conflicts_with = "group", allow_hyphen_values = true, value_parser = moment)]
    since: Option<Moment>,
    /// Start where this group is (the first record, if it is new) and move it past what is printed
    #[arg(long, short, value_parser = NonEmptyStringValueParser::new())]
    group: Option<String>,
    /// Stop after N records
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..), allow_negative_numbers = true)]
    count: Option<u64>,
    /// At the end, wait for new records
    #[arg(long, short)]
    follow: bool,
    /// Only this partition
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    partition: Option<u32>,
    /// Print the key and SEP before each value; a missing key or value prints as null
    #[arg(long, value_name = "SEP", conflicts_with = "format")]
    key_separator: Option<String>,
    /// Print each record like this, such as '%p:%o %k %v'; see below for the parts
    #[arg(long, value_name = "TEMPLATE", value_parser = template)]
    format: Option<Template>,
    #[command(flatten)]
    output: OutputArg,
}

impl Consume {
    pub(super) async fn run(mut self, client: &Client) -> Result<(), Failure> {
        let printer = Printer::new(self.topic.clone(), self.template()?);
        let place = match self.group.take() {
            Some(group) => {
                Some(Place::open(client, group, &self.topic, self.partition, self.from_beginning).await?)
            }
            None => None,
        };
        let elsewhere = self.elsewhere() || place.is_some();
        let query = self.query(client, place.as_ref()).await?;
        let request = client.request(Method::GET, &["topics", self.topic.as_str(), "records"]);
        let request = request.query(&query).header(header::ACCEPT, api::NDJSON);
        let response = client.open(request).await.map_err(|failure| self.helped(failure))?;
        // Who looks at an empty terminal wonders whether anything works.
        if !elsewhere && std::io::stderr().is_terminal() {
            note("waiting for new records (Ctrl-C ends; --from-beginning reads what is already there)");
        }
        let asked = Asked::of(response.url());
        let lines = client.lines(response);
        let mut reading = Reading { lines, asked, printer, place, printed: 0 };
        let ended = reading.print_all().await;
        // What came before a failure is printed and passed all the same.
        let kept_up = reading.keep_up().await;
        ended.and(kept_up)?;
        if std::io::stdout().is_terminal() {
            note(&format!("({})", counted(reading.printed, "record")));
        }
        Ok(())
    }
    /// How a record is printed; none as the server's own JSON.
    fn template(&mut self) -> Result<Option<Template>, Failure> {
        let asked = match (self.format.is_some(), self.key_separator.is_some()) {
            (true, _) => Some("--format"),
            (_, true) => Some("--key-separator"),
            _ => None,
        };
        match (self.output.open().is_json(), asked) {
            (true, Some(option)) => {
                Err(Failure::usage(format!("{option} and --output json exclude each other"))
                    .remedy("give one of them: JSON has every part of a record"))
            }
            (true, None) => Ok(None),
            _ => {
                let separated = || Template::of_separator(self.key_separator.as_deref());
                Ok(Some(self.format.take().unwrap_or_else(separated)))
            }
        }
    }
    /// An offset is one of a partition: which, is the one thing here that the server can miss.
    fn helped(&self, failure: Failure) -> Failure {
        match Code::of(&failure.code) {
            Some(Code::IllegalQuery) if self.offset.is_some() && self.partition.is_none() => {
                failure.remedy(name_a_partition(&self.topic))
            }
            _ => failure,
        }
    }
    /// Whether it starts anywhere but at the end.
    fn elsewhere(&self) -> bool {
        self.from_beginning || self.tail.is_some() || self.offset.is_some() || self.since.is_some()
    }
    async fn query(&self, client: &Client, place: Option<&Place<'_>>) -> Result<api::ReadQuery, Failure> {
        let cursor = match (place, self.tail) {
            (Some(place), _) => place.cursor(),
            (None, Some(tail)) => self.last(client, tail).await?,
            (None, None) => None,
        };
        let elsewhere = self.elsewhere() || place.is_some();
        let from = match (self.from_beginning, elsewhere) {
            (true, _) if cursor.is_none() => Some(api::ReadFrom::Earliest),
            (_, false) => Some(api::ReadFrom::Latest),
            _ => None,
        };
        Ok(api::ReadQuery {
            partition: self.partition,
            from,
            offset: self.offset,
            timestamp: self.since.map(|since| since.at(SystemClock::shared().now()).0),
            cursor,
            limit: self.count,
            follow: Some(self.follow || !elsewhere),
            ..api::ReadQuery::default()
        })
    }
    /// Where the last records of each partition begin; none where all of them are among the last.
    async fn last(&self, client: &Client, tail: u64) -> Result<Option<String>, Failure> {
        let topic: api::Topic = client.get(&["topics", self.topic.as_str()]).await?;
        let read =
            topic.partitions.iter().filter(|one| self.partition.is_none_or(|only| only == one.partition));
        let begins = |one: &api::Partition| (one.partition, one.end.saturating_sub(tail), one.start);
        let cut = read.map(begins).filter(|(_, begin, start)| begin > start);
        let pairs: Vec<_> = cut.map(|(partition, begin, _)| format!("{partition}:{begin}")).collect();
        Ok((!pairs.is_empty()).then(|| pairs.join(",")))
    }
}

/// A stream of records on its way to stdout.
struct Reading<'a, S> {
    lines: S,
    asked: Asked,
    printer: Printer,
    place: Option<Place<'a>>,
    printed: u64,
}

impl<S: Stream<Item = Result<String, Failure>> + Unpin> Reading<'_, S> {
    /// Prints until the stream ends, or somebody ends it.
    async fn print_all(&mut self) -> Result<(), Failure> {
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        let mut saves = tokio::time::interval(SAVE_EVERY);
        saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let unsaved = self.place.as_ref().map_or(0, Place::unsaved);
            let line = match self.lines.next().now_or_never() {
                Some(line) if unsaved < SAVE_EVERY_RECORDS => line,
                Some(line) => {
                    self.keep_up().await?;
                    line
                }
                // Nothing waits to be read: whoever reads us gets all there is before we wait.
                None => {
                    self.printer.flush()?;
                    tokio::select! {
                        line = self.lines.next() => line,
                        _ = &mut interrupted => return Ok(()),
                        _ = saves.tick(), if unsaved > 0 => {
                            self.keep_up().await?;
                            continue;
                        }
                    }
                }
            };
            match line {
                Some(line) => self.take(&line?)?,
                None => return Ok(()),
            }
        }
    }
    fn take(&mut self, line: &str) -> Result<(), Failure> {
        if let Some(failure) = last_words(line, &self.asked) {
            return Err(failure);
        }
        if self.printer.print(line)? {
            self.printed += 1;
            if let Some(place) = &mut self.place {
                place.passed(line)?;
            }
        }
        Ok(())
    }
    /// Writes out what was gathered, and only then moves the group behind it.
    async fn keep_up(&mut self) -> Result<(), Failure> {
        self.printer.flush()?;
        match &mut self.place {
            Some(place) if place.unsaved() > 0 => place.save().await,
            _ => Ok(()),
        }
    }
}
