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
use std::io;
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
        // Before anything is made or touched: who finds no port leaves no folder behind.
        let http_door = potok_http::Door::open(&settings.http).map_err(|error| cannot_listen(&error))?;
        let kafka_door = match settings.kafka.enabled {
            true => Some(potok_kafka::Door::open(&settings.kafka).map_err(|error| no_kafka(&error))?),
            false => None,
        };
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
        let kafka = if let Some(door) = kafka_door {
            let cluster_id = potok_kafka::cluster_id(&*log).await.map_err(|error| unusable(&error))?;
            let (log, coordinator, clock) = (Arc::clone(&shared), coordinator.clone(), Arc::clone(&clock));
            let folder = data.join(LOG_FOLDER);
            let components = potok_kafka::Components { log, coordinator, clock, folder, cluster_id };
            let server = potok_kafka::Server::over(door, settings.kafka, components);
            Some(server.map_err(|error| no_kafka(&error))?)
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
        let http = potok_http::Server::over(http_door, http_settings, components);
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
    Failure::usage("no data folder given").remedy("name one: potok serve --data ./potok-data")
}

/// Why the folder cannot be opened, with what to do about it.
fn cannot_open(data: &Path, error: &OpenError) -> Failure {
    let (exit, remedy) = match error {
        OpenError::InUse { .. } => (Exit::Refused, "stop the other server, or give this one another --data folder".to_owned()),
        OpenError::Unreadable { .. } => (Exit::Failed, format!("make sure that this user may read and write {}", data.display())),
        OpenError::Newer { .. } => (Exit::Refused, "start the version that wrote it, or a newer one".to_owned()),
        OpenError::Older { .. } => {
            (Exit::Refused, "start the version that wrote it, and copy the topics to a server with a new folder by any client".to_owned())
        }
        OpenError::Damaged { .. } => {
            (Exit::Failed, "start from a backup (potok serve --data BACKUP), and keep this folder: what is whole in it can be read".to_owned())
        }
    };
    Failure::new(exit, error.to_string()).remedy(remedy)
}

fn cannot_use(data: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
        .remedy(format!("make sure that this user may read and write {}", data.display()))
}

fn cannot_listen(error: &BindError) -> Failure {
    no_door("HTTP", "--http", error.address, &error.source)
}

/// Why nobody can listen there, with what to do about it.
fn no_door(what: &str, flag: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let any = SocketAddr::new(address.ip(), 0);
    let (why, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            "another program listens there".to_owned(),
            format!("stop it, or use another port: {flag} {any} picks a free one"),
        ),
        io::ErrorKind::AddrNotAvailable => (
            "it is no address of this machine".to_owned(),
            format!(
                "take one that is: {flag} 127.0.0.1:{0} is for this machine alone, {flag} 0.0.0.0:{0} for all that reach it",
                address.port()
            ),
        ),
        io::ErrorKind::PermissionDenied => (
            "this user may not".to_owned(),
            format!("only root may use ports below 1024: choose a higher one with {flag}"),
        ),
        _ => (error.to_string(), format!("choose another address with {flag}")),
    };
    Failure::new(Exit::Refused, format!("cannot listen on {address} for {what}: {why}")).remedy(remedy)
}

fn no_kafka(error: &potok_kafka::BindError) -> Failure {
    let failure = Failure::new(Exit::Refused, error.to_string());
    match error {
        potok_kafka::BindError::Listen { address, source } => {
            no_door("Kafka's clients", "--kafka", *address, source)
        }
        potok_kafka::BindError::Store(_) => failure,
        potok_kafka::BindError::Advertised(_) => {
            failure.remedy("write it as host:port, such as broker.example.org:9092")
        }
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
