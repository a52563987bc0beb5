//! A record as JSON, for a page, a line or an event. A value that is JSON stands as it is written; line ends within it,
//! which JSON allows between its tokens only, become spaces, so that a record is always one line.

use super::cursor::Positions;
use base64::engine::general_purpose::STANDARD;
use potok_types::{PartitionIndex, Record};
use serde_json::value::RawValue;
use std::io::Write;
use std::sync::Arc;

/// How records follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With a comma behind each.
    Page,
    /// A line each.
    Lines,
    /// An event each, whose id says where the read stands after it.
    Events,
    /// The value alone, a line each.
    Values,
    /// The value alone, an event each.
    ValueEvents,
    /// A line of the names and values of headers, then the value's bytes as they are.
    Raw,
}

/// Records as bytes.
#[derive(Debug)]
pub(super) struct Render {
    form: Form,
    /// Only records with this key.
    filter: Option<Arc<[u8]>>,
    out: Vec<u8>,
    records: u64,
}

impl Render {
    pub(super) fn new(form: Form, filter: Option<Arc<[u8]>>) -> Render {
        Render { form, filter, out: Vec::new(), records: 0 }
    }
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }
    pub(super) fn records(&self) -> u64 {
        self.records
    }
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
    /// Writes a record; `after` is where the read stands behind it. Says whether it was one of those wanted.
    pub(super) fn record(
        &mut self,
        partition: PartitionIndex,
        record: &Record<'_>,
        after: &Positions,
    ) -> bool {
        if self.filter.as_deref().is_some_and(|filter| record.key != Some(filter)) {
            return false;
        }
        self.records += 1;
        if matches!(self.form, Form::Events | Form::ValueEvents) {
            put(&mut self.out, format_args!("id: {after}\ndata: "));
        }
        match self.form {
            Form::Page | Form::Lines | Form::Events => self.whole(partition, record),
            Form::Values | Form::ValueEvents => one_line(&mut self.out, record.value.unwrap_or(b"null")),
            Form::Raw => self.raw(partition, record),
        }
        match self.form {
            Form::Page => self.out.push(b','),
            Form::Lines | Form::Values => self.out.push(b'\n'),
            Form::Events | Form::ValueEvents => self.out.extend_from_slice(b"\n\n"),
            Form::Raw => {}
        }
        true
    }
    fn raw(&mut self, partition: PartitionIndex, record: &Record<'_>) {
        let out = &mut self.out;
        let (offset, timestamp) = (record.offset, record.timestamp.0);
        put(
            out,
            format_args!("potok-partition:{partition},potok-offset:{offset},potok-timestamp:{timestamp}"),
        );
        if let Some(key) = record.key {
            put(
                out,
                format_args!(",potok-key-base64:{}", base64::display::Base64Display::new(key, &STANDARD)),
            );
        }
        out.extend_from_slice(if record.value.is_some() { b"\n" } else { b",potok-tombstone:true\n" });
        out.extend_from_slice(record.value.unwrap_or_default());
    }
    fn whole(&mut self, partition: PartitionIndex, record: &Record<'_>) {
        let out = &mut self.out;
        let (offset, timestamp) = (record.offset, record.timestamp.0);
        put(out, format_args!("{{\"partition\":{partition},\"offset\":{offset},\"timestamp\":{timestamp}"));
        if let Some(key) = record.key {
            out.extend_from_slice(b",\"key\":");
            if !text_or_base64(out, key) {
                out.extend_from_slice(b",\"key_encoding\":\"base64\"");
            }
        }
        out.extend_from_slice(b",\"value\":");
        value(out, record.value);
        headers(out, record);
        out.push(b'}');
    }
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // a Vec takes everything
    let _ = out.write_fmt(what);
}

fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(bytes) if is_json(bytes) => one_line(out, bytes),
        Some(bytes) => {
            let encoding = if text_or_base64(out, bytes) { "text" } else { "base64" };
            put(out, format_args!(",\"value_encoding\":\"{encoding}\""));
        }
    }
}

/// Whether the bytes are one JSON value. The word `null` is not, here: it stands for a value that is not there.
fn is_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let likely = matches!(first, Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f'));
    likely && serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// The bytes with line ends as spaces.
fn one_line(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.extend_from_slice(bytes);
    if memchr::memchr2(b'\n', b'\r', bytes).is_some() {
        out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
}

/// A JSON string of the bytes; says whether it is their text rather than base64.
fn text_or_base64(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            // a Vec takes everything
            let _ = serde_json::to_writer(out, text);
            true
        }
        Err(_) => {
            put(out, format_args!("\"{}\"", base64::display::Base64Display::new(bytes, &STANDARD)));
            false
        }
    }
}

fn headers(out: &mut Vec<u8>, record: &Record<'_>) {
    let all = record.headers();
    if all.len() == 0 {
        return;
    }
    out.extend_from_slice(b",\"headers\":[");
    for (index, header) in all.enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        // names are text by convention; what is not is shown as it can be
        let _ = serde_json::to_writer(&mut *out, &String::from_utf8_lossy(header.name));
        out.extend_from_slice(b",\"value\":");
        let text = match header.value {
            Some(value) => text_or_base64(out, value),
            None => {
                out.extend_from_slice(b"null");
                true
            }
        };
        out.extend_from_slice(if text { b"}" } else { b",\"encoding\":\"base64\"}" });
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: Option<&[u8]>, expect: &str) {
        let mut out = Vec::new();
        value(&mut out, bytes);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn a_value_is_json_else_text_else_base64() {
        check(Some(b"{\"a\": 1.50}"), "{\"a\": 1.50}");
        check(Some(b"{\n\"a\":\r\n[]}"), "{ \"a\":  []}");
        check(Some(b"12"), "12");
        check(Some(b"12 13"), "\"12 13\",\"value_encoding\":\"text\"");
        check(Some(b"two\nlines"), "\"two\\nlines\",\"value_encoding\":\"text\"");
        check(Some(b""), "\"\",\"value_encoding\":\"text\"");
        check(Some(b"null"), "\"null\",\"value_encoding\":\"text\"");
        check(Some(&[0xff, 0]), "\"/wA=\",\"value_encoding\":\"base64\"");
        check(None, "null");
    }
}
