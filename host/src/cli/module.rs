//! `potok module …`: push, list, inspect, delete. A module is an uploaded component, known by its digest.

use super::OutputArg;
use crate::client::{Client, InputError};
use crate::exit::Failure;
use crate::output::{Page, bytes};
use clap::{Args, Subcommand};
use futures::StreamExt;
use potok_http::api;
use potok_types::ModuleName;
use reqwest::{Body, Method, header};
use std::path::PathBuf;
use tokio_util::io::ReaderStream;

/// Digits of a digest that people are shown: enough to tell modules apart.
const DIGEST_SHOWN: usize = 12;

/// Modules.
#[derive(Debug, Subcommand)]
pub(super) enum Module {
    /// Upload a component and point a name at it
    #[command(after_help = "Examples:\n  potok module push flight-delays flight_delays.wasm")]
    Push(Push),
    /// List all modules
    #[command(after_help = "Examples:\n  potok module list")]
    List(OutputArg),
    /// Show what a module says of itself: inputs, outputs, stores, configuration
    #[command(after_help = "Examples:\n  potok module inspect flight-delays")]
    Inspect(One),
    /// Delete a module that no processor runs
    #[command(after_help = "Examples:\n  potok module delete flight-delays")]
    Delete(One),
}

#[derive(Debug, Args)]
pub(super) struct Push {
    /// The name to point at it
    name: ModuleName,
    /// The component: what `potok plugin build` makes
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The module's name or its digest
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
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let failed = |error| Failure::file("read", &self.file, &error);
        let file = tokio::fs::File::open(&self.file).await.map_err(failed)?;
        let about = file.metadata().await.map_err(failed)?;
        // Streamed, so that the server can refuse one that is too large before all of it was sent.
        let name = self.file.display().to_string();
        let component = ReaderStream::new(file)
            .map(move |chunk| chunk.map_err(|error| InputError { name: name.clone(), error }));
        let request = client.request(Method::PUT, &["modules", self.name.as_str()]);
        let request = request.header(header::CONTENT_TYPE, api::WASM).body(Body::wrap_stream(component));
        // a pipe has no length
        let request =
            if about.is_file() { request.header(header::CONTENT_LENGTH, about.len()) } else { request };
        let module: api::Module = client.answer(request).await?;
        self.output.open().show(&module, |module| {
            Page::line(format!("pushed {} as {} ({})", module.digest, self.name, bytes(module.size_bytes)))
                .and_line(format!("deploy it: {}", deploy_line(&self.name, module)))
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
