//! What commands print: tables for people, the same columns without lines for pipes, JSON for programs.
//! In come values and rows, out goes text on stdout; notes and progress go to stderr, so that a pipe gets data alone.
//! Colours only on a terminal, and never where `NO_COLOR` is set. A closed pipe is an error that ends the command quietly.

use crate::exit::Failure;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// What a program or a person wants to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Human,
    /// One JSON value; streams give one a line.
    Json,
}

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Format,
    terminal: bool,
    colors: bool,
}

impl Output {
    /// Looks at stdout and `NO_COLOR` once.
    pub fn to_stdout(format: Format) -> Output {
        let terminal = io::stdout().is_terminal();
        Output { format, terminal, colors: terminal && colors_allowed() }
    }
    /// Whether JSON was asked for.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }
    /// Whether a person looks at stdout.
    pub fn is_terminal(self) -> bool {
        self.terminal
    }
    /// Prints `value` as JSON, or what `human` makes of it.
    pub fn show<T: Serialize + ?Sized>(
        self,
        value: &T,
        human: impl FnOnce(&T) -> Page,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(value),
            Format::Human => self.text(&human(value).render(self)),
        }
    }
    /// Prints `value` as indented JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|e| Failure::failed(format!("cannot print: {e}")))?;
        self.text(&(text + "\n"))
    }
    /// Prints text as it is.
    pub fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}

/// A note to the person at the terminal; never part of the data.
pub fn note(text: &str) {
    // A closed stderr loses a note, nothing else.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn colors_allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether what goes to stderr may have colours.
pub fn stderr_has_colors() -> bool {
    io::stderr().is_terminal() && colors_allowed()
}

/// Prints why a command failed: sentence and remedy, or a JSON object for programs.
pub fn show_failure(format: Format, failure: &Failure) {
    let text = match format {
        Format::Json => serde_json::json!({ "error": {
            "code": failure.code, "detail": failure.what, "remedy": failure.remedy, "exit": failure.exit as u8,
        }})
        .to_string(),
        Format::Human => human_failure(failure, stderr_has_colors()),
    };
    note(&text);
}

fn human_failure(failure: &Failure, colors: bool) -> String {
    let label = if colors { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
    match &failure.remedy {
        Some(remedy) => format!("{label} {}\n  {remedy}", failure.what),
        None => format!("{label} {}", failure.what),
    }
}

/// A page for people: facts, tables and sentences in order.
#[derive(Debug, Default)]
pub struct Page {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Line(String),
    Facts(Vec<(String, String)>),
    Rows { heads: Vec<&'static str>, rows: Vec<Vec<String>> },
}

impl Page {
    /// One sentence.
    pub fn line(text: impl Into<String>) -> Page {
        Page::default().and_line(text)
    }
    /// One table. Where it has no rows, `empty` is said instead.
    pub fn table(heads: &[&'static str], rows: Vec<Vec<String>>, empty: &str) -> Page {
        Page::default().and_table(heads, rows, empty)
    }
    /// Names and values, one a line.
    pub fn facts(facts: Vec<(&str, String)>) -> Page {
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Page { parts: vec![Part::Facts(facts)] }
    }
    /// And a sentence.
    #[must_use]
    pub fn and_line(mut self, text: impl Into<String>) -> Page {
        self.parts.push(Part::Line(text.into()));
        self
    }
    /// And a table.
    #[must_use]
    pub fn and_table(mut self, heads: &[&'static str], rows: Vec<Vec<String>>, empty: &str) -> Page {
        match rows.is_empty() {
            true => self.parts.push(Part::Line(empty.to_owned())),
            false => self.parts.push(Part::Rows { heads: heads.to_vec(), rows }),
        }
        self
    }
    /// And a table below its name; without rows both share a line.
    #[must_use]
    pub fn and_table_named(
        self,
        name: &str,
        heads: &[&'static str],
        rows: Vec<Vec<String>>,
        empty: &str,
    ) -> Page {
        let apart = if self.parts.is_empty() { "" } else { "\n" };
        match rows.is_empty() {
            true => self.and_line(format!("{apart}{name}: {empty}")),
            false => self.and_line(format!("{apart}{name}:")).and_table(heads, rows, empty),
        }
    }
    fn render(&self, output: Output) -> String {
        let mut text = String::new();
        for (i, part) in self.parts.iter().enumerate() {
            let below_its_name = text.ends_with(":\n");
            if i > 0 && !matches!(part, Part::Line(_)) && !below_its_name {
                text.push('\n');
            }
            match part {
                Part::Line(line) => text.push_str(line),
                Part::Facts(facts) => text.push_str(&render_facts(facts)),
                Part::Rows { heads, rows } => text.push_str(&render_table(heads, rows, output)),
            }
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        text
    }
}

fn render_facts(facts: &[(String, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// A line below the header and nothing else.
const UNDER_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn render_table(heads: &[&str], rows: &[Vec<String>], output: Output) -> String {
    let mut table = Table::new();
    table.load_style(if output.terminal { UNDER_HEADER } else { presets::NOTHING });
    // a terminal that was never told its size says 0: then nothing is wrapped
    let wraps = output.terminal && table.width() != Some(0);
    table.set_content_arrangement(if wraps {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    match output.colors {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table.set_header(heads.iter().map(|head| Cell::new(head.to_uppercase())));
    for row in rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if is_numeric(rows.iter().filter_map(|row| row.get(index))) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn cell(text: &str) -> Cell {
    let cell = Cell::new(text);
    match text {
        "running" => cell.fg(Color::Green),
        "retrying" | "paused" | "starting" => cell.fg(Color::Yellow),
        "stopped" => cell.fg(Color::Red),
        _ => cell,
    }
}

/// Whether a column holds numbers alone, and `-` where there is none: numbers stand below each other, words begin below each other.
fn is_numeric<'a>(column: impl Iterator<Item = &'a String>) -> bool {
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-'));
    let mut digits = false;
    for text in column {
        digits |= text.contains(|c: char| c.is_ascii_digit());
        if text.is_empty() || !number(text) {
            return false;
        }
    }
    digits
}

/// Bytes in the largest unit that keeps the number small: `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len() - 1).find(|unit| count >> (10 * (unit + 1)) == 0).unwrap_or(UNITS.len() - 1);
    if unit == 0 {
        return format!("{count} B");
    }
    let tenths = (u128::from(count) * 10) >> (10 * unit);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

/// A number with its thousands apart: `27,004`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun, with an `s` where it needs one: `1 record`, `27,004 records`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Milliseconds since 1970 as RFC 3339 in UTC; `-` where there is no time.
pub fn time(ms: i64) -> String {
    let at = u64::try_from(ms)
        .ok()
        .and_then(|ms| std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(ms)));
    // Beyond the year 9999 RFC 3339 has no form, and the formatter would panic.
    const LAST_MS: i64 = 253_402_300_799_999;
    match at {
        Some(at) if ms <= LAST_MS => humantime::format_rfc3339_millis(at).to_string(),
        Some(_) => format!("{ms} ms"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Output = Output { format: Format::Human, terminal: false, colors: false };

    #[test]
    fn a_piped_table_has_no_lines_and_no_colours() {
        let rows = vec![vec!["flights".into(), "3".into()], vec!["weather".into(), "running".into()]];
        let text = Page::table(&["name", "partitions"], rows, "").render(PIPE);
        assert!(text.starts_with("NAME") && text.lines().count() == 3, "{text}");
        assert!(!text.contains('\x1b') && !text.contains('─'), "{text}");
    }
    #[test]
    fn numbers_stand_below_each_other_where_a_column_has_nothing_else() {
        let row = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        let rows = vec![row(["7", "-1"]), row(["27,004", "delete"]), row(["-", "86400000"])];
        let text = Page::table(&["lag", "value"], rows, "").render(PIPE);
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(rows, ["     7  -1", "27,004  delete", "     -  86400000"]);
    }
    #[test]
    fn an_empty_table_is_a_sentence() {
        assert_eq!(Page::table(&["name"], Vec::new(), "no topics").render(PIPE), "no topics\n");
    }
    #[test]
    fn bytes_and_numbers_read_well() {
        let all = [0, 1023, 1024, 1536, 5 << 20, u64::MAX].map(bytes).join(" | ");
        assert_eq!(all, "0 B | 1023 B | 1 KiB | 1.5 KiB | 5 MiB | 16777215.9 TiB");
        assert_eq!(
            [0, 999, 1_000, 27_004, 1_234_567].map(thousands).join(" "),
            "0 999 1,000 27,004 1,234,567"
        );
        assert_eq!(counted(1, "record"), "1 record");
    }
    #[test]
    fn times_outside_the_calendar_do_not_panic() {
        assert_eq!(time(1_357_034_400_000), "2013-01-01T10:00:00.000Z");
        assert_eq!(time(-1), "-");
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
    }
}
