//! Gives each CSV line the value of one of its columns as its key, so that lines which belong together meet in one partition.
//! In: CSV lines (RFC 4180, one a record). Out: the same lines, headers and times, under the new key. Invariant: the value is never changed;
//! a line without that column is refused.

use potok_sdk::{Description, Failure, OrFail, Output, Processor, Record, Task};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Counted from 1.
    column: usize,
    /// How many a line has, when that is to be checked.
    columns: Option<usize>,
}

const CONFIG_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "required": ["column"],
  "properties": {
    "column": {"type": "integer", "minimum": 1, "description": "The column that becomes the key, counted from 1"},
    "columns": {"type": "integer", "minimum": 1, "description": "Lines with another number of columns are refused"}
  }
}"#;

struct Rekey {
    config: Config,
}

impl Processor for Rekey {
    type Config = Config;

    fn describe() -> Description {
        potok_sdk::describe!()
            .input("lines", "CSV lines")
            .output("rekeyed", "the same lines under their new key")
            .config_schema(CONFIG_SCHEMA)
    }

    fn open(config: Config, _task: Task) -> Result<Rekey, Failure> {
        if config.column == 0 || config.columns.is_some_and(|columns| columns < config.column) {
            return Err(Failure::refuse("`column` must lie between 1 and `columns`"));
        }
        Ok(Rekey { config })
    }

    fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        let line = record.value_str()?;
        let mut fields = Fields(Some(line.trim_end_matches(['\r', '\n'])));
        let key = fields
            .nth(self.config.column - 1)
            .or_refuse(format_args!("the line has no column {}", self.config.column))?;
        let key = key.or_refuse("the line has a quote that does not end")?;
        if key.is_empty() {
            return Err(Failure::refuse(format_args!("column {} is empty", self.config.column)));
        }
        if let Some(columns) = self.config.columns {
            let have = self.config.column + fields.count();
            if have != columns {
                return Err(Failure::refuse(format_args!(
                    "the line has {have} columns instead of {columns}"
                )));
            }
        }
        out.to(0).key(key.as_bytes()).headers_of(&record).value(line);
        Ok(())
    }
}

potok_sdk::processor!(Rekey);

/// The fields of a line; `None` in the place of one whose quote does not end.
struct Fields<'a>(Option<&'a str>);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Cow<'a, str>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.take()?;
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, rest) =
                rest.split_once(',').map_or((rest, None), |(field, rest)| (field, Some(rest)));
            self.0 = rest;
            return Some(Some(Cow::Borrowed(field)));
        };
        Some(self.quoted(quoted))
    }
}

impl<'a> Fields<'a> {
    /// The field that begins after its quote; two quotes inside stand for one.
    fn quoted(&mut self, text: &'a str) -> Option<Cow<'a, str>> {
        let mut end = 0;
        let mut doubled = false;
        loop {
            end += text[end..].find('"')?;
            let after = &text[end + 1..];
            if after.starts_with('"') {
                doubled = true;
                end += 2;
                continue;
            }
            self.0 = after.split_once(',').map(|(_, rest)| rest);
            let field = &text[..end];
            return Some(if doubled { field.replace("\"\"", "\"").into() } else { field.into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_sdk::testing::{Harness, Setup, TestRecord};

    const FLIGHT: &str =
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";

    #[track_caller]
    fn check(line: &str, column: usize, expect: &str) {
        let mut harness = Harness::<Rekey>::new(format!(r#"{{"column": {column}}}"#));
        harness.send(line);
        let got = match harness.refused() {
            [] => harness.sent()[0].key_str().to_owned(),
            refused => format!("refused: {}", refused[0].reason),
        };
        assert_eq!(got, expect);
    }
    #[test]
    fn a_column_becomes_the_key_and_the_rest_stays() {
        let mut harness = Harness::<Rekey>::new(r#"{"column": 13, "columns": 19}"#);
        harness.send(
            TestRecord::new(FLIGHT).key("UA").header("from", "a file").timestamp(potok_sdk::Timestamp(9)),
        );
        let sent = harness.take().remove(0);
        assert_eq!((sent.key_str(), sent.value_str(), sent.timestamp.0), ("EWR", FLIGHT, 9));
        assert_eq!(sent.headers, [("from".to_owned(), Some(b"a file".to_vec()))]);
    }
    #[test]
    fn quoted_fields_are_read_as_csv_has_them() {
        check(r#"a,"b,c",d"#, 3, "d");
        check(r#"a,"b,c",d"#, 2, "b,c");
        check(r#""say ""hi""",b"#, 1, r#"say "hi""#);
        check("a,b\r\n", 2, "b");
    }
    #[test]
    fn lines_without_the_column_are_refused() {
        check("a,b", 3, "refused: the line has no column 3");
        check("a,,c", 2, "refused: column 2 is empty");
        check("a,\"b", 2, "refused: the line has a quote that does not end");
        let mut harness = Harness::<Rekey>::new(r#"{"column": 1, "columns": 19}"#);
        harness.send("a,b");
        assert_eq!(harness.refused()[0].reason, "the line has 2 columns instead of 19");
    }
    #[test]
    fn a_column_that_cannot_be_is_said_at_once() {
        let reason = |config: &str| Setup::new(config).open::<Rekey>().err().unwrap();
        assert_eq!(reason(r#"{"column": 0}"#), "`column` must lie between 1 and `columns`");
        assert_eq!(reason(r#"{"column": 3, "columns": 2}"#), "`column` must lie between 1 and `columns`");
        assert_eq!(reason("{}"), "the configuration does not fit: missing field `column`");
    }
    #[test]
    fn january_s_flights_go_to_three_airports() {
        let mut harness = Harness::<Rekey>::new(r#"{"column": 13, "columns": 19}"#);
        harness.send_all(lines::january::flights());
        let of = |airport: &str| harness.sent().iter().filter(|one| one.key_str() == airport).count();
        assert_eq!((of("EWR"), of("JFK"), of("LGA"), harness.refused().len()), (9893, 9161, 7950, 0));
    }
}
