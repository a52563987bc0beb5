//! Plays the month: an hour of it at a time, weather before flights, each record with the time at which it happened.
//! In comes the month, out go requests. Each hour is acknowledged before the next is sent, so the order of time is that of the log.

use crate::data::{Line, Month};
use potok_host::client::Client;
use potok_host::exit::Failure;
use potok_http::api;
use reqwest::{Method, header};
use std::time::Duration;

/// Milliseconds of an hour: what is sent together.
const HOUR_MS: i64 = 3_600_000;

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The hour being played, in milliseconds since 1970-01-01 UTC.
    pub(crate) hour: i64,
    /// Records sent, those of an earlier run included.
    pub(crate) flights: usize,
    /// Likewise.
    pub(crate) weather: usize,
    /// All there are.
    pub(crate) flights_total: usize,
    /// Likewise.
    pub(crate) weather_total: usize,
}

/// Plays what the topics do not hold yet within `lasts`, saying how far it is after each hour.
pub(crate) async fn play(
    client: &Client,
    month: &Month,
    lasts: Duration,
    said: impl Fn(&Progress),
) -> Result<Progress, Failure> {
    let mut progress = Progress {
        flights: held(client, "flights", month.flights.len()).await?,
        weather: held(client, "weather", month.weather.len()).await?,
        flights_total: month.flights.len(),
        weather_total: month.weather.len(),
        ..Progress::default()
    };
    let first = [month.flights.get(progress.flights), month.weather.get(progress.weather)]
        .into_iter()
        .flatten()
        .map(|line| line.time)
        .min();
    let last = [month.flights.last(), month.weather.last()].into_iter().flatten().map(|line| line.time).max();
    let (Some(first), Some(last)) = (first, last) else { return Ok(progress) };
    let hours = u32::try_from((last - first) / HOUR_MS + 1).unwrap_or(u32::MAX);
    let mut ticks = tokio::time::interval((lasts / hours).max(Duration::from_micros(1)));
    progress.hour = first - first.rem_euclid(HOUR_MS);
    while progress.hour <= last {
        if !lasts.is_zero() {
            ticks.tick().await;
        }
        progress.weather +=
            send_hour(client, "weather", &month.weather[progress.weather..], progress.hour).await?;
        progress.flights +=
            send_hour(client, "flights", &month.flights[progress.flights..], progress.hour).await?;
        progress.hour += HOUR_MS;
        said(&progress);
    }
    Ok(progress)
}

/// How many of a file's lines the topic holds already: a run before this one played them in the same order.
async fn held(client: &Client, topic: &str, total: usize) -> Result<usize, Failure> {
    let topic: api::Topic = client.get(&["topics", topic]).await?;
    let records: u64 = topic.partitions.iter().map(|partition| partition.end).sum();
    match usize::try_from(records) {
        Ok(records) if records <= total => Ok(records),
        _ => Err(Failure::failed(format!(
            "topic {} holds {records} records, the month has {total}",
            topic.name
        ))
        .remedy("something else wrote to it: start over with an empty --data folder")),
    }
}

/// Sends the lines from the front that happened before the end of this hour.
async fn send_hour(client: &Client, topic: &str, lines: &[Line], hour: i64) -> Result<usize, Failure> {
    let lines = &lines[..lines.partition_point(|line| line.time < hour + HOUR_MS)];
    if lines.is_empty() {
        return Ok(0);
    }
    let records = api::NewRecords { records: lines.iter().map(record).collect::<Result<_, _>>()? };
    let body = serde_json::to_vec(&records).map_err(|error| Failure::failed(error.to_string()))?;
    let request = client.request(Method::POST, &["topics", topic, "records"]).query(&[("acks", "1")]);
    let produced: api::Produced =
        client.answer(request.header(header::CONTENT_TYPE, api::RECORDS_JSON).body(body)).await?;
    match produced.records.len() == lines.len() {
        true => Ok(lines.len()),
        false => Err(Failure::failed(format!(
            "{} records were sent to {topic}, {} acknowledged",
            lines.len(),
            produced.records.len()
        ))),
    }
}

fn record(line: &Line) -> Result<api::NewRecord, Failure> {
    let value =
        serde_json::value::to_raw_value(&line.text).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(api::NewRecord {
        key: Some(line.key.clone()),
        value: Some(value),
        value_encoding: Some(api::ValueEncoding::Text),
        timestamp: Some(line.time),
        ..api::NewRecord::default()
    })
}
