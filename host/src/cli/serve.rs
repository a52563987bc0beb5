//! `potok serve`: runs the host until it is told to stop.
//! In come settings and signals, out go a line that says where it listens, log lines on stderr, and an exit code. The first signal stops it
//! in order, the second at once: what was acknowledged is on disk either way.

use super::OutputArg;
use crate::app::App;
use crate::config::{self, DoorFlags, Flags, LogFormat, Settings};
use crate::exit::{Exit, Failure};
use crate::output::{Page, note};
use clap::Args;
use potok_types::SystemClock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// As a shell reports a process that ended by SIGINT.
const INTERRUPTED: i32 = 130;
/// File descriptors for all connections that are allowed by default (4,096), and all files of the log (1,024), twice.
const DESCRIPTORS_WANTED: u64 = 8192;

/// Runs the server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    potok serve --data ./potok-data\n  \
    potok serve --data /var/lib/potok --http 0.0.0.0:8080 --kafka 0.0.0.0:9092\n  \
    POTOK_LOG__CACHE_BYTES_MAX=256MiB potok serve --data ./potok-data\n\n\
    Ctrl-C or SIGTERM shuts it down cleanly; a second one ends it at once.")]
pub(super) struct Serve {
    /// The folder for all data; created if it does not exist
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to serve HTTP on; there is no authentication, so whoever can reach it can do anything [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    http: Option<SocketAddr>,
    /// Address to serve Kafka clients on; no authentication either [default: 127.0.0.1:9092]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    kafka: Option<SocketAddr>,
    /// How much to log: error, warn, info, debug, trace, or filters such as info,potok_log=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(flatten)]
    output: OutputArg,
}

impl Serve {
    pub(super) fn run(self, config_file: Option<PathBuf>) -> Result<(), Failure> {
        let door = |listen: SocketAddr| DoorFlags { listen: listen.to_string() };
        let flags = Flags {
            data: self.data,
            log_level: self.log_level,
            http: self.http.map(door),
            kafka: self.kafka.map(door),
            ..Flags::default()
        };
        let loaded = config::load(config_file.as_deref(), flags)?;
        if loaded.settings.data.is_none() {
            return Err(crate::app::no_data());
        }
        start_logging(&loaded.settings)?;
        raise_descriptor_limit();
        for line in loaded.lines() {
            tracing::debug!("settings {line}");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("potok").build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        runtime.block_on(serve(loaded.settings, self.output))
    }
}

async fn serve(settings: Settings, output: OutputArg) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let data = settings.data.clone().unwrap_or_default();
    let app = App::open(settings, SystemClock::shared()).await?;
    let server = format!("http://{}", app.address());
    let kafka = app.kafka_address();
    let started =
        serde_json::json!({ "server": server, "kafka": kafka, "data": data, "pid": std::process::id() });
    output.open().show(&started, |_| {
        let elsewhere =
            if server == "http://127.0.0.1:8080" { String::new() } else { format!(" --server {server}") };
        let listens = Page::line(format!("potok listens on {server}, its data is in {}", data.display()));
        let listens = match kafka {
            Some(kafka) => listens.and_line(format!("Kafka clients connect to {kafka}")),
            None => listens,
        };
        listens
            .and_line(format!("try: potok topic create hello --partitions 1{elsewhere}"))
            .and_line(format!("     echo world | potok produce hello{elsewhere}"))
            .and_line(format!("     potok consume hello --from-beginning{elsewhere}"))
    })?;
    for address in [Some(app.address()), kafka].into_iter().flatten().filter(|door| !door.ip().is_loopback())
    {
        tracing::warn!(%address, "there is no authentication: anyone who can reach this address can do anything");
    }
    app.run(stop).await
}

/// A token that the first SIGINT or SIGTERM cancels; the second ends the process.
fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        if either(&mut interrupt, &mut terminate).await == SignalKind::interrupt() {
            note("stopping; press again to stop at once");
        }
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED);
    });
    Ok(stop)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080".to_owned())
}

/// Takes as many file descriptors as this user may have: a store that finds none for its next file can write no more, and shells
/// give out 1,024 unless asked.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of file descriptors stays as it is");
    }
    if let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < DESCRIPTORS_WANTED) {
        tracing::warn!(most, wanted = DESCRIPTORS_WANTED, "few file descriptors: raise `ulimit -n`");
    }
}

/// A filter's own parser takes any single word for the name of a module, and then says nothing of all others.
fn filter(text: &str) -> Option<EnvFilter> {
    let known = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    text.split(',').all(known).then(|| EnvFilter::try_new(text).ok()).flatten()
}

/// The process's own log, on stderr.
fn start_logging(settings: &Settings) -> Result<(), Failure> {
    let filter = filter(&settings.log_level).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("log level {:?} is not legal", settings.log_level))
            .remedy("write error, warn, info, debug or trace, or filters such as info,potok_log=debug")
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => lines.with_ansi(crate::output::stderr_has_colors()).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
