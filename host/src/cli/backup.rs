//! `potok backup …`: a consistent copy of a running server's data. To start from it: `potok serve --data COPY`.

use super::OutputArg;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::Page;
use clap::{Args, Subcommand};
use potok_http::api;
use potok_types::SystemClock;
use reqwest::Method;

/// Backups.
#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Make a consistent copy of all data while the server keeps running
    #[command(after_help = "Examples:\n  potok backup create\n  potok backup create --name before-upgrade")]
    Create(Create),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the backup's folder, on the server's machine [default: the current time]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    output: OutputArg,
}

impl Backup {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let Backup::Create(create) = self;
        let named = || crate::output::time(SystemClock::shared().now().0).replace(':', "-");
        let body = api::NewBackup { name: create.name.unwrap_or_else(named) };
        let backup: api::Backup = client.send(Method::POST, &["backups"], &body).await?;
        create.output.open().show(&backup, |backup| {
            Page::line(format!("copied to {}", backup.folder)).and_line(format!(
                "start from a copy of it: cp -r {} FOLDER && potok serve --data FOLDER",
                backup.folder
            ))
        })
    }
}
