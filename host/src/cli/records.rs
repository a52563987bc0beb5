//! Lines of a file as records, and bytes as people and programs read them. The same forms as the server's `/v1/…/records`.

use super::values::LineFormat;
use crate::cli::plugin::InputRecord;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use potok_http::api;
use serde_json::{Value, json};

/// What of a value a table shows; the whole is in `--output json`.
const SHOWN_CHARS_MAX: usize = 120;

/// Reads lines as records; an error names the line, counted from 1. Empty lines are passed over.
pub(super) fn parse_lines(
    bytes: &[u8],
    format: LineFormat,
    partitions: u32,
) -> Result<Vec<InputRecord>, (usize, String)> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let numbered = lines.enumerate().filter(|(_, line)| !line.is_empty());
    numbered
        .map(|(index, line)| parse_line(line, format, partitions).map_err(|why| (index + 1, why)))
        .collect()
}

fn parse_line(line: &[u8], format: LineFormat, partitions: u32) -> Result<InputRecord, String> {
    match format {
        LineFormat::Text => Ok(InputRecord { value: Some(line.to_vec()), ..InputRecord::default() }),
        LineFormat::Json => {
            serde_json::from_slice::<serde::de::IgnoredAny>(line)
                .map_err(|error| format!("no JSON: {}", of_one_line(&error)))?;
            Ok(InputRecord { value: Some(line.to_vec()), ..InputRecord::default() })
        }
        LineFormat::Records => {
            let parsed = serde_json::from_slice(line);
            record(parsed.map_err(|error| format!("no record: {}", of_one_line(&error)))?, partitions)
        }
    }
}

/// A parser counts the lines of what it is given, and that was one.
fn of_one_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

fn record(record: api::NewRecord, partitions: u32) -> Result<InputRecord, String> {
    if let Some(partition) = record.partition.filter(|partition| *partition >= partitions) {
        return Err(format!("partition {partition} of {partitions}: give --partitions"));
    }
    let key = record.key.map(|key| decode(key, record.key_encoding.unwrap_or_default())).transpose()?;
    let header = |header: api::RecordHeader| {
        let value =
            header.value.map(|value| decode(value, header.encoding.unwrap_or_default())).transpose()?;
        Ok((header.name.into_bytes(), value))
    };
    Ok(InputRecord {
        timestamp: record.timestamp,
        partition: record.partition,
        key,
        value: value(record.value.as_deref(), record.value_encoding.unwrap_or_default())?,
        headers: record.headers.into_iter().map(header).collect::<Result<_, String>>()?,
    })
}

fn decode(text: String, encoding: api::KeyEncoding) -> Result<Vec<u8>, String> {
    match encoding {
        api::KeyEncoding::Text => Ok(text.into_bytes()),
        api::KeyEncoding::Base64 => STANDARD.decode(text).map_err(|error| format!("no base64: {error}")),
    }
}

fn value(
    raw: Option<&serde_json::value::RawValue>,
    encoding: api::ValueEncoding,
) -> Result<Option<Vec<u8>>, String> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    let text = || {
        serde_json::from_str::<String>(raw.get())
            .map_err(|_| "the value must be a string with this value_encoding".to_owned())
    };
    match encoding {
        api::ValueEncoding::Json => Ok(Some(raw.get().as_bytes().to_vec())),
        api::ValueEncoding::Text => Ok(Some(text()?.into_bytes())),
        api::ValueEncoding::Base64 => Ok(Some(decode(text()?, api::KeyEncoding::Base64)?)),
    }
}

/// Adds key, value and headers to `object`, in the words of a record that the server sends.
pub(super) fn parts_json(
    object: &mut Value,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(Vec<u8>, Option<Vec<u8>>)],
) {
    if let Some(key) = key {
        let (key, encoding) = text_or_base64(key);
        object["key"] = key;
        if let Some(encoding) = encoding {
            object["key_encoding"] = encoding;
        }
    }
    match value.map(|value| (serde_json::from_slice::<Value>(value), value)) {
        None => object["value"] = Value::Null,
        Some((Ok(parsed), _)) if !parsed.is_null() => object["value"] = parsed,
        Some((_, bytes)) => {
            let (text, encoding) = text_or_base64(bytes);
            object["value"] = text;
            object["value_encoding"] = encoding.unwrap_or_else(|| "text".into());
        }
    }
    if !headers.is_empty() {
        let header = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
            let (value, encoding) = value.as_deref().map_or((Value::Null, None), text_or_base64);
            let mut header = json!({ "name": String::from_utf8_lossy(name), "value": value });
            if let Some(encoding) = encoding {
                header["encoding"] = encoding;
            }
            header
        };
        object["headers"] = headers.iter().map(header).collect();
    }
}

fn text_or_base64(bytes: &[u8]) -> (Value, Option<Value>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.into(), None),
        Err(_) => (STANDARD.encode(bytes).into(), Some("base64".into())),
    }
}

/// Bytes as a table shows them: text with its control characters made visible, else base64; long ones cut.
pub(super) fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.chars().flat_map(visible).collect(),
        _ => format!("base64:{}", STANDARD.encode(bytes)),
    };
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A terminal obeys control characters, and a guest's bytes are nobody's orders.
fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_the_servers_form_becomes_bytes() {
        let lines = b"{\"key\":\"a\",\"value\":{\"x\": 1},\"timestamp\":5}\n\n{\"key\":\"/w==\",\"key_encoding\":\"base64\",\"value\":null}\r\n";
        let records = parse_lines(lines, LineFormat::Records, 1).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].value.as_deref(), Some(&b"{\"x\": 1}"[..]));
        assert_eq!((records[1].key.as_deref(), records[1].value.as_deref()), (Some(&[0xff][..]), None));
    }
    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let check = |text: &str, format| parse_lines(text.as_bytes(), format, 1).unwrap_err().0;
        assert_eq!(check("{\"value\":1}\n\n{\"vaule\":1}\n", LineFormat::Records), 3);
        assert_eq!(check("{}\n{\"value\":1,\"partition\":1}", LineFormat::Records), 2);
        assert_eq!(check("1\nx", LineFormat::Json), 2);
        let said = parse_lines(b"x", LineFormat::Records, 1).unwrap_err().1;
        assert_eq!(said, "no record: expected value at column 1");
        assert_eq!(check("{\"value\":\"!\",\"value_encoding\":\"base64\"}", LineFormat::Records), 1);
    }
    #[test]
    fn what_a_guest_sends_does_not_reach_the_terminal_as_an_order() {
        assert_eq!(shown(Some(b"\x1b[31mred\n")), "\\u{1b}[31mred\\n");
        assert_eq!(shown(Some(&[0xff, 0])), "base64:/wA=");
        assert_eq!(shown(Some("é".repeat(121).as_bytes())).chars().count(), 121);
        assert_eq!(shown(None), "-");
    }
    #[test]
    fn parts_are_written_as_the_server_writes_them() {
        let mut object = json!({});
        parts_json(&mut object, Some(b"k"), Some(b"null"), &[(b"h".to_vec(), None)]);
        assert_eq!(
            object,
            json!({ "key": "k", "value": "null", "value_encoding": "text", "headers": [{ "name": "h", "value": null }] })
        );
    }
}
