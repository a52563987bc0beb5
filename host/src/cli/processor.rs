//! `potok processor …`: look after processors and read their logs; `deploy.rs` deploys them.

use super::OutputArg;
use super::deploy::Deploy;
use super::values::{Place, grant_text, place};
use crate::client::{Client, last_words};
use crate::exit::Failure;
use crate::output::{Page, bytes, note, thousands, time};
use crate::remedy::Asked;
use clap::{Args, Subcommand};
use futures::StreamExt;
use potok_http::api;
use potok_types::{ProcessorName, SystemClock};
use reqwest::{Method, header};

/// Processors.
#[derive(Debug, Subcommand)]
pub(super) enum Processor {
    /// Deploy a module, or deploy it again: positions and state are kept, everything else is replaced
    #[command(
        override_usage = "potok processor deploy <NAME> --module <MODULE> --input <TOPIC>... [OPTIONS]",
        after_help = "Examples:\n  \
        potok processor deploy late --module flight-delays --input flights --output late-flights --from earliest\n  \
        potok processor deploy late --module flight-delays --input flights --output late-flights --config min_delay_minutes=60\n  \
        potok processor deploy joined --module flight-weather --input flights --input weather --output joined --on-failure stop"
    )]
    Deploy(Deploy),
    /// List all processors
    #[command(after_help = "Examples:\n  potok processor list")]
    List(OutputArg),
    /// Show a processor's tasks: position, lag, rates, last failure
    #[command(after_help = "Examples:\n  potok processor describe late")]
    Describe(One),
    /// Pause a processor; each task finishes what it is doing
    #[command(after_help = "Examples:\n  potok processor pause late")]
    Pause(One),
    /// Resume a paused processor
    #[command(after_help = "Examples:\n  potok processor resume late")]
    Resume(One),
    /// Restart a processor, including tasks that stopped at a failure
    #[command(after_help = "Examples:\n  potok processor restart late")]
    Restart(One),
    /// Move a paused processor to another place in its inputs
    #[command(after_help = "Examples:\n  \
        potok processor pause late && potok processor reset late --to earliest && potok processor resume late\n  \
        potok processor reset late --to 2013-01-31T00:00:00Z --keep-state")]
    Reset(Reset),
    /// Delete a processor with its state and positions; its topics stay
    #[command(after_help = "Examples:\n  potok processor delete late")]
    Delete(One),
    /// Print what a processor has logged
    #[command(
        after_help = "Examples:\n  potok processor logs late --tail 20\n  potok processor logs late -f"
    )]
    Logs(Logs),
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The processor
    name: ProcessorName,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The processor
    name: ProcessorName,
    /// earliest, latest, an offset, a time such as 2013-01-31T10:00:00Z, or -2h
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, value_parser = place)]
    to: Place,
    /// Keep state and timers, which are cleared otherwise
    #[arg(long)]
    keep_state: bool,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The processor
    name: ProcessorName,
    /// Keep printing new lines as they come
    #[arg(long, short)]
    follow: bool,
    /// Start with the last N lines
    #[arg(long, value_name = "N")]
    tail: Option<u64>,
    #[command(flatten)]
    output: OutputArg,
}

impl Processor {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Processor::Deploy(deploy) => deploy.run(client).await,
            Processor::List(output) => list(client, output).await,
            Processor::Describe(one) => {
                let processor: api::Processor = client.get(&["processors", one.name.as_str()]).await?;
                one.output.open().show(&processor, page)
            }
            Processor::Pause(one) => one.act(client, "pause", "paused").await,
            Processor::Resume(one) => one.act(client, "resume", "resumed").await,
            Processor::Restart(one) => one.act(client, "restart", "restarted").await,
            Processor::Reset(reset) => reset.run(client).await,
            Processor::Delete(one) => {
                client.act(Method::DELETE, &["processors", one.name.as_str()]).await?;
                one.said("deleted")
            }
            Processor::Logs(logs) => logs.run(client).await,
        }
    }
}

impl One {
    async fn act(self, client: &Client, verb: &str, done: &str) -> Result<(), Failure> {
        client.act(Method::POST, &["processors", self.name.as_str(), verb]).await?;
        self.said(done)
    }
    fn said(&self, done: &str) -> Result<(), Failure> {
        let value = serde_json::json!({ done: self.name });
        self.output.open().show(&value, |_| Page::line(format!("{done} processor {}", self.name)))
    }
}

impl Reset {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let body =
            api::ResetProcessor { to: self.to.at(SystemClock::shared().now()), keep_state: self.keep_state };
        let path = ["processors", self.name.as_str(), "reset"];
        client.open(client.request(Method::POST, &path).json(&body)).await?;
        One { name: self.name, output: self.output }.said("reset")
    }
}

impl Logs {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let query = api::LogsQuery { follow: Some(self.follow), tail: self.tail };
        let request = client.request(Method::GET, &["processors", self.name.as_str(), "logs"]);
        let request = request.query(&query).header(header::ACCEPT, api::NDJSON);
        let response = client.open(request).await?;
        let asked = Asked::of(response.url());
        let mut lines = client.lines(response);
        let output = self.output.open();
        let mut silent = true;
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            match line.transpose()? {
                None => break,
                Some(line) if line.trim().is_empty() => continue,
                Some(line) => match last_words(&line, &asked) {
                    Some(failure) => return Err(failure),
                    None if output.is_json() => output.text(&(line + "\n"))?,
                    None => output.text(&log_line(&line)?)?,
                },
            }
            silent = false;
        }
        if silent && !output.is_json() {
            note(&format!("processor {} has logged nothing yet", self.name));
        }
        Ok(())
    }
}

fn log_line(line: &str) -> Result<String, Failure> {
    let line: api::LogLine = serde_json::from_str(line).map_err(|error| {
        Failure::failed(format!("the server sent a log line that cannot be read: {error}"))
    })?;
    Ok(format!("{} {:>5} [{} {}] {}\n", time(line.time), line.level, line.partition, line.from, line.message))
}

async fn list(client: &Client, output: OutputArg) -> Result<(), Failure> {
    let list: api::ProcessorList = client.get(&["processors"]).await?;
    output.open().show(&list, |list| {
        let row = |processor: &api::Processor| {
            vec![
                processor.name.clone(),
                module_of(processor),
                state(processor.status.state).to_owned(),
                processor.inputs.join(", "),
                processor.outputs.join(", "),
                thousands(processor.status.lag),
                format!("{:.0}/s", processor.status.records_in_per_second),
                format!("{:.0}/s", processor.status.records_out_per_second),
            ]
        };
        let heads = ["processor", "module", "state", "inputs", "outputs", "lag", "in", "out"];
        Page::table(
            &heads,
            list.processors.iter().map(row).collect(),
            "no processors yet: potok processor deploy NAME --module M --input T",
        )
    })
}

pub(super) fn module_of(processor: &api::Processor) -> String {
    let digest: String = processor.digest.chars().take(12).collect();
    match &processor.module {
        Some(name) => format!("{name} ({digest})"),
        None => digest,
    }
}

fn page(processor: &api::Processor) -> Page {
    let grants: Vec<_> = processor.grants.iter().map(grant_text).collect();
    let facts = vec![
        ("processor", processor.name.clone()),
        ("state", state(processor.status.state).to_owned()),
        ("module", module_of(processor)),
        ("inputs", processor.inputs.join(", ")),
        ("outputs", processor.outputs.join(", ")),
        ("configuration", processor.config.to_string()),
        ("grants", if grants.is_empty() { "none".to_owned() } else { grants.join(", ") }),
        ("group", processor.group.clone()),
        ("deployed", time(processor.deployed_at)),
        ("lag", thousands(processor.status.lag)),
    ];
    let heads =
        ["partition", "state", "positions", "lag", "in", "out", "refused", "guest us/batch", "memory"];
    let page = Page::facts(facts).and_table(
        &heads,
        processor.status.tasks.iter().map(task_row).collect(),
        "no tasks",
    );
    processor.status.tasks.iter().fold(page, |page, task| match &task.last_failure {
        Some(failure) => page.and_line(failure_line(task.partition, failure)),
        None => page,
    })
}

fn task_row(task: &api::Task) -> Vec<String> {
    let positions: Vec<_> = task.positions.iter().map(|at| format!("{} {}", at.topic, at.offset)).collect();
    vec![
        task.partition.to_string(),
        task_state(task.state).to_owned(),
        positions.join(", "),
        thousands(task.lag),
        thousands(task.records_in),
        thousands(task.records_out),
        thousands(task.refused),
        thousands(task.guest_micros.checked_div(task.batches).unwrap_or(0)),
        bytes(task.memory_bytes),
    ]
}

fn failure_line(partition: u32, failure: &api::TaskFailure) -> String {
    let record =
        failure.record.as_ref().map(|at| format!(" at {}-{} offset {}", at.topic, at.partition, at.offset));
    format!(
        "partition {partition}: last failure {} ({}){}: {}",
        time(failure.at),
        failure.kind,
        record.unwrap_or_default(),
        failure.reason
    )
}

pub(super) fn state(state: api::ProcessorState) -> &'static str {
    match state {
        api::ProcessorState::Paused => "paused",
        api::ProcessorState::Stopped => "stopped",
        api::ProcessorState::Retrying => "retrying",
        api::ProcessorState::Starting => "starting",
        api::ProcessorState::Running => "running",
    }
}

fn task_state(state: api::TaskState) -> &'static str {
    match state {
        api::TaskState::Paused => "paused",
        api::TaskState::Stopped => "stopped",
        api::TaskState::Retrying => "retrying",
        api::TaskState::Starting => "starting",
        api::TaskState::Running => "running",
    }
}
