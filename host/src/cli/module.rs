//! `potok module …`: push, list, inspect, delete. A module is an uploaded component, known by its digest.

use super::OutputArg;
use crate::client::{Client, InputError};
use crate::exit::{Exit, Failure};
use crate::output::{Page, bytes};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use futures::StreamExt;
use potok_http::api;
use potok_types::ModuleName;
use reqwest::{Body, Method, header};
use std::path::{Path, PathBuf};
use tokio_util::io::ReaderStream;

/// Digits of a digest that people are shown: enough to tell modules apart.
const DIGEST_SHOWN: usize = 12;

/// Modules.
#[derive(Debug, Subcommand)]
pub(super) enum Module {
    /// Upload a component and give it a name
    #[command(
        override_usage = "potok module push [OPTIONS] <NAME> <FILE.wasm>",
        after_help = "Examples:\n  potok module push flight-delays flight_delays.wasm"
    )]
    Push(Push),
    /// List all modules
    #[command(after_help = "Examples:\n  potok module list")]
    List(OutputArg),
    /// Show what a module says about itself: inputs, outputs, stores, configuration
    #[command(after_help = "Examples:\n  potok module inspect flight-delays")]
    Inspect(One),
    /// Delete a module that no processor runs
    #[command(after_help = "Examples:\n  potok module delete flight-delays")]
    Delete(One),
}

#[derive(Debug, Args)]
pub(super) struct Push {
    /// The name to give it
    name: String,
    /// The component, as built by `potok plugin build`
    // Asked for by `named`, which can tell which of the two was forgotten.
    #[arg(value_name = "FILE.wasm")]
    file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The module's name or digest
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    module: String,
    #[command(flatten)]
    output: OutputArg,
}

impl Module {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Module::Push(push) => push.run(client).await,
            Module::List(output) => list(client, output).await,
            Module::Inspect(one) => {
                let module: api::Module = client.get(&["modules", &one.module]).await?;
                one.output.open().show(&module, page)
            }
            Module::Delete(one) => {
                client.act(Method::DELETE, &["modules", &one.module]).await?;
                let deleted = serde_json::json!({ "deleted": one.module });
                one.output.open().show(&deleted, |_| Page::line(format!("deleted module {}", one.module)))
            }
        }
    }
}

impl Push {
    /// Both words, or which of them is missing and what to type.
    fn named(&self) -> Result<(ModuleName, &Path), Failure> {
        let alone = Path::new(&self.name);
        let is_file = alone.extension().is_some_and(|end| end == "wasm") || alone.is_file();
        match &self.file {
            Some(file) => match self.name.parse() {
                Ok(name) => Ok((name, file)),
                Err(error) => Err(Failure::usage(format!("{:?} is not legal for <NAME>", self.name))
                    .remedy(potok_types::NameError::to_string(&error))),
            },
            None if is_file => {
                let stem = alone.file_stem().unwrap_or_default().to_string_lossy();
                Err(Failure::usage(format!("the name of the module in {} is missing", self.name))
                    .remedy(format!("give one: potok module push {stem} {}", self.name)))
            }
            None => Err(Failure::usage(format!("the file of module {} is missing", self.name)).remedy(
                format!("name it: potok module push {0} {0}.wasm (potok plugin build makes one)", self.name),
            )),
        }
    }
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let (module, file) = self.named()?;
        let failed = |error: std::io::Error| {
            let failure = Failure::file("read", file, &error);
            if failure.exit == Exit::NotFound {
                failure.remedy("potok plugin build makes one of a project")
            } else {
                failure
            }
        };
        let name = file.display().to_string();
        let file = tokio::fs::File::open(file).await.map_err(failed)?;
        let about = file.metadata().await.map_err(failed)?;
        // Streamed, so that the server can refuse one that is too large before all of it was sent.
        let component = ReaderStream::new(file)
            .map(move |chunk| chunk.map_err(|error| InputError { name: name.clone(), error }));
        let request = client.request(Method::PUT, &["modules", module.as_str()]);
        let request = request.header(header::CONTENT_TYPE, api::WASM).body(Body::wrap_stream(component));
        // a pipe has no length
        let request =
            if about.is_file() { request.header(header::CONTENT_LENGTH, about.len()) } else { request };
        let pushed: api::Module = client.answer(request).await?;
        self.output.open().show(&pushed, |pushed| {
            Page::line(format!("pushed {} as {module} ({})", pushed.digest, bytes(pushed.size_bytes)))
                .and_line(format!("deploy it: {}", deploy_line(&module, pushed)))
        })
    }
}

/// What to type next; what is in capitals is the user's to name.
fn deploy_line(name: &ModuleName, module: &api::Module) -> String {
    let topics = |flag: &str, ports: &[api::ModulePort]| {
        ports.iter().map(|port| format!(" --{flag} {}", port.name.to_uppercase())).collect::<String>()
    };
    format!(
        "potok processor deploy PROCESSOR --module {name}{}{}",
        topics("input", &module.inputs),
        topics("output", &module.outputs)
    )
}

async fn list(client: &Client, output: OutputArg) -> Result<(), Failure> {
    let list: api::ModuleList = client.get(&["modules"]).await?;
    output.open().show(&list, |list| {
        let row = |module: &api::Module| {
            vec![
                or_dash(&module.names),
                module.digest.chars().take(DIGEST_SHOWN).collect(),
                world(module.world).to_owned(),
                module.version.clone(),
                bytes(module.size_bytes),
                or_dash(&module.used_by),
            ]
        };
        let heads = ["module", "digest", "kind", "version", "size", "used by"];
        Page::table(
            &heads,
            list.modules.iter().map(row).collect(),
            "no modules yet: potok module push NAME FILE.wasm",
        )
    })
}

fn page(module: &api::Module) -> Page {
    let ports = |ports: &[api::ModulePort]| {
        ports.iter().map(|port| vec![port.name.clone(), port.summary.clone()]).collect()
    };
    let store = |store: &api::ModuleStore| {
        let ttl = store
            .ttl_ms
            .map(|ms| humantime::format_duration(std::time::Duration::from_millis(ms)).to_string());
        vec![store.name.clone(), ttl.unwrap_or_else(|| "for ever".to_owned())]
    };
    let wants: Vec<_> = module.wants.iter().map(super::values::grant_text).collect();
    let facts = vec![
        ("digest", module.digest.clone()),
        ("names", or_dash(&module.names)),
        ("kind", world(module.world).to_owned()),
        ("title", format!("{} {}", module.title, module.version)),
        ("summary", module.summary.clone()),
        ("size", bytes(module.size_bytes)),
        ("imports", or_dash(&module.imports)),
        ("used by", or_dash(&module.used_by)),
        ("wants", or_dash(&wants)),
        ("state version", module.state_version.to_string()),
        ("configuration", module.config_schema.to_string()),
    ];
    Page::facts(facts)
        .and_table(&["input", "what it is"], ports(&module.inputs), "no inputs")
        .and_table(&["output", "what it is"], ports(&module.outputs), "no outputs")
        .and_table(&["store", "kept for"], module.stores.iter().map(store).collect(), "no stores")
}

fn world(world: api::World) -> &'static str {
    match world {
        api::World::Processor => "processor",
        api::World::Source => "source",
        api::World::Sink => "sink",
    }
}

fn or_dash(names: &[String]) -> String {
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}
