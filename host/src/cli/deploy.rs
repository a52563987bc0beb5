//! `potok processor deploy`: a deployment from words.
//! In come flags, out goes the whole deployment: it replaces the one before, as `PUT` does, and what that changes is said.

use super::processor::module_of;
use super::values::{Place, Setting, config_object, duration, grant, place, setting};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{Format, Output, Page, counted, note};
use clap::Args;
use potok_http::{Code, api};
use potok_types::{ProcessorName, SystemClock, TopicName};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// The processor's name
    name: ProcessorName,
    /// The module, by name or digest
    #[arg(long, short)]
    module: String,
    /// Input topics, in the order of the module's inputs
    #[arg(long = "input", short, value_name = "TOPIC", required = true, num_args = 1..)]
    inputs: Vec<TopicName>,
    /// Output topics, in the order of the module's outputs
    #[arg(long = "output", value_name = "TOPIC", num_args = 1..)]
    outputs: Vec<TopicName>,
    /// A configuration value for the module: JSON if it parses, else text; may be repeated
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = setting)]
    config: Vec<Setting>,
    /// Something the module may reach: secret:NAME, tcp:HOST:PORT, http:URL, directory:NAME, directory:NAME:write, database:NAME
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Vec<api::Grant>,
    /// What to do with a record that can never succeed
    #[arg(long, value_enum, default_value_t = OnFailure::DeadLetter)]
    on_failure: OnFailure,
    /// Where the first deployment starts: earliest, latest, an offset, a time such as 2013-01-31T10:00:00Z, or -2h
    /// [default: latest]
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, value_parser = place)]
    from: Option<Place>,
    /// Memory limit of an instance, such as "64 MiB"
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Time limit of a call, such as 1s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<std::time::Duration>,
    /// Accept state written by a module of another state version
    #[arg(long)]
    accept_state_version: bool,
    /// Print JSON (--output names topics here)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OnFailure {
    /// Send it to topic NAME.dead-letter, with headers that say why
    DeadLetter,
    /// Count it and move on
    Skip,
    /// Stop the task there
    Stop,
}

impl Deploy {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = ["processors", self.name.as_str()];
        let before: Option<api::Processor> = match client.get(&path).await {
            Ok(processor) => Some(processor),
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        if before.is_some() && self.from.is_some() {
            let (name, to) = (&self.name, "earliest|latest|OFFSET|TIME");
            note(&format!(
                "--from only applies to the first deployment; {name} carries on from where it was. To move it: potok processor reset {name} --to {to}"
            ));
        }
        let deployed = client.send(Method::PUT, &path, &self.body()).await;
        let processor: api::Processor = match deployed {
            Ok(processor) => processor,
            Err(failure) => return Err(self.helped(client, failure).await),
        };
        let output = Output::to_stdout(if self.json { Format::Json } else { Format::Human });
        output.show(&processor, |processor| {
            let page = Page::line(format!(
                "deployed {} with module {} on {} of {}",
                processor.name,
                module_of(processor),
                counted(processor.status.tasks.len() as u64, "partition"),
                processor.inputs.join(", "),
            ));
            let changes = before.map_or_else(Vec::new, |before| changes(&before, processor));
            let page = changes.into_iter().fold(page, Page::and_line);
            page.and_line(format!("watch it: potok processor describe {}", processor.name))
        })
    }
    /// A refusal with what to type: the request's path does not have the names at fault, and this deployment has.
    async fn helped(&self, client: &Client, failure: Failure) -> Failure {
        let module = &self.module;
        match Code::of(&failure.code) {
            Some(Code::UnknownModule) => failure.remedy(format!(
                "push it: potok module push {module} FILE.wasm; to see which there are: potok module list"
            )),
            Some(Code::UnknownTopic) => match self.create_lines(client).await {
                lines if lines.is_empty() => failure,
                lines => failure.remedy(lines.join("\n  ")),
            },
            Some(Code::IllegalDeployment) => {
                let theirs = failure.remedy.clone().unwrap_or_default().replace("MODULE", module);
                failure.remedy(theirs)
            }
            _ => failure,
        }
    }
    /// What creates the topics that are not there, each with as many partitions as the first input that is.
    async fn create_lines(&self, client: &Client) -> Vec<String> {
        let (mut missing, mut partitions) = (Vec::new(), None);
        for topic in self.inputs.iter().chain(&self.outputs) {
            match client.get::<api::Topic>(&["topics", topic.as_str()]).await {
                Ok(there) => partitions = partitions.or(Some(there.partitions.len())),
                Err(failure) if failure.exit == Exit::NotFound => missing.push(topic),
                Err(_) => {}
            }
        }
        let create = |topic: &&TopicName| {
            format!("create it: potok topic create {topic} --partitions {}", partitions.unwrap_or(1))
        };
        missing.iter().map(create).collect()
    }
    fn body(&self) -> api::DeployProcessor {
        let mut limits = api::Limits::default();
        if let Some(memory) = self.memory {
            // The mark at which an instance is replaced keeps its place: three quarters of the limit.
            (limits.memory_bytes_max, limits.replace_at_bytes) = (memory, memory / 4 * 3);
        }
        if let Some(deadline) = self.deadline {
            limits.deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        }
        api::DeployProcessor {
            module: self.module.clone(),
            inputs: self.inputs.iter().map(ToString::to_string).collect(),
            outputs: self.outputs.iter().map(ToString::to_string).collect(),
            config: config_object(&self.config),
            grants: self.grants.clone(),
            on_failure: match self.on_failure {
                OnFailure::DeadLetter => api::FailurePolicy::DeadLetter,
                OnFailure::Skip => api::FailurePolicy::Skip,
                OnFailure::Stop => api::FailurePolicy::Stop,
            },
            from: self.from.unwrap_or(Place::Latest).at(SystemClock::shared().now()),
            limits,
            log_lines_per_second: 100,
            accept_state_version: self.accept_state_version,
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    crate::config::parse_bytes(text).ok_or_else(|| "write a number and a unit, such as 64MiB".to_owned())
}

/// What differs from the deployment before; a value that was given then and not now would vanish in silence.
fn changes(before: &api::Processor, now: &api::Processor) -> Vec<String> {
    let said = |processor: &api::Processor| {
        let api::Processor { inputs, outputs, config, grants, on_failure, limits, .. } = processor;
        [
            ("module", json!(module_of(processor))),
            ("inputs", json!(inputs)),
            ("outputs", json!(outputs)),
            ("config", config.clone()),
            ("grants", json!(grants)),
            ("on-failure", json!(on_failure)),
            ("limits", json!(limits)),
        ]
    };
    let pairs = said(before).into_iter().zip(said(now)).filter(|(before, now)| before != now);
    let change = |((name, before), (_, now)): ((&str, Value), (&str, Value))| {
        format!("changed {name}: {before} -> {now}")
    };
    pairs.map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_deployment_drops_is_said() {
        let processor = |config: Value| {
            let api = json!({
                "name": "late", "generation": 1, "digest": "0".repeat(64), "inputs": ["a"], "outputs": [],
                "config": config, "grants": [], "on_failure": "dead-letter", "limits": {},
                "log_lines_per_second": 100, "group": "processor.late", "created_at": 0, "deployed_at": 0,
                "status": { "name": "late", "state": "running", "lag": 0, "records_in_per_second": 0.0,
                    "records_out_per_second": 0.0, "tasks": [] },
            });
            serde_json::from_value::<api::Processor>(api).unwrap()
        };
        let (before, now) = (processor(json!({ "limit": 60 })), processor(json!({})));
        assert_eq!(changes(&before, &now), ["changed config: {\"limit\":60} -> {}"]);
        assert!(changes(&now, &now).is_empty());
    }
}
