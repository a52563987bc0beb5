//! Topics, modules and processors of the demonstration, as `guest-examples/README.md` agrees them.
//! In comes a server, out goes one on which everything is deployed. What is there already is left, so that a second run goes on.

use potok_host::client::Client;
use potok_host::exit::{Exit, Failure};
use potok_host::output::note;
use potok_http::api;
use reqwest::{Method, header};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Partitions of every topic: those that one processor reads together must have the same number.
const PARTITIONS: u32 = 4;
/// How often the lag is asked for.
const LAG_EVERY: Duration = Duration::from_millis(100);
/// Rounds of asking without any progress after which the processors count as stuck: a minute.
const STUCK_ROUNDS: u32 = 600;

/// Topics, and whether they keep the newest record of each key only.
const TOPICS: [(&str, bool); 6] = [
    ("flights", false),
    ("weather", false),
    ("flights-by-origin", false),
    ("delayed-flights", false),
    ("carrier-stats", true),
    ("flight-weather", false),
];

/// A processor to deploy.
struct Deployment {
    name: &'static str,
    module: &'static str,
    inputs: &'static [&'static str],
    output: &'static str,
    config: fn() -> serde_json::Value,
}

const PROCESSORS: [Deployment; 4] = [
    Deployment {
        name: "flight-delays",
        module: "flight-delays",
        inputs: &["flights"],
        output: "delayed-flights",
        config: || json!({}),
    },
    Deployment {
        name: "carrier-stats",
        module: "carrier-stats",
        inputs: &["flights"],
        output: "carrier-stats",
        config: || json!({}),
    },
    Deployment {
        name: "by-origin",
        module: "rekey",
        inputs: &["flights"],
        output: "flights-by-origin",
        config: || json!({ "column": 13, "columns": 19 }),
    },
    Deployment {
        name: "flight-weather",
        module: "flight-weather",
        inputs: &["flights-by-origin", "weather"],
        output: "flight-weather",
        config: || json!({}),
    },
];

/// Names of the processors.
pub(crate) fn processors() -> impl Iterator<Item = &'static str> {
    PROCESSORS.iter().map(|deployment| deployment.name)
}

/// Creates the topics, pushes the modules of this folder, deploys the processors.
pub(crate) async fn lay(client: &Client, modules: &Path) -> Result<(), Failure> {
    for (name, compacted) in TOPICS {
        create(client, name, compacted).await?;
    }
    let mut names: Vec<_> = PROCESSORS.iter().map(|deployment| deployment.module).collect();
    names.sort_unstable();
    for name in names {
        push(client, name, &modules.join(format!("{name}.wasm"))).await?;
    }
    for deployment in &PROCESSORS {
        deploy(client, deployment).await?;
        note(&format!(
            "deployed {} on {} -> {}",
            deployment.name,
            deployment.inputs.join(", "),
            deployment.output
        ));
    }
    Ok(())
}

async fn create(client: &Client, name: &str, compacted: bool) -> Result<(), Failure> {
    // The month lies years back: by time it would be gone at once.
    let mut configs =
        [("retention.ms", "-1")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    if compacted {
        configs.push(("cleanup.policy".to_owned(), "compact".to_owned()));
    }
    let body = api::CreateTopic {
        name: name.to_owned(),
        partitions: PARTITIONS,
        configs: configs.into_iter().collect(),
    };
    match client.send::<api::Topic>(Method::POST, &["topics"], &body).await {
        Err(failure) if failure.exit != Exit::Refused => Err(failure),
        // Refused because it is there: it is ours when it has our partitions.
        Err(failure) => match client.get::<api::Topic>(&["topics", name]).await {
            Ok(topic) if topic.partitions.len() == PARTITIONS as usize => Ok(()),
            Ok(_) | Err(_) => Err(failure),
        },
        Ok(_) => Ok(()),
    }
}

async fn push(client: &Client, name: &str, file: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::file("read", file, &error).remedy("build the modules first: tools/build-guests.sh")
    })?;
    let request =
        client.request(Method::PUT, &["modules", name]).header(header::CONTENT_TYPE, api::WASM).body(bytes);
    let module: api::Module = client.answer(request).await?;
    let digest: String = module.digest.chars().take(12).collect();
    note(&format!("pushed module {name} ({digest}, {})", potok_host::output::bytes(module.size_bytes)));
    Ok(())
}

async fn deploy(client: &Client, deployment: &Deployment) -> Result<(), Failure> {
    let body = json!({
        "module": deployment.module,
        "inputs": deployment.inputs,
        "outputs": [deployment.output],
        "config": (deployment.config)(),
        "from": "earliest",
    });
    client.send::<api::Processor>(Method::PUT, &["processors", deployment.name], &body).await.map(|_| ())
}

/// Waits until every processor has taken all of its input, and says how much is left. A task that stopped, or no progress for a minute,
/// is a failure.
pub(crate) async fn drained(client: &Client, said: impl Fn(u64)) -> Result<(), Failure> {
    let (mut lag_before, mut rounds) = (u64::MAX, 0);
    loop {
        let list: api::ProcessorList = client.get(&["processors"]).await?;
        let ours =
            || list.processors.iter().filter(|processor| processors().any(|name| name == processor.name));
        if let Some(stopped) = ours().find(|processor| processor.status.state == api::ProcessorState::Stopped)
        {
            return Err(Failure::failed(format!(
                "processor {} has stopped: {}",
                stopped.name,
                last_failure(stopped)
            )));
        }
        let lag = ours().map(|processor| processor.status.lag).sum();
        said(lag);
        if lag == 0 {
            return Ok(());
        }
        rounds = if lag == lag_before { rounds + 1 } else { 0 };
        if rounds >= STUCK_ROUNDS {
            let why = ours()
                .filter(|processor| processor.status.lag > 0)
                .map(|p| format!("{}: {}", p.name, last_failure(p)));
            return Err(Failure::failed(format!(
                "{lag} records are not done: {}",
                why.collect::<Vec<_>>().join("; ")
            )));
        }
        lag_before = lag;
        tokio::time::sleep(LAG_EVERY).await;
    }
}

fn last_failure(processor: &api::Processor) -> String {
    let failure = processor.status.tasks.iter().find_map(|task| task.last_failure.as_ref());
    failure.map_or_else(|| "no failure is told".to_owned(), |failure| failure.reason.clone())
}
