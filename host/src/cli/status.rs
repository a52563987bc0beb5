//! `potok status`: whether the server does its work, what it holds, and which of its processors need somebody.
//! In come the answers of the server about itself, out goes a page, and an exit code that a script or a probe can use: 1 while
//! the server cannot do all of its work.

use super::OutputArg;
use super::processor::{module_of, state};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Page, thousands};
use clap::Args;
use potok_http::api;
use potok_types::SystemClock;
use serde::Serialize;
use std::time::Duration;

/// Shows how the server is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    potok status\n  \
    potok status --output json | jq .health.status\n\n\
    Exits with 1 if the disk is full, writes are refused, or the server is stopping.")]
pub(super) struct Status {
    #[command(flatten)]
    output: OutputArg,
}

/// What there is to say.
#[derive(Debug, Serialize)]
struct Report {
    server: String,
    health: api::Health,
    #[serde(flatten)]
    info: api::Info,
    /// Processors that somebody paused, or that something keeps from their work.
    not_running: Vec<NotRunning>,
}

#[derive(Debug, Serialize)]
struct NotRunning {
    name: String,
    module: String,
    state: api::ProcessorState,
    lag: u64,
    /// Of any of its tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
}

impl Status {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let health = client.health().await?;
        let info: api::Info = client.get(&["info"]).await?;
        let list: api::ProcessorList = client.get(&["processors"]).await?;
        let stands = list.processors.iter().filter(|one| one.status.state != api::ProcessorState::Running);
        let report = Report {
            server: client.shown_server().to_owned(),
            health,
            info,
            not_running: stands.map(NotRunning::of).collect(),
        };
        self.output.open().show(&report, page)?;
        verdict(&report.health)
    }
}

impl NotRunning {
    fn of(processor: &api::Processor) -> NotRunning {
        let failure = processor.status.tasks.iter().find_map(|task| task.last_failure.as_ref());
        NotRunning {
            name: processor.name.clone(),
            module: module_of(processor),
            state: processor.status.state,
            lag: processor.status.lag,
            last_failure: failure.map(|failure| failure.reason.clone()),
        }
    }
}

fn verdict(health: &api::Health) -> Result<(), Failure> {
    let reason = || health.reason.clone().unwrap_or_else(|| format!("the server is {}", word(health.status)));
    match health.status {
        api::HealthStatus::Good => Ok(()),
        api::HealthStatus::DiskFull => Err(Failure::failed(reason())
            .remedy("free some space on the log's disk; writes resume by themselves, and reads still work")),
        api::HealthStatus::WritesRefused => Err(Failure::failed(reason())
            .remedy("fix the cause and restart the server; until then reads still work")),
        api::HealthStatus::Stopping => Err(Failure::failed(reason())),
    }
}

fn page(report: &Report) -> Page {
    let up = SystemClock::shared().now().0.saturating_sub(report.info.started_at);
    let up = Duration::from_secs(u64::try_from(up).unwrap_or(0) / 1_000);
    let facts = vec![
        ("server", report.server.clone()),
        ("version", report.info.version.clone()),
        ("up for", humantime::format_duration(up).to_string()),
        ("health", word(report.health.status).to_owned()),
        ("topics", thousands(report.info.topics)),
        ("modules", thousands(report.info.modules)),
        ("processors", processors(report)),
    ];
    let row = |one: &NotRunning| {
        let failure = one.last_failure.clone().unwrap_or_else(|| "-".to_owned());
        vec![one.name.clone(), one.module.clone(), state(one.state).to_owned(), thousands(one.lag), failure]
    };
    let page = Page::facts(facts);
    match report.not_running.is_empty() {
        true => page,
        false => page.and_table(
            &["processor", "module", "state", "lag", "last failure"],
            report.not_running.iter().map(row).collect(),
            "",
        ),
    }
}

fn processors(report: &Report) -> String {
    let (all, standing) = (report.info.processors, report.not_running.len() as u64);
    match (all, standing) {
        (_, 0) => thousands(all),
        _ => format!("{}, {} not running", thousands(all), thousands(standing)),
    }
}

fn word(status: api::HealthStatus) -> &'static str {
    match status {
        api::HealthStatus::Good => "good",
        api::HealthStatus::DiskFull => "disk full",
        api::HealthStatus::WritesRefused => "writes refused",
        api::HealthStatus::Stopping => "stopping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[track_caller]
    fn check(status: api::HealthStatus, reason: Option<&str>, expect: Option<&str>) {
        let health = api::Health { status, reason: reason.map(str::to_owned) };
        let said = verdict(&health).map_err(|failure| (failure.exit, failure.what)).err();
        assert_eq!(said, expect.map(|what| (Exit::Failed, what.to_owned())));
    }

    #[test]
    fn a_server_that_cannot_do_all_of_its_work_is_a_failure_with_its_reason() {
        check(api::HealthStatus::Good, None, None);
        check(api::HealthStatus::DiskFull, Some("3 bytes are free"), Some("3 bytes are free"));
        check(api::HealthStatus::WritesRefused, Some("sync failed"), Some("sync failed"));
        check(api::HealthStatus::Stopping, None, Some("the server is stopping"));
    }
}
