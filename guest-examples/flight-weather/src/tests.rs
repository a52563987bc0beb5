//! The join on the harness: whichever input comes first, every flight once, with the right reading.

use super::*;
use potok_sdk::testing::{Harness, Sent, TestRecord};

fn flight(number: u32, hour: u32) -> TestRecord {
    let line = format!(
        "2013,1,1,NA,1,NA,NA,819,11,UA,{number},NA,EWR,IAH,227,1400,5,15,2013-01-01T{hour:02}:00:00Z"
    );
    TestRecord::new(line).key("EWR").input(0)
}
fn weather(airport: &str, hour: u32) -> TestRecord {
    let line = format!(
        "{airport},2013,1,1,5,{hour}.5,28.04,64.43,260,12.65,NA,0,1011.9,10,2013-01-01T{hour:02}:00:00Z"
    );
    TestRecord::new(line).key(airport).input(1)
}
fn new() -> Harness<FlightWeather> {
    Harness::new("{}")
}
/// Flight number and the temperature it came with.
fn temperatures(sent: &[Sent]) -> Vec<(u32, Option<f64>)> {
    let mut all: Vec<_> = sent
        .iter()
        .map(|one| {
            let joined: serde_json::Value = one.json();
            (joined["flight"].as_u64().unwrap() as u32, joined["weather"]["temperature_f"].as_f64())
        })
        .collect();
    all.sort_by_key(|(flight, _)| *flight);
    all
}

#[test]
fn a_flight_has_the_weather_of_its_hour_whichever_comes_first() {
    let mut harness = new();
    harness.send(weather("EWR", 10)).send(flight(1, 10));
    let after = harness.take();
    let mut harness = new();
    harness.send(flight(1, 10)).send(weather("EWR", 10));
    assert_eq!(harness.take(), after);
    assert_eq!(
        after[0].value_str(),
        r#"{"carrier":"UA","flight":1,"origin":"EWR","dest":"IAH","tail_number":null,"scheduled":"2013-01-01T10:15:00Z","delay_minutes":null,"cancelled":true,"weather":{"observed":"2013-01-01T10:00:00Z","temperature_f":10.5,"wind_speed_mph":12.65,"wind_gust_mph":null,"precipitation_in":0.0,"visibility_mi":10.0,"pressure_hpa":1011.9}}"#
    );
    assert_eq!(
        (after[0].key_str(), after[0].timestamp.to_string().as_str()),
        ("EWR", "2013-01-01T10:15:00Z")
    );
    assert!(harness.state("waiting").is_empty() && harness.timers().is_empty());
}
#[test]
fn an_hour_that_the_sensor_missed_is_answered_by_the_one_before() {
    let mut harness = new();
    harness.send_all([weather("EWR", 9), weather("JFK", 10), flight(1, 10)]);
    assert!(harness.sent().is_empty(), "the weather of hour 10 may still come");
    harness.send_all([weather("EWR", 11), flight(2, 10), flight(3, 8)]);
    assert_eq!(temperatures(harness.sent()), [(1, Some(9.5)), (2, Some(9.5)), (3, None)]);
}
#[test]
fn any_interleaving_gives_the_same_join() {
    let expect =
        [(0, Some(6.5)), (1, Some(7.5)), (2, Some(7.5)), (3, Some(9.5)), (4, Some(9.5)), (5, Some(9.5))];
    let flights: Vec<_> =
        [6, 7, 8, 9, 10, 11].into_iter().zip(0..).map(|(hour, number)| flight(number, hour)).collect();
    let readings: Vec<_> = [6, 7, 9, 12].map(|hour| weather("EWR", hour)).to_vec();
    for choice in 0..1u32 << 10 {
        if choice.count_ones() != 4 {
            continue;
        }
        let (mut flights, mut readings) = (flights.iter().cloned(), readings.iter().cloned());
        let mut harness = new();
        let order = (0..10).map(|bit| {
            if choice >> bit & 1 == 1 { readings.next().unwrap() } else { flights.next().unwrap() }
        });
        harness.send_all(order);
        assert_eq!(temperatures(harness.sent()), expect, "order {choice:b}");
    }
}
#[test]
fn a_flight_that_waited_too_long_goes_on_with_what_there_is() {
    let mut harness = new();
    harness.send_all([weather("EWR", 9), flight(1, 10), flight(2, 10), flight(3, 11)]);
    harness.advance(Duration::from_secs(599)).restart();
    assert!(harness.sent().is_empty());
    harness.advance(Duration::from_secs(1));
    assert_eq!(temperatures(&harness.take()), [(1, Some(9.5)), (2, Some(9.5)), (3, Some(9.5))]);
    assert_eq!(harness.logs().len(), 2);
    harness.send(weather("EWR", 12));
    assert!(harness.sent().is_empty(), "none is sent twice");
}
#[test]
fn records_under_another_key_are_refused() {
    let mut harness = new();
    harness.send_all([flight(1, 10).key("UA"), weather("EWR", 10).key("JFK"), TestRecord::new("?").input(1)]);
    assert_eq!(harness.refused().len(), 3);
    assert!(harness.state("weather").is_empty() && harness.state("waiting").is_empty());
}

/// The latest reading at or before an hour, by looking at all of them.
fn reading_of(airport: &str, hour: &str, weather: &[String]) -> String {
    let columns = weather.iter().map(|line| line.split(',').collect::<Vec<_>>());
    columns
        .filter(|columns| columns[0] == airport && columns[14] <= hour)
        .map(|columns| columns[14].to_owned())
        .max()
        .unwrap()
}
#[test]
fn january_s_flights_all_have_their_weather_whichever_input_runs_ahead() {
    let (flights, weather) = (lines::january::flights(), lines::january::weather());
    let keyed =
        |line: &String, column: usize| TestRecord::new(line).key(line.split(',').nth(column).unwrap());
    let (mut ahead, mut behind) = (new(), new());
    ahead.send_all(weather.iter().map(|line| keyed(line, 0).input(1)));
    for batch in flights.chunks(1000) {
        ahead.send_all(batch.iter().map(|line| keyed(line, 12)));
        behind.send_all(batch.iter().map(|line| keyed(line, 12)));
    }
    assert_eq!((ahead.sent().len(), behind.sent().len()), (27_004, 0));
    behind.send_all(weather.iter().map(|line| keyed(line, 0).input(1)));
    let sorted = |mut harness: Harness<FlightWeather>| {
        assert!(
            harness.refused().is_empty()
                && harness.state("waiting").is_empty()
                && harness.timers().is_empty()
        );
        let mut values: Vec<String> = harness.take().iter().map(|one| one.value_str().to_owned()).collect();
        values.sort();
        values
    };
    let (ahead, behind) = (sorted(ahead), sorted(behind));
    assert!(ahead == behind && ahead.len() == 27_004);
    for value in ahead.iter().step_by(97) {
        let joined: serde_json::Value = serde_json::from_str(value).unwrap();
        let scheduled = joined["scheduled"].as_str().unwrap();
        let hour = format!("{}:00:00Z", &scheduled[..13]);
        assert_eq!(
            joined["weather"]["observed"],
            reading_of(joined["origin"].as_str().unwrap(), &hour, &weather)
        );
    }
}
