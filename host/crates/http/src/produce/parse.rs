//! From bytes of a request to the parts of records, with no more copies than escapes ask for: a JSON value is checked once
//! and goes into the log as the bytes that it was written with. Knows nothing of topics, so that it can be fuzzed alone.

use crate::api::{KeyEncoding, ValueEncoding};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use potok_types::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What is wrong with the words of a record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParseError {
    /// No JSON.
    #[error("{0}")]
    Json(serde_json::Error),
    /// JSON of another shape.
    #[error("{0}")]
    Shape(String),
    /// No base64.
    #[error("{what} is not valid base64: {reason}")]
    Base64 {
        /// Of what.
        what: &'static str,
        /// Why not.
        reason: base64::DecodeError,
    },
    /// Before 1970.
    #[error("timestamp {0} is before 1970")]
    Timestamp(i64),
}

impl From<serde_json::Error> for ParseError {
    fn from(error: serde_json::Error) -> ParseError {
        match error.classify() {
            serde_json::error::Category::Data => ParseError::Shape(error.to_string()),
            _ => ParseError::Json(error),
        }
    }
}

/// Name and value of a header.
pub(crate) type Header<'a> = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

/// A record on its way into a batch; what is absent is the request's to say.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) key: Option<Cow<'a, [u8]>>,
    pub(crate) value: Option<Cow<'a, [u8]>>,
    pub(crate) headers: Vec<Header<'a>>,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) partition: Option<u32>,
}

/// A record with all its parts, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(default, borrow)]
    key: Option<&'a RawValue>,
    #[serde(default)]
    key_encoding: Option<KeyEncoding>,
    #[serde(default, borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    value_encoding: Option<ValueEncoding>,
    #[serde(default, borrow)]
    headers: Option<Vec<WrittenHeader<'a>>>,
    #[serde(default)]
    timestamp: Option<i64>,
    #[serde(default)]
    partition: Option<u32>,
    #[serde(default, rename = "offset")]
    _offset: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHeader<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    encoding: Option<KeyEncoding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAll<'a> {
    #[serde(borrow)]
    records: Vec<Written<'a>>,
}

/// The bytes as they are, as one record.
pub(crate) fn raw(bytes: &[u8]) -> Parts<'_> {
    Parts { value: Some(Cow::Borrowed(bytes)), ..Parts::default() }
}

/// A line of text: what stands before the separator is the key.
pub(crate) fn text<'a>(line: &'a [u8], separator: Option<&str>) -> Parts<'a> {
    let split = separator.and_then(|separator| {
        let at = find(line, separator.as_bytes())?;
        Some((&line[..at], &line[at + separator.len()..]))
    });
    match split {
        Some((key, value)) => {
            Parts { key: Some(Cow::Borrowed(key)), value: Some(Cow::Borrowed(value)), ..Parts::default() }
        }
        None => raw(line),
    }
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

/// One JSON value as a record; `null` is a tombstone.
pub(crate) fn value(bytes: &[u8]) -> Result<Parts<'_>, ParseError> {
    Ok(of_value(serde_json::from_slice(bytes)?))
}

fn of_value(value: &RawValue) -> Parts<'_> {
    Parts { value: json_bytes(value), ..Parts::default() }
}

fn json_bytes(value: &RawValue) -> Option<Cow<'_, [u8]>> {
    (value.get() != "null").then(|| Cow::Borrowed(value.get().as_bytes()))
}

/// One record with all its parts.
pub(crate) fn record(bytes: &[u8]) -> Result<Parts<'_>, ParseError> {
    of_written(serde_json::from_slice(bytes)?)
}

/// Each value of a body: the elements of an array, or the one value there is.
pub(crate) fn values(bytes: &[u8]) -> Result<impl Iterator<Item = Parts<'_>>, ParseError> {
    let array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let values: Vec<&RawValue> =
        if array { serde_json::from_slice(bytes)? } else { vec![serde_json::from_slice(bytes)?] };
    Ok(values.into_iter().map(of_value))
}

/// Each record of a body of records.
pub(crate) fn records(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<Parts<'_>, ParseError>>, ParseError> {
    let WrittenAll { records } = serde_json::from_slice(bytes)?;
    Ok(records.into_iter().map(of_written))
}

/// A value of another form than its encoding asks for: most likely one that was mended, with the encoding left as it was.
const VALUE: &str = "`value` beside `value_encoding`";

fn of_written(written: Written<'_>) -> Result<Parts<'_>, ParseError> {
    let key = encoded(written.key, written.key_encoding, "`key`")?;
    let value = match (written.value, written.value_encoding.unwrap_or_default()) {
        (None, _) => None,
        (Some(value), ValueEncoding::Json) => json_bytes(value),
        (Some(value), ValueEncoding::Text) => Some(text_bytes(value, VALUE)?),
        (Some(value), ValueEncoding::Base64) => Some(base64_bytes(value, VALUE)?),
    };
    let headers = written.headers.unwrap_or_default().into_iter().map(of_header).collect::<Result<_, _>>()?;
    let timestamp = written.timestamp.map(timestamp).transpose()?;
    Ok(Parts { key, value, headers, timestamp, partition: written.partition })
}

fn of_header(header: WrittenHeader<'_>) -> Result<Header<'_>, ParseError> {
    let name = match header.name {
        Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
        Cow::Owned(name) => Cow::Owned(name.into_bytes()),
    };
    Ok((name, encoded(header.value, header.encoding, "a header's `value`")?))
}

/// Headers alone, as an array; they outlive the text that they were written in.
pub(crate) fn headers(bytes: &[u8]) -> Result<Vec<Header<'static>>, ParseError> {
    let written: Vec<WrittenHeader<'_>> = serde_json::from_slice(bytes)?;
    let owned = |(name, value): Header<'_>| {
        (Cow::Owned(name.into_owned()), value.map(|value| Cow::Owned(value.into_owned())))
    };
    written.into_iter().map(|header| of_header(header).map(owned)).collect()
}

fn encoded<'a>(
    written: Option<&'a RawValue>,
    encoding: Option<KeyEncoding>,
    what: &'static str,
) -> Result<Option<Cow<'a, [u8]>>, ParseError> {
    match (written, encoding.unwrap_or_default()) {
        (None, _) => Ok(None),
        (Some(text), KeyEncoding::Text) => text_bytes(text, what).map(Some),
        (Some(text), KeyEncoding::Base64) => base64_bytes(text, what).map(Some),
    }
}

/// The bytes of a JSON string: those between the quotes, unless there are escapes.
fn text_bytes<'a>(value: &'a RawValue, what: &'static str) -> Result<Cow<'a, [u8]>, ParseError> {
    let inner = value.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner.as_bytes())),
        Some(_) => {
            let text: Result<String, _> = serde_json::from_str(value.get());
            let text = text.map_err(|error| ParseError::Shape(format!("{what}: {error}")))?;
            Ok(Cow::Owned(text.into_bytes()))
        }
        None => Err(ParseError::Shape(format!("{what} must be a JSON string"))),
    }
}

fn base64_bytes<'a>(value: &'a RawValue, what: &'static str) -> Result<Cow<'a, [u8]>, ParseError> {
    decode_base64(&text_bytes(value, what)?, what).map(Cow::Owned)
}

/// The bytes that a text of base64 stands for.
pub(crate) fn decode_base64(text: &[u8], what: &'static str) -> Result<Vec<u8>, ParseError> {
    STANDARD.decode(text).map_err(|reason| ParseError::Base64 { what, reason })
}

/// A moment of a client's.
pub(crate) fn timestamp(millis: i64) -> Result<Timestamp, ParseError> {
    if millis < 0 { Err(ParseError::Timestamp(millis)) } else { Ok(Timestamp(millis)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn of(body: &str) -> Vec<Option<String>> {
        let text = |parts: Parts<'_>| parts.value.map(|bytes| String::from_utf8(bytes.into_owned()).unwrap());
        values(body.as_bytes()).unwrap().map(text).collect()
    }

    #[test]
    fn json_keeps_the_bytes_that_it_was_written_with() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of(" {\"a\" : 1.50} "), vec![text("{\"a\" : 1.50}")]);
        assert_eq!(of("[1e2, \"x\", null, [2]]"), vec![text("1e2"), text("\"x\""), None, text("[2]")]);
        assert_eq!(of("[]"), Vec::<Option<String>>::new());
    }
    #[test]
    fn a_record_with_all_its_parts_is_read() {
        let parts = record(
            br#"{"key":"a\nb","value":"AQI=","value_encoding":"base64","partition":3,"timestamp":7,"offset":99,
                "headers":[{"name":"h","value":"x"},{"name":"h","value":null},{"name":"b","value":"AA==","encoding":"base64"}]}"#,
        )
        .unwrap();
        assert_eq!(parts.key.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(parts.value.as_deref(), Some(&[1u8, 2][..]));
        assert_eq!((parts.partition, parts.timestamp), (Some(3), Some(Timestamp(7))));
        let headers: Vec<_> =
            parts.headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
        assert_eq!(headers, vec![(&b"h"[..], Some(&b"x"[..])), (b"h", None), (b"b", Some(&[0u8][..]))]);
    }
    #[test]
    fn headers_alone_are_an_array() {
        let read = headers(
            br#"[{"name":"h","value":"x"},{"name":"b","value":"AA==","encoding":"base64"},{"name":"n"}]"#,
        );
        let read = read.unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
        assert_eq!(read, vec![(&b"h"[..], Some(&b"x"[..])), (b"b", Some(&[0u8][..])), (b"n", None)]);
        assert!(headers(b"{}").is_err() && headers(b"[1]").is_err() && headers(b"[").is_err());
    }
    #[test]
    fn what_is_wrong_is_told_apart() {
        assert!(matches!(value(b"{\"a\":"), Err(ParseError::Json(_))));
        assert!(matches!(value(b"1 2"), Err(ParseError::Json(_))));
        assert!(matches!(value(b"\"\xff\""), Err(ParseError::Json(_) | ParseError::Shape(_))));
        assert!(
            matches!(record(b"{\"kye\":1}"), Err(ParseError::Shape(text)) if text.contains("unknown field `kye`"))
        );
        assert!(matches!(record(b"{\"key\":1}"), Err(ParseError::Shape(_))));
        assert!(matches!(
            record(b"{\"key\":\"?\",\"key_encoding\":\"base64\"}"),
            Err(ParseError::Base64 { .. })
        ));
        assert!(matches!(record(b"{\"timestamp\":-1}"), Err(ParseError::Timestamp(-1))));
    }
    #[test]
    fn a_value_that_was_mended_names_the_encoding_that_was_left() {
        let mended = record(br#"{"value":{"celsius":41},"value_encoding":"text"}"#).map(|_| ());
        let said = mended.unwrap_err().to_string();
        assert_eq!(said, "`value` beside `value_encoding` must be a JSON string");
    }
    #[test]
    fn a_deeply_nested_value_takes_no_stack() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert!(value(deep.as_bytes()).is_ok());
    }
    #[test]
    fn a_separator_splits_a_line_once() {
        let parts = text(b"k::v::w", Some("::"));
        assert_eq!((parts.key.as_deref(), parts.value.as_deref()), (Some(&b"k"[..]), Some(&b"v::w"[..])));
        assert_eq!(text(b"plain", Some("\t")).key, None);
    }
}
