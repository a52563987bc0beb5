//! `potok plugin test`: runs a module on files of records and prints what became of them. The run itself is `run.rs`.

use super::project::Project;
use super::run::{InputRecord, OutputRecord, Plan, Report, StateEntry, module_name, run};
use crate::cli::OutputArg;
use crate::cli::records::{parse_lines, parts_json, shown};
use crate::cli::values::{LineFormat, Setting, config_object, duration, setting};
use crate::exit::{Exit, Failure};
use crate::output::{Page, counted, note, time};
use clap::Args;
use potok_types::SystemClock;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs a module on a file of records, in the server's own runtime, with no server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    potok plugin test --input records.ndjson\n  \
    potok plugin test --input records.ndjson --config limit_celsius=25 --output json\n  \
    potok plugin test flight_delays.wasm --input flights.csv --format text\n  \
    potok plugin test joined.wasm --input flights.ndjson --input weather.ndjson\n\n\
    A line of a records file is what `potok consume --output json` prints:\n  \
    {\"key\":\"attic\",\"value\":{\"sensor\":\"attic\",\"celsius\":31.5},\"timestamp\":1357034400000}")]
pub(in crate::cli) struct Test {
    /// The component [default: build the project in this folder]
    #[arg(value_name = "FILE.wasm")]
    module: Option<PathBuf>,
    /// The project's folder, if no FILE.wasm is given
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "module")]
    path: PathBuf,
    /// Records for an input, one per line; one file for each of the module's inputs, in order
    #[arg(long = "input", short, value_name = "FILE", required = true)]
    inputs: Vec<PathBuf>,
    /// What each line is
    #[arg(long, short, value_enum, default_value_t = LineFormat::Records)]
    format: LineFormat,
    /// A configuration value for the module: JSON if it parses, else text; may be repeated
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = setting)]
    config: Vec<Setting>,
    /// Partitions of every topic; each has a task of its own
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    partitions: u32,
    /// How long to wait for a module that keeps asking to be retried
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    patience: Duration,
    #[command(flatten)]
    output: OutputArg,
}

impl Test {
    pub(super) fn run(self) -> Result<(), Failure> {
        let output = self.output.open();
        let mut inputs = Vec::new();
        for file in &self.inputs {
            inputs.push(self.read(file)?);
        }
        let file = match &self.module {
            Some(file) => file.clone(),
            None => Project::open(&self.path)?.build()?.file,
        };
        let component = std::fs::read(&file).map_err(|error| Failure::file("read", &file, &error))?;
        let plan = Plan {
            component: component.into(),
            inputs,
            config: config_object(&self.config),
            partitions: self.partitions,
            patience: self.patience,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        let report = runtime.block_on(run(plan, SystemClock::shared()))?;
        output.show(&as_json(&report), |_| page(&report, &file))?;
        verdict(&report)
    }
    fn read(&self, file: &PathBuf) -> Result<Vec<InputRecord>, Failure> {
        let bytes = std::fs::read(file).map_err(|error| Failure::file("read", file, &error))?;
        let wrong = |(line, why): (usize, String)| {
            let form =
                "potok plugin test --help shows what a line looks like; for plain text, pass --format text";
            Failure::new(Exit::Refused, format!("{} line {line}: {why}", file.display())).remedy(form)
        };
        let records = parse_lines(&bytes, self.format, self.partitions).map_err(wrong)?;
        if records.is_empty() {
            note(&format!("{} holds no records", file.display()));
        }
        Ok(records)
    }
}

/// A task that stopped or still waits is a failure; refusals are not, they may be what the test is for.
fn verdict(report: &Report) -> Result<(), Failure> {
    match report.unfinished.is_empty() {
        true => Ok(()),
        false => {
            Err(Failure::failed(format!("the run did not come to its end: {}", report.unfinished.join("; "))))
        }
    }
}

fn as_json(report: &Report) -> Value {
    let record = |record: &OutputRecord| {
        let mut value =
            json!({ "partition": record.partition, "offset": record.offset, "timestamp": record.timestamp });
        parts_json(&mut value, record.key.as_deref(), record.value.as_deref(), &record.headers);
        value
    };
    let entry = |entry: &StateEntry| {
        let mut value = json!({ "store": entry.store, "partition": entry.partition });
        parts_json(&mut value, Some(&entry.key), Some(&entry.value), &[]);
        value
    };
    let outputs = report
        .outputs
        .iter()
        .map(|(name, records)| (name.clone(), records.iter().map(record).collect::<Value>()));
    json!({
        "module": { "name": report.module.description.name, "version": report.module.description.version, "digest": report.module.digest },
        "records_in": report.records_in,
        "outputs": outputs.collect::<serde_json::Map<_, _>>(),
        "refused": report.refused.iter().map(record).collect::<Value>(),
        "state": report.state.iter().map(entry).collect::<Value>(),
        "timers": report.timers,
        "logs": report.logs,
        "unfinished": report.unfinished,
        "guest_micros": report.guest_micros,
    })
}

fn page(report: &Report, file: &Path) -> Page {
    let mut page = Page::default();
    for (name, records) in &report.outputs {
        let row = |r: &OutputRecord| {
            vec![
                r.partition.to_string(),
                r.offset.to_string(),
                time(r.timestamp),
                shown(r.key.as_deref()),
                shown(r.value.as_deref()),
            ]
        };
        page = page.and_table_named(
            &format!("output {name}"),
            &["partition", "offset", "timestamp", "key", "value"],
            records.iter().map(row).collect(),
            "no records",
        );
    }
    let refusal = |r: &OutputRecord| {
        vec![
            header(r, "potok.error.offset"),
            time(r.timestamp),
            header(r, "potok.error.kind"),
            header(r, "potok.error.reason"),
            shown(r.value.as_deref()),
        ]
    };
    let entry = |e: &StateEntry| {
        vec![e.store.clone(), e.partition.to_string(), shown(Some(&e.key)), shown(Some(&e.value))]
    };
    let line = |l: &potok_processor::LogLine| {
        vec![
            l.partition.to_string(),
            format!("{:?}", l.level).to_lowercase(),
            l.from.clone(),
            l.message.clone(),
        ]
    };
    page = page
        .and_table_named(
            "refused",
            &["offset", "timestamp", "kind", "reason", "value"],
            report.refused.iter().map(refusal).collect(),
            "none",
        )
        .and_table_named(
            "state",
            &["store", "partition", "key", "value"],
            report.state.iter().map(entry).collect(),
            "nothing is kept",
        )
        .and_table_named(
            "log",
            &["partition", "level", "from", "message"],
            report.logs.iter().map(line).collect(),
            "nothing was logged",
        );
    let page = report.timers.iter().fold(page, |page, timer| page.and_line(timer));
    summary(page, report, file)
}

/// What it came to, in a line, and what may come next.
fn summary(page: Page, report: &Report, file: &Path) -> Page {
    let out: usize = report.outputs.iter().map(|(_, records)| records.len()).sum();
    let micros = report.guest_micros.checked_div(report.records_in).unwrap_or(0);
    let page = page.and_line(format!(
        "\n{} in, {} out, {} refused; {micros} us a record in the module",
        counted(report.records_in, "record"),
        crate::output::thousands(out as u64),
        crate::output::thousands(report.refused.len() as u64),
    ));
    match module_name(&report.module) {
        Some(name) if report.unfinished.is_empty() => {
            page.and_line(format!("when it is right: potok module push {name} {}", file.display()))
        }
        _ => page,
    }
}

fn header(record: &OutputRecord, name: &str) -> String {
    // A name may stand twice when a dead letter is sent through again; the last is the newest.
    let found = record.headers.iter().rev().find(|(header, _)| header == name.as_bytes());
    shown(found.and_then(|(_, value)| value.as_deref()))
}
