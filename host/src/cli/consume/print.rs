//! Prints records, one a line: by a template, or as the JSON that the server sent.
//! In come lines of the server's stream, out go bytes on stdout; they are gathered, so that a pipe sees each at once and many cheaply.

use super::form::{Part, Template};
use crate::exit::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use potok_http::api;
use potok_types::TopicName;
use std::fmt::Display;
use std::io::Write;

/// Bytes gathered before they are written out, while more are there already.
const WRITE_BYTES: usize = 64 << 10;
/// Stands for a key and a value that are none.
const NOTHING: &[u8] = b"null";

/// Prints the records of a topic.
#[derive(Debug)]
pub(super) struct Printer {
    topic: TopicName,
    /// None for the server's own JSON.
    template: Option<Template>,
    waiting: Vec<u8>,
}

impl Printer {
    pub(super) fn new(topic: TopicName, template: Option<Template>) -> Printer {
        Printer { topic, template, waiting: Vec::new() }
    }
    /// Prints what the server sent as one line; false for an empty one, which only says that it is still there.
    pub(super) fn print(&mut self, line: &str) -> Result<bool, Failure> {
        if line.trim().is_empty() {
            return Ok(false);
        }
        match &self.template {
            None => self.waiting.extend_from_slice(line.as_bytes()),
            Some(template) => {
                let whole = self.waiting.len();
                if let Err(failure) = fill(template, &self.topic, line, &mut self.waiting) {
                    self.waiting.truncate(whole);
                    return Err(failure);
                }
            }
        }
        self.waiting.push(b'\n');
        if self.waiting.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(true)
    }
    /// Writes out what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        if !self.waiting.is_empty() {
            let mut out = std::io::stdout().lock();
            out.write_all(&self.waiting)?;
            out.flush()?;
            self.waiting.clear();
        }
        Ok(())
    }
}

fn fill(template: &Template, topic: &TopicName, line: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
    let record: api::Record = serde_json::from_str(line).map_err(unreadable)?;
    for part in &template.0 {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Topic => out.extend_from_slice(topic.as_str().as_bytes()),
            Part::Partition => out.extend_from_slice(record.partition.to_string().as_bytes()),
            Part::Offset => out.extend_from_slice(record.offset.to_string().as_bytes()),
            Part::Date => out.extend_from_slice(crate::output::time(record.timestamp).as_bytes()),
            Part::Millis => out.extend_from_slice(record.timestamp.to_string().as_bytes()),
            Part::Key => key(record.key.as_deref(), record.key_encoding, out)?,
            Part::Value => value(&record, out)?,
            Part::Headers => headers(&record.headers, out)?,
        }
    }
    Ok(())
}

fn unreadable(error: impl Display) -> Failure {
    Failure::failed(format!("the server sent a record that cannot be read: {error}"))
}

fn key(key: Option<&str>, encoding: Option<api::KeyEncoding>, out: &mut Vec<u8>) -> Result<(), Failure> {
    match (key, encoding.unwrap_or_default()) {
        (Some(key), api::KeyEncoding::Text) => out.extend_from_slice(key.as_bytes()),
        (Some(key), api::KeyEncoding::Base64) => STANDARD.decode_vec(key, out).map_err(unreadable)?,
        (None, _) => out.extend_from_slice(NOTHING),
    }
    Ok(())
}

fn value(record: &api::Record, out: &mut Vec<u8>) -> Result<(), Failure> {
    let raw = record.value.get();
    let text = || serde_json::from_str::<String>(raw).map_err(unreadable);
    match record.value_encoding.unwrap_or_default() {
        api::ValueEncoding::Json => out.extend_from_slice(raw.as_bytes()),
        api::ValueEncoding::Text => out.extend_from_slice(text()?.as_bytes()),
        api::ValueEncoding::Base64 => STANDARD.decode_vec(text()?, out).map_err(unreadable)?,
    }
    Ok(())
}

/// `name=value,name=value`.
fn headers(headers: &[api::RecordHeader], out: &mut Vec<u8>) -> Result<(), Failure> {
    for (index, header) in headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.name.as_bytes());
        out.push(b'=');
        key(header.value.as_deref(), header.encoding, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::form::template;
    use super::*;

    fn printer(form: Template) -> Printer {
        Printer::new("t".parse().unwrap(), Some(form))
    }
    #[track_caller]
    fn check(form: Template, line: &str, expect: &[u8]) {
        let mut printer = printer(form);
        assert!(printer.print(line).unwrap());
        let printed = printer.waiting.strip_suffix(b"\n").unwrap();
        assert_eq!(String::from_utf8_lossy(printed), String::from_utf8_lossy(expect));
    }
    fn plain() -> Template {
        Template::of_separator(None)
    }

    #[test]
    fn a_value_is_printed_as_the_bytes_it_is() {
        let json = r#"{"partition":0,"offset":1,"timestamp":5,"key":"a","value":{"x": 1}}"#;
        check(plain(), json, b"{\"x\": 1}");
        let text = r#"{"partition":0,"offset":1,"timestamp":5,"value":"a\tb","value_encoding":"text"}"#;
        check(plain(), text, b"a\tb");
        let bytes = r#"{"partition":0,"offset":1,"timestamp":5,"value":"/wA=","value_encoding":"base64"}"#;
        check(plain(), bytes, b"\xff\0");
        let keyed = r#"{"partition":0,"offset":1,"timestamp":5,"key":"UA","value":null}"#;
        check(Template::of_separator(Some(":")), keyed, b"UA:null");
    }
    #[test]
    fn a_template_shows_every_part() {
        let record = r#"{"partition":3,"offset":17,"timestamp":1357034400000,"value":1,
            "headers":[{"name":"a","value":"x"},{"name":"b","value":null},{"name":"c","value":"/w==","encoding":"base64"}]}"#;
        let form = template("%t/%p@%o %d %T [%h] %k=%v").unwrap();
        let expect = b"t/3@17 2013-01-01T10:00:00.000Z 1357034400000 [a=x,b=null,c=\xff] null=1";
        check(form, &record.replace('\n', ""), expect);
    }
    #[test]
    fn a_record_that_lies_is_an_error_not_a_panic() {
        let lie = r#"{"partition":0,"offset":1,"timestamp":5,"value":"!","value_encoding":"base64"}"#;
        assert!(printer(plain()).print(lie).is_err());
        assert!(printer(plain()).print("nonsense").is_err());
    }
    #[test]
    fn a_sign_of_life_is_no_record() {
        assert!(!printer(plain()).print("  ").unwrap());
    }
}
