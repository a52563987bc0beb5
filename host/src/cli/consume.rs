//! `potok consume TOPIC`: prints records as they are read.
//! In comes the server's stream of records, out goes one line a record: its value, or the whole record as JSON.
//! Ctrl-C and a closed pipe end it cleanly; what was printed was whole.

use super::OutputArg;
use super::values::moment_or_ago;
use crate::client::{Client, last_words};
use crate::exit::Failure;
use crate::output::{counted, note};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use futures::{FutureExt, StreamExt};
use potok_http::api;
use potok_types::{SystemClock, TopicName};
use reqwest::{Method, header};
use std::io::{IsTerminal, Write};

/// Prints the records of a topic.
///
/// Without --from-beginning, --offset or --since it starts at the end and waits for what comes. Started anywhere else it
/// stops at the end, unless --follow is given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    potok consume flights --from-beginning --count 5\n  \
    potok consume flights --follow --output json | jq .value\n  \
    potok consume flights --partition 2 --offset 1000\n  \
    potok consume flights --since -10m --key-separator ': '")]
pub(super) struct Consume {
    /// The topic
    topic: TopicName,
    /// Start at the first record there is
    #[arg(long, conflicts_with_all = ["offset", "since"])]
    from_beginning: bool,
    /// Stop after N records
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// At the end, wait for what comes
    #[arg(long, short)]
    follow: bool,
    /// Only this partition
    #[arg(long, short, value_name = "N")]
    partition: Option<u32>,
    /// Start at this offset; needs --partition unless the topic has only one
    #[arg(long, value_name = "OFFSET", conflicts_with = "since")]
    offset: Option<u64>,
    /// Start at the first record of this moment, such as 2013-01-31T10:00:00Z, or -10m for ten minutes ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Print the key and SEP before each value; a record without a key, and a value that is none, print null
    #[arg(long, value_name = "SEP")]
    key_separator: Option<String>,
    #[command(flatten)]
    output: OutputArg,
}

impl Consume {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let request = client.request(Method::GET, &["topics", self.topic.as_str(), "records"]);
        let request = request.query(&self.query()?).header(header::ACCEPT, api::NDJSON);
        let mut lines = client.lines(client.open(request).await?);
        let mut printer = Printer {
            json: self.output.open().is_json(),
            separator: self.key_separator,
            waiting: Vec::new(),
        };
        let mut printed = 0u64;
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            let line = match lines.next().now_or_never() {
                Some(line) => line,
                // Nothing waits to be read: whoever reads us gets all there is before we wait.
                None => {
                    printer.flush()?;
                    tokio::select! {
                        line = lines.next() => line,
                        _ = &mut interrupted => break,
                    }
                }
            };
            match line {
                Some(line) => match line.and_then(|line| last_words(&line).map_or(Ok(line), Err)) {
                    Ok(line) => printed += u64::from(printer.print(&line)?),
                    Err(failure) => {
                        printer.flush()?;
                        return Err(failure);
                    }
                },
                None => break,
            }
        }
        printer.flush()?;
        if std::io::stdout().is_terminal() {
            note(&format!("({})", counted(printed, "record")));
        }
        Ok(())
    }
    fn query(&self) -> Result<api::ReadQuery, Failure> {
        let elsewhere = self.from_beginning || self.offset.is_some() || self.since.is_some();
        let timestamp = match &self.since {
            Some(text) => Some(moment_or_ago(text, SystemClock::shared().now()).map_err(Failure::usage)?.0),
            None => None,
        };
        let from = match (self.from_beginning, elsewhere) {
            (true, _) => Some(api::ReadFrom::Earliest),
            (false, false) => Some(api::ReadFrom::Latest),
            (false, true) => None,
        };
        Ok(api::ReadQuery {
            partition: self.partition,
            from,
            offset: self.offset,
            timestamp,
            limit: self.count,
            follow: Some(self.follow || !elsewhere),
            ..api::ReadQuery::default()
        })
    }
}

/// Bytes gathered before they are written out, while more are there already.
const WRITE_BYTES: usize = 64 << 10;

/// Prints records, one a line; written out once nothing more is there, so that a pipe sees each at once and many cheaply.
struct Printer {
    json: bool,
    separator: Option<String>,
    waiting: Vec<u8>,
}

impl Printer {
    /// Prints what the server sent as one line; false for an empty one, which only says that it is still there.
    fn print(&mut self, line: &str) -> Result<bool, Failure> {
        if line.trim().is_empty() {
            return Ok(false);
        }
        match self.json {
            true => self.waiting.extend_from_slice(line.as_bytes()),
            false => self.human(line)?,
        }
        self.waiting.push(b'\n');
        if self.waiting.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(true)
    }
    fn flush(&mut self) -> Result<(), Failure> {
        if !self.waiting.is_empty() {
            let mut out = std::io::stdout().lock();
            out.write_all(&self.waiting)?;
            out.flush()?;
            self.waiting.clear();
        }
        Ok(())
    }
    fn human(&mut self, line: &str) -> Result<(), Failure> {
        let unexpected = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("the server sent a record that cannot be read: {error}"))
        };
        let record: api::Record = serde_json::from_str(line).map_err(|error| unexpected(&error))?;
        if let Some(separator) = &self.separator {
            match (&record.key, record.key_encoding.unwrap_or_default()) {
                (Some(key), api::KeyEncoding::Text) => self.waiting.extend_from_slice(key.as_bytes()),
                (Some(key), api::KeyEncoding::Base64) => {
                    STANDARD.decode_vec(key, &mut self.waiting).map_err(|error| unexpected(&error))?
                }
                (None, _) => self.waiting.extend_from_slice(b"null"),
            }
            self.waiting.extend_from_slice(separator.as_bytes());
        }
        let raw = record.value.get();
        let text = || serde_json::from_str::<String>(raw).map_err(|error| unexpected(&error));
        match record.value_encoding.unwrap_or_default() {
            api::ValueEncoding::Json => self.waiting.extend_from_slice(raw.as_bytes()),
            api::ValueEncoding::Text => self.waiting.extend_from_slice(text()?.as_bytes()),
            api::ValueEncoding::Base64 => {
                STANDARD.decode_vec(text()?, &mut self.waiting).map_err(|error| unexpected(&error))?
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(separator: Option<&str>, line: &str, expect: &[u8]) {
        let mut printer =
            Printer { json: false, separator: separator.map(str::to_owned), waiting: Vec::new() };
        printer.human(line).unwrap();
        assert_eq!(String::from_utf8_lossy(&printer.waiting), String::from_utf8_lossy(expect));
    }

    #[test]
    fn a_value_is_printed_as_the_bytes_it_is() {
        check(None, r#"{"partition":0,"offset":1,"timestamp":5,"key":"a","value":{"x": 1}}"#, b"{\"x\": 1}");
        check(
            None,
            r#"{"partition":0,"offset":1,"timestamp":5,"value":"a\tb","value_encoding":"text"}"#,
            b"a\tb",
        );
        check(
            None,
            r#"{"partition":0,"offset":1,"timestamp":5,"value":"/wA=","value_encoding":"base64"}"#,
            b"\xff\0",
        );
        check(Some(":"), r#"{"partition":0,"offset":1,"timestamp":5,"key":"UA","value":null}"#, b"UA:null");
    }
    #[test]
    fn a_record_that_lies_is_an_error_not_a_panic() {
        let mut printer = Printer { json: false, separator: None, waiting: Vec::new() };
        assert!(
            printer
                .human(r#"{"partition":0,"offset":1,"timestamp":5,"value":"!","value_encoding":"base64"}"#)
                .is_err()
        );
        assert!(printer.human("nonsense").is_err());
    }
}
