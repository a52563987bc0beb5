//! Bodies of records over HTTP: whatever the bytes, taking them apart ends; a value keeps its bytes; lines are the same
//! wherever the body is cut. The first byte chooses the form, the second where the body is cut.
#![no_main]

#[path = "../../host/crates/http/src/produce/lines.rs"]
mod lines;
#[path = "../../host/crates/http/src/produce/parse.rs"]
mod parse;

/// The two words of the room's `api` that its parser needs; the real ones come with the OpenAPI document's crates.
mod api {
    use serde::Deserialize;

    #[derive(Clone, Copy, Debug, Default, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum KeyEncoding {
        #[default]
        Text,
        Base64,
    }
    #[derive(Clone, Copy, Debug, Default, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum ValueEncoding {
        #[default]
        Json,
        Text,
        Base64,
    }
}

use libfuzzer_sys::fuzz_target;
use lines::Lines;
use potok_fuzz::Input;
use serde_json::Value;

fuzz_target!(init: potok_fuzz::write_seeds_if_asked(potok_fuzz::http_seeds), |data: &[u8]| {
    let mut input = Input(data);
    let (form, cut) = (input.byte(), usize::from(input.byte()));
    let body = input.0;
    match form % 5 {
        0 => values(body),
        4 => headers(body),
        1 => records(body),
        2 => text(body, cut),
        _ => cut_lines(body, cut),
    }
});

/// Headers alone are as many as the array has.
fn headers(body: &[u8]) {
    if let (Ok(headers), Ok(array)) = (parse::headers(body), serde_json::from_slice::<Value>(body)) {
        assert_eq!(array.as_array().map(Vec::len), Some(headers.len()));
    }
}

/// As many values as the array has, and each is what the array has there.
fn values(body: &[u8]) {
    if let Ok(one) = parse::value(body) {
        assert!(one.key.is_none() && one.value.is_none_or(|bytes| bytes.len() <= body.len()));
    }
    let Ok(values) = parse::values(body) else {
        assert!(serde_json::from_slice::<Value>(body).is_err(), "JSON was refused");
        return;
    };
    let kept: Vec<_> = values.map(|parts| parts.value).collect();
    let Ok(expected) = serde_json::from_slice(body) else { return }; // nested too deep for a tree, or a number too large
    let expected = if let Value::Array(elements) = expected { elements } else { vec![expected] };
    assert_eq!(kept.len(), expected.len());
    for (kept, expected) in kept.iter().zip(expected) {
        let kept = kept
            .as_ref()
            .map_or(Value::Null, |bytes| serde_json::from_slice(bytes).unwrap_or(Value::Bool(false)));
        assert_eq!(kept, expected);
    }
}

/// A record of a body is the record of its line.
fn records(body: &[u8]) {
    if let Ok(record) = parse::record(body) {
        let wrapped = [b"{\"records\":[", body, b"]}"].concat();
        let mut all = parse::records(&wrapped).unwrap_or_else(|error| panic!("{error}"));
        let again =
            all.next().unwrap_or_else(|| panic!("no record")).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((again.key, again.value, again.headers), (record.key, record.value, record.headers));
        assert_eq!((again.timestamp, again.partition), (record.timestamp, record.partition));
    }
    if let Ok(all) = parse::records(body) {
        assert!(all.count() <= body.len());
    }
}

/// Key, separator and value are the line again.
fn text(line: &[u8], cut: usize) {
    let separator = String::from_utf8_lossy(&line[..cut.min(line.len()).min(8)]).into_owned();
    let separator = if separator.is_empty() { "\t".to_owned() } else { separator };
    let parts = parse::text(line, Some(&separator));
    let value = parts.value.unwrap_or_default();
    let again = match parts.key {
        Some(key) => [&key, separator.as_bytes(), &value].concat(),
        None => value.to_vec(),
    };
    assert_eq!(again, line);
    assert_eq!(parse::raw(line).value.as_deref(), Some(line));
}

/// The lines of a body, cut in two.
fn cut_lines(body: &[u8], cut: usize) {
    let (mut lines, mut seen) = (Lines::default(), Vec::new());
    let (head, tail) = body.split_at(cut.min(body.len()));
    for part in [head, tail] {
        lines.add(part);
        while let Some(line) = lines.next() {
            seen.push(line.to_vec());
        }
        assert!(lines.pending() <= body.len());
    }
    seen.extend(lines.rest().map(<[u8]>::to_vec));
    let mut expected: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    if expected.last().is_some_and(|line| line.is_empty()) {
        expected.pop();
    }
    let expected: Vec<&[u8]> = expected.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    assert_eq!(seen, expected);
    assert_eq!((lines.taken(), lines.pending()), (expected.len() as u64, 0));
}
