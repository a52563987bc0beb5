//! Builds every room in the order of the flow, runs them, and stops them from front to back.
//!
//! ```text
//!  kafka ───┐                      ┌─> fetch ──> kafka and http clients
//!           ├─> log.append ─> log ─┤
//!  http  ───┘     (offset)         └─> processor ─> plugin (guest) ─> log.commit(unit) ─┐
//!                                                                ▲______________________┘
//! ```
//! In come settings, out goes a running host. Invariant: whoever takes work in is stopped before whoever does it, and the log last,
//! so that everything acknowledged is on disk when [`App::run`] returns.

use crate::backup::Backups;
use crate::config::Settings;
use crate::exit::{Exit, Failure};
use potok_coordinator::Coordinator;
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

/// A host whose rooms are open and whose doors listen; nothing runs before [`App::run`].
#[derive(Debug)]
pub struct App {
    log: Arc<RocksLog>,
    processors: Processors,
    coordinator: Coordinator,
    kafka: Option<potok_kafka::Server>,
    http: potok_http::Server,
}

impl App {
    /// Opens all rooms over the folder `settings.data`.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<App, Failure> {
        let data = settings.data.clone().ok_or_else(no_data)?;
        let modules = data.join(MODULES_FOLDER);
        let log_settings = potok_log::Settings { dir: data.join(LOG_FOLDER), ..settings.log };
        let http_settings = with_backups(settings.http, &data);
        let unusable = |error: &dyn std::fmt::Display| cannot_use(&data, error);

        let log =
            RocksLog::open(log_settings, Arc::clone(&clock)).map_err(|error| cannot_open(&data, &error))?;
        let shared: Arc<dyn Log> = Arc::clone(&log) as _;
        let plugins = Plugins::open(settings.plugin, &modules).map_err(|error| unusable(&error))?;
        let processors =
            Processors::open(settings.processor, Arc::clone(&shared), plugins.clone(), Arc::clone(&clock))
                .map_err(|error| unusable(&error))?;
        let components = potok_coordinator::Components {
            log: Arc::clone(&shared),
            clock: Arc::clone(&clock),
            of_processor: of_processor(&processors),
        };
        let coordinator = Coordinator::open(settings.groups, components).map_err(|error| unusable(&error))?;
        let kafka = if settings.kafka.enabled {
            let cluster_id = potok_kafka::cluster_id(&*log).await.map_err(|error| unusable(&error))?;
            let (log, coordinator, clock) = (Arc::clone(&shared), coordinator.clone(), Arc::clone(&clock));
            let folder = data.join(LOG_FOLDER);
            let components = potok_kafka::Components { log, coordinator, clock, folder, cluster_id };
            Some(potok_kafka::Server::bind(settings.kafka, components).map_err(|error| no_kafka(&error))?)
        } else {
            None
        };
        let backups: Arc<dyn Checkpoint> = Arc::new(Backups::new(Arc::clone(&log), modules));
        let components = Components {
            log: shared,
            coordinator: coordinator.clone(),
            plugins,
            processors: processors.clone(),
            clock,
            checkpoint: Some(backups),
            numbers: kafka.iter().map(potok_kafka::Server::metrics).collect(),
        };
        let http =
            potok_http::Server::bind(http_settings, components).map_err(|error| cannot_listen(&error))?;
        Ok(App { log, processors, coordinator, kafka, http })
    }
    /// Where HTTP listens: the port is known now, also when the settings left it open.
    pub fn address(&self) -> SocketAddr {
        self.http.local_addr()
    }
    /// Where Kafka's protocol is spoken; none where it is switched off.
    pub fn kafka_address(&self) -> Option<SocketAddr> {
        self.kafka.as_ref().map(potok_kafka::Server::local_addr)
    }
    /// Runs until `stop`, then stops front to back: the doors finish what they have taken, tasks commit or abandon their unit, the
    /// log syncs.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let behind = CancellationToken::new();
        let (processors, coordinator) = (self.processors.clone(), self.coordinator);
        let running = tokio::spawn({
            let (tasks_stop, groups_stop) = (behind.clone(), behind.clone());
            async move { tokio::join!(processors.run(tasks_stop), coordinator.run(groups_stop)) }
        });
        let kafka = async {
            if let Some(kafka) = self.kafka {
                kafka.run(stop.child_token()).await;
            }
        };
        tokio::join!(self.http.run(stop.child_token()), kafka);
        tracing::info!("the doors are closed");
        behind.cancel();
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

/// Whether a group holds the positions of a processor: changed behind its back, they would be written over.
fn of_processor(processors: &Processors) -> Arc<dyn Fn(&str) -> bool + Send + Sync> {
    let processors = processors.clone();
    Arc::new(move |group| {
        processors.list().iter().any(|status| potok_processor::group_of(&status.deployment.name) == group)
    })
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

fn no_kafka(error: &potok_kafka::BindError) -> Failure {
    let failure = Failure::new(Exit::Refused, error.to_string());
    match error {
        potok_kafka::BindError::Listen { .. } => failure.remedy(
            "choose another address with --kafka, or port 0 for any that is free; POTOK_KAFKA__ENABLED=false does without",
        ),
        potok_kafka::BindError::Store(_) => failure,
        potok_kafka::BindError::Advertised(_) => failure.remedy("write it as host:port, such as broker.example.org:9092"),
    }
}

/// The folder of modules in a data folder.
pub(crate) fn modules_folder(data: &Path) -> PathBuf {
    data.join(MODULES_FOLDER)
}
/// The folder of the log in a data folder.
pub(crate) fn log_folder(data: &Path) -> PathBuf {
    data.join(LOG_FOLDER)
}
