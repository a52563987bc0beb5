//! Builds every room in the order of the flow, runs them, and stops them from front to back.
//!
//! ```text
//!  produce ─┐                      ┌─> fetch ──> http clients
//!           ├─> log.append ─> log ─┤
//!  http  ───┘     (offset)         └─> processor ─> plugin (guest) ─> log.commit(unit) ─┐
//!                                                                ▲______________________┘
//! ```
//! In come settings, out goes a running host. Invariant: whoever takes work in is stopped before whoever does it, and the log last,
//! so that everything acknowledged is on disk when [`App::run`] returns.

use crate::backup::Backups;
use crate::config::Settings;
use crate::exit::{Exit, Failure};
use potok_http::{BindError, Checkpoint, Components};
use potok_log::{Log, OpenError, RocksLog};
use potok_plugin::Plugins;
use potok_processor::Processors;
use potok_types::Clock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Folders below `--data`.
const LOG_FOLDER: &str = "log";
const MODULES_FOLDER: &str = "modules";
const BACKUPS_FOLDER: &str = "backups";

/// A host whose rooms are open and whose door listens; nothing runs before [`App::run`].
#[derive(Debug)]
pub struct App {
    log: Arc<RocksLog>,
    processors: Processors,
    http: potok_http::Server,
}

impl App {
    /// Opens all rooms over the folder `settings.data`.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<App, Failure> {
        let data = settings.data.clone().ok_or_else(no_data)?;
        let modules = data.join(MODULES_FOLDER);
        let log_settings = potok_log::Settings { dir: data.join(LOG_FOLDER), ..settings.log };
        let http_settings = with_backups(settings.http, &data);

        let log =
            RocksLog::open(log_settings, Arc::clone(&clock)).map_err(|error| cannot_open(&data, &error))?;
        let shared: Arc<dyn Log> = Arc::clone(&log) as _;
        let plugins = Plugins::open(settings.plugin, &modules).map_err(|error| cannot_use(&data, &error))?;
        let processors =
            Processors::open(settings.processor, Arc::clone(&shared), plugins.clone(), Arc::clone(&clock));
        let processors = processors.map_err(|error| cannot_use(&data, &error))?;
        let backups: Arc<dyn Checkpoint> = Arc::new(Backups::new(Arc::clone(&log), modules));
        let components = Components {
            log: shared,
            plugins,
            processors: processors.clone(),
            clock,
            checkpoint: Some(backups),
        };
        let http =
            potok_http::Server::bind(http_settings, components).map_err(|error| cannot_listen(&error))?;
        Ok(App { log, processors, http })
    }
    /// Where it listens: the port is known now, also when the settings left it open.
    pub fn address(&self) -> SocketAddr {
        self.http.local_addr()
    }
    /// Runs until `stop`, then stops front to back: HTTP finishes what it has taken, tasks commit or abandon their unit, the log
    /// syncs.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let (http_stop, processors_stop) = (stop.child_token(), CancellationToken::new());
        let processors = self.processors.clone();
        let running = tokio::spawn({
            let stop = processors_stop.clone();
            async move { processors.run(stop).await }
        });
        self.http.run(http_stop).await;
        tracing::info!("http has stopped");
        processors_stop.cancel();
        if let Err(error) = running.await {
            tracing::error!(%error, "the processors ended badly");
        }
        tracing::info!("processors have stopped");
        self.log
            .close()
            .await
            .map_err(|error| Failure::failed(format!("the log did not close cleanly: {error}")))?;
        tracing::info!("log is closed");
        Ok(())
    }
}

fn with_backups(http: potok_http::Settings, data: &Path) -> potok_http::Settings {
    let backup_dir = http.backup_dir.clone().or_else(|| Some(data.join(BACKUPS_FOLDER)));
    potok_http::Settings { backup_dir, ..http }
}

pub(crate) fn no_data() -> Failure {
    Failure::usage("no data folder is given").remedy("name one: potok serve --data ./potok-data")
}

/// Why the folder cannot be opened, with what to do about it.
fn cannot_open(data: &Path, error: &OpenError) -> Failure {
    let (exit, remedy) = match error {
        OpenError::InUse { .. } => (Exit::Refused, "stop the other server, or give this one another --data folder".to_owned()),
        OpenError::Unreadable { .. } => (Exit::Failed, format!("see that this user may read and write {}", data.display())),
        OpenError::Newer { .. } => (Exit::Refused, "start the version that wrote it, or a newer one".to_owned()),
        OpenError::Damaged { .. } => {
            (Exit::Failed, "start from a backup (`potok serve --data BACKUP`), and keep this folder: what is whole in it can be read".to_owned())
        }
    };
    Failure::new(exit, error.to_string()).remedy(remedy)
}

fn cannot_use(data: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
        .remedy(format!("see that this user may read and write {}", data.display()))
}

fn cannot_listen(error: &BindError) -> Failure {
    Failure::new(Exit::Refused, format!("cannot listen on {}: {}", error.address, error.source))
        .remedy("is another server there? choose another address with --http, or port 0 for any that is free")
}

/// The folder of modules in a data folder.
pub(crate) fn modules_folder(data: &Path) -> PathBuf {
    data.join(MODULES_FOLDER)
}
/// The folder of the log in a data folder.
pub(crate) fn log_folder(data: &Path) -> PathBuf {
    data.join(LOG_FOLDER)
}
