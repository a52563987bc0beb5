//! Compares everything that came out of the modules with `truth.rs`: every record, not only the sums.
//! In comes a server on which the month was played, out goes nothing, or a failure that says what differs and how.

use crate::data::{Month, millis};
use crate::truth::{Carrier, Joined, Late, Reading, Truth, hundredths};
use crate::wiring::processors;
use futures::StreamExt;
use potok_host::client::Client;
use potok_host::exit::{Exit, Failure};
use potok_host::output::{counted, note};
use potok_http::api;
use reqwest::{Method, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Differences of each kind that are told in full; the rest is counted.
const SHOWN_MAX: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LateDeparture {
    carrier: String,
    flight: u64,
    origin: String,
    dest: String,
    tail_number: Option<String>,
    scheduled: String,
    delay_minutes: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CarrierStats {
    carrier: String,
    flights: u64,
    departed: u64,
    cancelled: u64,
    delay_sum_minutes: i64,
    mean_delay_minutes: Option<f64>,
    worst_delay_minutes: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlightWeather {
    carrier: String,
    flight: u64,
    origin: String,
    dest: String,
    tail_number: Option<String>,
    scheduled: String,
    delay_minutes: Option<i64>,
    cancelled: bool,
    weather: Option<Weather>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weather {
    observed: String,
    temperature_f: Option<f64>,
    wind_speed_mph: Option<f64>,
    wind_gust_mph: Option<f64>,
    precipitation_in: Option<f64>,
    visibility_mi: Option<f64>,
    pressure_hpa: Option<f64>,
}

/// What differs, in words.
#[derive(Debug, Default)]
struct Findings(Vec<String>);

/// Compares all outputs; fails when anything differs.
pub(crate) async fn check(client: &Client, month: &Month) -> Result<(), Failure> {
    let truth = Truth::of(month);
    let mut findings = Findings::default();
    findings.same("records in flights", month.flights.len(), read_all(client, "flights").await?.len());
    findings.same("records in weather", month.weather.len(), read_all(client, "weather").await?.len());
    check_late(client, &truth, &mut findings).await?;
    check_carriers(client, &truth, &mut findings).await?;
    check_by_origin(client, &truth, &mut findings).await?;
    check_joined(client, &truth, &mut findings).await?;
    check_dead_letters(client, &mut findings).await?;
    match findings.0.is_empty() {
        true => {
            note("everything agrees with the computation over the CSV");
            Ok(())
        }
        false => {
            findings.0.iter().for_each(|finding| note(&format!("differs: {finding}")));
            Err(Failure::failed(format!("{} found", counted(findings.0.len() as u64, "difference"))))
        }
    }
}

async fn check_late(client: &Client, truth: &Truth, findings: &mut Findings) -> Result<(), Failure> {
    let mut late = Vec::new();
    for record in read_all(client, "delayed-flights").await? {
        let value: LateDeparture = parse("delayed-flights", &record)?;
        findings.key("delayed-flights", &record, &value.carrier);
        late.push(Late {
            scheduled: moment(&value.scheduled)?,
            carrier: value.carrier,
            flight: value.flight,
            origin: value.origin,
            dest: value.dest,
            tail_number: value.tail_number,
            delay_minutes: value.delay_minutes,
        });
    }
    late.sort();
    let by_carrier = |late: &[Late]| {
        let mut counts = BTreeMap::<String, u64>::new();
        late.iter().for_each(|late| *counts.entry(late.carrier.clone()).or_default() += 1);
        counts
    };
    findings.same("late departures of each carrier", by_carrier(&truth.late), by_carrier(&late));
    findings.same_all("late departure", &truth.late, &late);
    Ok(())
}

async fn check_carriers(client: &Client, truth: &Truth, findings: &mut Findings) -> Result<(), Failure> {
    let mut newest = BTreeMap::new();
    for record in read_all(client, "carrier-stats").await? {
        let value: CarrierStats = parse("carrier-stats", &record)?;
        findings.key("carrier-stats", &record, &value.carrier);
        let carrier = Carrier {
            flights: value.flights,
            departed: value.departed,
            cancelled: value.cancelled,
            delay_sum_minutes: value.delay_sum_minutes,
            mean_hundredths: value.mean_delay_minutes.map(hundredths),
            worst_delay_minutes: value.worst_delay_minutes,
        };
        newest.insert(value.carrier, carrier);
    }
    let expected: Vec<_> = truth.carriers.iter().collect();
    findings.same_all("carrier", &expected, &newest.iter().collect::<Vec<_>>());
    Ok(())
}

async fn check_by_origin(client: &Client, truth: &Truth, findings: &mut Findings) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for record in read_all(client, "flights-by-origin").await? {
        let text = serde_json::from_str::<String>(record.value.get())
            .unwrap_or_else(|_| record.value.get().to_owned());
        lines.push((record.key.clone().unwrap_or_default(), text));
    }
    lines.sort();
    findings.same_all("flight by origin", &truth.by_origin, &lines);
    Ok(())
}

async fn check_joined(client: &Client, truth: &Truth, findings: &mut Findings) -> Result<(), Failure> {
    let mut joined = Vec::new();
    for record in read_all(client, "flight-weather").await? {
        let value: FlightWeather = parse("flight-weather", &record)?;
        findings.key("flight-weather", &record, &value.origin);
        if value.cancelled != value.delay_minutes.is_none() {
            findings.0.push(format!(
                "flight {} {} says cancelled={} and has delay {:?}",
                value.carrier, value.flight, value.cancelled, value.delay_minutes
            ));
        }
        joined.push(Joined {
            scheduled: moment(&value.scheduled)?,
            carrier: value.carrier,
            flight: value.flight,
            origin: value.origin,
            dest: value.dest,
            tail_number: value.tail_number,
            delay_minutes: value.delay_minutes,
            weather: value.weather.map(reading).transpose()?,
        });
    }
    joined.sort();
    findings.same_all("flight with its weather", &truth.joined, &joined);
    Ok(())
}

fn reading(weather: Weather) -> Result<Reading, Failure> {
    Ok(Reading {
        observed: moment(&weather.observed)?,
        temperature: weather.temperature_f.map(hundredths),
        wind_speed: weather.wind_speed_mph.map(hundredths),
        wind_gust: weather.wind_gust_mph.map(hundredths),
        precipitation: weather.precipitation_in.map(hundredths),
        visibility: weather.visibility_mi.map(hundredths),
        pressure: weather.pressure_hpa.map(hundredths),
    })
}

/// Every line of the month parses, so nothing may have been refused.
async fn check_dead_letters(client: &Client, findings: &mut Findings) -> Result<(), Failure> {
    for processor in processors() {
        let topic = format!("{processor}.dead-letter");
        match read_all(client, &topic).await {
            Ok(letters) => findings.same(&format!("records in {topic}"), 0, letters.len()),
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// All records of a topic that are there now.
pub(crate) async fn read_all(client: &Client, topic: &str) -> Result<Vec<api::Record>, Failure> {
    let request = client.request(Method::GET, &["topics", topic, "records"]).query(&[("from", "earliest")]);
    let mut lines = client.lines(client.open(request.header(header::ACCEPT, api::NDJSON)).await?);
    let mut records = Vec::new();
    while let Some(line) = lines.next().await {
        let line = line?;
        if !line.trim().is_empty() {
            let record = serde_json::from_str(&line);
            records.push(record.map_err(|error| {
                Failure::failed(format!("{topic} has a record that does not parse: {error}: {line}"))
            })?);
        }
    }
    Ok(records)
}

fn parse<T: DeserializeOwned>(topic: &str, record: &api::Record) -> Result<T, Failure> {
    let value = record.value.get();
    serde_json::from_str(value)
        .map_err(|error| Failure::failed(format!("{topic} has a value of another form: {error}: {value}")))
}

fn moment(text: &str) -> Result<i64, Failure> {
    millis(text).ok_or_else(|| Failure::failed(format!("{text:?} is no moment")))
}

impl Findings {
    fn same<T: PartialEq + Debug>(&mut self, what: &str, expected: T, found: T) {
        match expected == found {
            true => note(&format!("agrees: {what}")),
            false => self.0.push(format!("{what}: expected {expected:?}, found {found:?}")),
        }
    }
    fn key(&mut self, topic: &str, record: &api::Record, expected: &str) {
        if record.key.as_deref() != Some(expected) {
            self.0.push(format!("{topic}: key {:?} of a record of {expected}", record.key));
        }
    }
    /// Compares two sorted lists as multisets and tells what is missing and what is too much.
    fn same_all<T: Ord + Debug>(&mut self, what: &str, expected: &[T], found: &[T]) {
        let (missing, extra) = difference(expected, found);
        if missing.is_empty() && extra.is_empty() {
            note(&format!("agrees: {} (each {what})", counted(found.len() as u64, "record")));
            return;
        }
        for (word, items) in [("missing", &missing), ("not expected", &extra)] {
            self.0.extend(items.iter().take(SHOWN_MAX).map(|item| format!("{what} {word}: {item:?}")));
            if items.len() > SHOWN_MAX {
                self.0.push(format!("{what} {word}: and {} more", items.len() - SHOWN_MAX));
            }
        }
    }
}

/// What is only in the one, and what only in the other; both are sorted.
fn difference<'a, T: Ord>(expected: &'a [T], found: &'a [T]) -> (Vec<&'a T>, Vec<&'a T>) {
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    let (mut expected, mut found) = (expected.iter().peekable(), found.iter().peekable());
    loop {
        match (expected.peek(), found.peek()) {
            (None, None) => return (missing, extra),
            (Some(_), None) => missing.extend(expected.by_ref()),
            (None, Some(_)) => extra.extend(found.by_ref()),
            (Some(one), Some(other)) => match one.cmp(other) {
                std::cmp::Ordering::Less => missing.extend(expected.next()),
                std::cmp::Ordering::Greater => extra.extend(found.next()),
                std::cmp::Ordering::Equal => {
                    expected.next();
                    found.next();
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_and_what_agrees_is_not() {
        let mut findings = Findings::default();
        findings.same("count", 3, 3);
        findings.same_all("flight", &[1, 2, 3], &[1, 2, 3]);
        assert!(findings.0.is_empty());
        findings.same("count", 3, 4);
        findings.same_all("flight", &(0..20).collect::<Vec<_>>(), &[7, 7]);
        let told = findings.0.join("\n");
        assert!(
            told.contains("count: expected 3, found 4") && told.contains("flight not expected: 7"),
            "{told}"
        );
        assert!(told.contains("flight missing: 0") && told.contains("flight missing: and 14 more"), "{told}");
    }
    #[test]
    fn a_difference_counts_repeats() {
        let (missing, extra) = difference(&[1, 2, 2, 4], &[2, 3, 4, 4]);
        assert_eq!((missing, extra), (vec![&1, &2], vec![&3, &4]));
        assert_eq!(difference::<u8>(&[], &[]), (vec![], vec![]));
    }
}
