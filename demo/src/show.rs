//! The carriers' table as it changes: in place on a terminal, every few seconds elsewhere.
//! In come the topic `carrier-stats`, followed as any client follows a topic, and the player's progress; out go lines on stdout.
//! It only shows: what is right is judged in `check.rs`.

use crate::check::read_all;
use crate::play::Progress;
use futures::StreamExt;
use potok_host::client::Client;
use potok_host::exit::Failure;
use potok_host::output::{counted, thousands, time};
use potok_http::api;
use potok_types::{Clock, SystemClock};
use reqwest::{Method, header};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the table is drawn anew on a terminal: smooth to the eye.
const DRAW_EVERY: Duration = Duration::from_millis(150);
/// How often it is printed elsewhere.
const PRINT_EVERY: Duration = Duration::from_secs(5);
/// Letters of a carrier's name that are shown.
const NAME_WIDTH: usize = 28;

/// A carrier's newest numbers, as its module wrote them.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    flights: u64,
    cancelled: u64,
    mean_delay_minutes: Option<f64>,
    worst_delay_minutes: Option<i64>,
}

type Rows = Arc<Mutex<BTreeMap<String, Row>>>;

/// The table.
#[derive(Debug)]
pub(crate) struct Board {
    client: Client,
    rows: Rows,
    names: BTreeMap<String, String>,
    terminal: bool,
    clock: Arc<dyn Clock>,
    drawn: Mutex<Drawn>,
    following: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Drawn {
    at: Option<Duration>,
    lines: usize,
    progress: Progress,
}

impl Drop for Board {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Board {
    /// A table that follows the topic from its beginning.
    pub(crate) fn follow(client: Client, names: &BTreeMap<String, String>) -> Board {
        let rows = Rows::default();
        let (followed, to) = (client.clone(), Arc::clone(&rows));
        let following = tokio::spawn(async move {
            // The picture stands still when this ends; the month goes on, and the end is read anew.
            let _ = follow(&followed, &to).await;
        });
        let terminal = std::io::stdout().is_terminal();
        Board {
            client,
            rows,
            names: names.clone(),
            terminal,
            clock: SystemClock::shared(),
            drawn: Mutex::default(),
            following,
        }
    }
    /// Shows how far it is, if it is time.
    pub(crate) fn show(&self, progress: &Progress) {
        let now = self.clock.monotonic();
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.progress = *progress;
        let every = if self.terminal { DRAW_EVERY } else { PRINT_EVERY };
        if drawn.at.is_none_or(|at| now.saturating_sub(at) >= every) {
            drawn.at = Some(now);
            self.draw(&mut drawn, &head(progress));
        }
    }
    /// Shows how many records the processors have not done yet.
    pub(crate) fn show_lag(&self, lag: u64) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.terminal {
            let head = format!("{}; {} still to process", head(&drawn.progress), counted(lag, "record"));
            self.draw(&mut drawn, &head);
        }
    }
    /// Shows the end, read anew.
    pub(crate) async fn finish(&self, played: &Progress) {
        if let Ok(records) = read_all(&self.client, "carrier-stats").await {
            records.iter().for_each(|record| keep(&self.rows, record));
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        self.draw(&mut drawn, &format!("{}; all done", head(played)));
    }
    fn draw(&self, drawn: &mut Drawn, head: &str) {
        let table = table(&self.rows.lock().unwrap_or_else(PoisonError::into_inner), &self.names);
        let lines = 1 + table.lines().count();
        let up = if self.terminal && drawn.lines > 0 {
            format!("\x1b[{}A\x1b[J", drawn.lines)
        } else {
            String::new()
        };
        drawn.lines = lines;
        // A closed stdout loses a picture, nothing else.
        let _ = write!(std::io::stdout().lock(), "{up}{head}\n{table}");
    }
}

async fn follow(client: &Client, rows: &Rows) -> Result<(), Failure> {
    let request = client.request(Method::GET, &["topics", "carrier-stats", "records"]);
    let request =
        request.query(&[("from", "earliest"), ("follow", "true")]).header(header::ACCEPT, api::NDJSON);
    let mut lines = client.lines(client.open(request).await?);
    while let Some(line) = lines.next().await {
        if let Ok(record) = serde_json::from_str(&line?) {
            keep(rows, &record);
        }
    }
    Ok(())
}

fn keep(rows: &Rows, record: &api::Record) {
    if let (Some(key), Ok(row)) = (&record.key, serde_json::from_str(record.value.get())) {
        rows.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), row);
    }
}

fn head(progress: &Progress) -> String {
    let day = time(progress.hour);
    format!(
        "{}  {} of {} flights, {} of {} weather readings",
        day.get(..16).unwrap_or(&day).replace('T', " "),
        thousands(progress.flights as u64),
        thousands(progress.flights_total as u64),
        thousands(progress.weather as u64),
        thousands(progress.weather_total as u64),
    )
}

fn table(rows: &BTreeMap<String, Row>, names: &BTreeMap<String, String>) -> String {
    let mut text = format!(
        "     {:<NAME_WIDTH$} {:>8} {:>10} {:>11} {:>7}\n",
        "CARRIER", "FLIGHTS", "CANCELLED", "MEAN DELAY", "WORST"
    );
    for (code, row) in rows {
        let name: String = names.get(code).map_or("", String::as_str).chars().take(NAME_WIDTH).collect();
        let mean = row.mean_delay_minutes.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"));
        let worst = row.worst_delay_minutes.map_or_else(|| "-".to_owned(), |worst| worst.to_string());
        let (flights, cancelled) = (thousands(row.flights), thousands(row.cancelled));
        text.push_str(&format!(
            "  {code} {name:<NAME_WIDTH$} {flights:>8} {cancelled:>10} {mean:>11} {worst:>7}\n"
        ));
    }
    text
}
