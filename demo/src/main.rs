//! The demonstration: January 2013's flights and weather go through the example modules in a real `potok serve`.
//! `run` plays the month at a watchable pace, shows the carriers' table as it changes and stays up; `check` plays it as fast as it goes,
//! compares everything that came out with an independent computation over the same files, and ends with zero only if all agrees.
//! It speaks to the server as any other client does: over HTTP, in the words of `/v1`.

mod check;
mod data;
mod host;
mod play;
mod show;
mod truth;
mod wiring;

use clap::{Args, Parser, Subcommand};
use potok_host::client::Client;
use potok_host::exit::Failure;
use potok_host::output::note;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Plays January 2013 through Potok.
#[derive(Debug, Parser)]
#[command(name = "potok-demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the month, show the carriers' table as it changes, and stay up
    Run(Run),
    /// Play the month as fast as it goes, check every count, and end
    Check(Check),
}

#[derive(Debug, Args)]
struct Run {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Address to listen on for Kafka's clients
    #[arg(long, default_value = "127.0.0.1:9092")]
    kafka: SocketAddr,
    /// The folder with all that is kept; a month that was cut off goes on where it was
    #[arg(long, value_name = "DIR", default_value = "flights-data")]
    data: PathBuf,
    /// How long the month lasts
    #[arg(long, value_name = "TIME", default_value = "40s", value_parser = humantime::parse_duration)]
    lasts: Duration,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    files: Files,
}

/// Where things lie.
#[derive(Clone, Debug, Args)]
struct Files {
    /// The folder of the month's files
    #[arg(long, value_name = "DIR", default_value = "data")]
    input: PathBuf,
    /// The folder of the built modules [default: potok/guests in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(async {
            match cli.command {
                Command::Run(run) => run.run().await,
                Command::Check(check) => check.run().await,
            }
        }),
        Err(error) => Err(Failure::failed(format!("cannot start: {error}"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            potok_host::output::show_failure(potok_host::output::Format::Human, &failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

impl Run {
    async fn run(self) -> Result<(), Failure> {
        let month = data::Month::load(&self.files.input)?;
        let mut host = host::Host::start(&self.data, &self.http.to_string(), &self.kafka.to_string()).await?;
        let client = Client::new(host.server())?;
        let ended = tokio::select! {
            ended = self.play(&client, &month) => ended,
            ended = host.ended() => ended,
            ended = told_to_stop() => ended,
        };
        host.stop().await?;
        ended
    }
    async fn play(&self, client: &Client, month: &data::Month) -> Result<(), Failure> {
        wiring::lay(client, &self.files.modules()?).await?;
        let board = show::Board::follow(client.clone(), &month.airlines);
        let played = play::play(client, month, self.lasts, |progress| board.show(progress)).await?;
        wiring::drained(client, |lag| board.show_lag(lag)).await?;
        board.finish(&played).await;
        next_steps(client, self.kafka, &self.data);
        std::future::pending().await
    }
}

impl Check {
    async fn run(self) -> Result<(), Failure> {
        let month = data::Month::load(&self.files.input)?;
        let folder = tempfile::tempdir()?;
        let mut host = host::Host::start(folder.path(), "127.0.0.1:0", "127.0.0.1:0").await?;
        let client = Client::new(host.server())?;
        let ended = tokio::select! {
            ended = self.play(&client, &month) => ended,
            ended = host.ended() => ended,
            ended = told_to_stop() => ended.and(Err(Failure::failed("it was stopped before it had checked anything"))),
        };
        host.stop().await?;
        ended
    }
    async fn play(&self, client: &Client, month: &data::Month) -> Result<(), Failure> {
        wiring::lay(client, &self.files.modules()?).await?;
        let board = show::Board::follow(client.clone(), &month.airlines);
        let played = play::play(client, month, Duration::ZERO, |progress| board.show(progress)).await?;
        wiring::drained(client, |lag| board.show_lag(lag)).await?;
        board.finish(&played).await;
        check::check(client, month).await
    }
}

impl Files {
    fn modules(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.modules {
            return Ok(folder.clone());
        }
        let cache =
            std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        let cache = cache.ok_or_else(|| {
            Failure::usage("no home folder is set").remedy("name the modules' folder with --modules")
        })?;
        Ok(cache.join("potok/guests"))
    }
}

async fn told_to_stop() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    note("\nstopping");
    Ok(())
}

fn next_steps(client: &Client, kafka: SocketAddr, data: &Path) {
    let server = client.server().as_str().trim_end_matches('/');
    let elsewhere =
        if server == "http://127.0.0.1:8080" { String::new() } else { format!(" --server {server}") };
    let programs = std::env::current_exe()
        .ok()
        .and_then(|program| program.parent().map(|folder| folder.display().to_string()));
    note(&format!(
        "\nPotok stays up at {server}. In another terminal, try:\n\
         \x20 export PATH=\"{}:$PATH\"\n\
         \x20 potok status{elsewhere}\n\
         \x20 potok processor list{elsewhere}\n\
         \x20 potok consume delayed-flights --from-beginning --count 5{elsewhere}\n\
         \x20 potok processor describe flight-weather{elsewhere}\n\
         \x20 potok plugin new my-processor --language rust --kind processor\n\
         Kafka clients find the same topics at {kafka}.\n\
         Ctrl-C stops it. Its data stays in {}, and `make run` carries on from there.",
        programs.unwrap_or_default(),
        data.display(),
    ));
}
