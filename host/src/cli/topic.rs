//! `potok topic …`: create, list, describe, alter, trim, delete.

use super::OutputArg;
use super::values::{Setting, setting};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{Page, bytes, counted, thousands};
use clap::{ArgGroup, Args, Subcommand};
use potok_http::{Code, api};
use potok_types::TopicName;
use reqwest::Method;

/// Topics.
#[derive(Debug, Subcommand)]
pub(super) enum Topic {
    /// Create a topic
    #[command(after_help = "Examples:\n  \
        potok topic create flights --partitions 4\n  \
        potok topic create totals --partitions 4 --config cleanup.policy=compact\n  \
        potok topic create history --partitions 1 --config retention.ms=-1")]
    Create(Create),
    /// List all topics
    #[command(after_help = "Examples:\n  potok topic list\n  potok topic list --output json")]
    List(OutputArg),
    /// Show a topic's partitions and configs
    #[command(after_help = "Examples:\n  potok topic describe flights")]
    Describe(One),
    /// Add partitions, set or unset configs
    #[command(after_help = "Examples:\n  \
        potok topic alter flights --partitions 8\n  \
        potok topic alter flights --config retention.ms=86400000 --unset max.message.bytes")]
    Alter(Alter),
    /// Remove the oldest records of a topic
    #[command(after_help = "Examples:\n  \
        potok topic trim flights --partition 0 --before 1200\n  \
        potok topic trim flights --all")]
    Trim(Trim),
    /// Delete a topic with all its records
    #[command(
        after_help = "Examples:\n  potok topic delete flights\n  potok topic delete flights --if-exists"
    )]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Letters, digits, '.', '_' and '-'
    name: TopicName,
    /// Number of partitions; you can add more later, but never remove any
    #[arg(long, short, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    partitions: u32,
    /// A topic config, by its Kafka name; may be repeated
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<Setting>,
    /// Succeed if the topic already exists
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The topic
    name: TopicName,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Alter {
    /// The topic
    name: TopicName,
    /// The new number of partitions: at least as many as there are
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    partitions: Option<u32>,
    /// A config to set; may be repeated
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<Setting>,
    /// A config to reset to its default; may be repeated
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The topic
    name: TopicName,
    /// Succeed if there is no such topic
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["before", "all"])))]
pub(super) struct Trim {
    /// The topic
    name: TopicName,
    /// Only this partition
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    partition: Option<u32>,
    /// Remove the records below this offset; needs --partition unless the topic has only one
    #[arg(long, value_name = "OFFSET", allow_negative_numbers = true)]
    before: Option<u64>,
    /// Remove all records
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArg,
}

impl Topic {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Topic::Create(create) => create.run(client).await,
            Topic::List(output) => list(client, output).await,
            Topic::Describe(one) => {
                let topic: api::Topic = client.get(&["topics", one.name.as_str()]).await?;
                one.output.open().show(&topic, page)
            }
            Topic::Alter(alter) => alter.run(client).await,
            Topic::Trim(trim) => trim.run(client).await,
            Topic::Delete(delete) => delete.run(client).await,
        }
    }
}

impl Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let there = match client.act(Method::DELETE, &["topics", name.as_str()]).await {
            Ok(()) => true,
            Err(failure) if self.if_exists && failure.exit == Exit::NotFound => false,
            Err(failure) => return Err(failure),
        };
        let deleted = serde_json::json!({ "deleted": there.then_some(name) });
        self.output.open().show(&deleted, |_| {
            Page::line(if there {
                format!("deleted topic {name}")
            } else {
                format!("there is no topic {name}")
            })
        })
    }
}

impl Trim {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let query = api::DeleteRecordsQuery { partition: self.partition, before: self.before };
        let request = client.request(Method::DELETE, &["topics", self.name.as_str(), "records"]);
        let trimmed = client.answer(request.query(&query)).await.map_err(|failure| self.helped(failure));
        let trimmed: api::DeletedRecords = trimmed?;
        self.output.open().show(&trimmed, |trimmed| {
            let row = |one: &api::DeletedPartition| vec![one.partition.to_string(), one.start.to_string()];
            let rows = trimmed.partitions.iter().map(row).collect();
            Page::line(format!("trimmed topic {}:", self.name)).and_table(
                &["partition", "start"],
                rows,
                "no partitions",
            )
        })
    }
    /// An offset is one of a partition: which, is the one thing here that the server can miss.
    fn helped(&self, failure: Failure) -> Failure {
        match Code::of(&failure.code) {
            Some(Code::IllegalQuery) => failure.remedy(super::values::name_a_partition(&self.name)),
            _ => failure,
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let configs = self.configs.into_iter().map(|config| (config.name, config.value)).collect();
        let body = api::CreateTopic { name: self.name.to_string(), partitions: self.partitions, configs };
        let output = self.output.open();
        let failure = match client.send::<api::Topic>(Method::POST, &["topics"], &body).await {
            Ok(topic) => return output.show(&topic, created),
            Err(failure) => failure,
        };
        if !self.if_not_exists || failure.code != Code::TopicExists.text() {
            return Err(failure);
        }
        // One whose name only looks like it is in the way as well, and is not this one.
        match client.get::<api::Topic>(&["topics", self.name.as_str()]).await {
            Ok(topic) => {
                output.show(&topic, |topic| Page::line(format!("topic {} already exists", topic.name)))
            }
            Err(_) => Err(failure),
        }
    }
}

fn created(topic: &api::Topic) -> Page {
    let partitions = counted(topic.partitions.len() as u64, "partition");
    Page::line(format!("created topic {} with {partitions}", topic.name))
}

impl Alter {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.partitions.is_none() && self.configs.is_empty() && self.unset.is_empty() {
            return Err(Failure::usage("nothing to alter").remedy("give --partitions, --config or --unset"));
        }
        let set = self.configs.into_iter().map(|config| (config.name, Some(config.value)));
        let configs = set.chain(self.unset.into_iter().map(|name| (name, None))).collect();
        let body = api::AlterTopic { partitions: self.partitions, configs };
        let topic: api::Topic = client.send(Method::PATCH, &["topics", self.name.as_str()], &body).await?;
        self.output.open().show(&topic, page)
    }
}

async fn list(client: &Client, output: OutputArg) -> Result<(), Failure> {
    let list: api::TopicList = client.get(&["topics"]).await?;
    output.open().show(&list, |list| {
        let row = |topic: &api::TopicSummary| {
            vec![
                topic.name.clone(),
                topic.partitions.to_string(),
                thousands(topic.records),
                bytes(topic.size_bytes),
                topic.cleanup_policy.clone(),
            ]
        };
        let heads = ["topic", "partitions", "records", "size", "cleanup"];
        Page::table(
            &heads,
            list.topics.iter().map(row).collect(),
            "no topics yet: potok topic create NAME --partitions N",
        )
    })
}

fn page(topic: &api::Topic) -> Page {
    let mut facts =
        vec![("topic", topic.name.clone()), ("id", topic.id.clone()), ("size", bytes(topic.size_bytes))];
    if let Some(processor) = &topic.used_by {
        facts.push(("used by", format!("processor {processor}")));
    }
    let partition = |p: &api::Partition| {
        vec![
            p.partition.to_string(),
            p.start.to_string(),
            p.end.to_string(),
            thousands(p.end.saturating_sub(p.start)),
            bytes(p.size_bytes),
        ]
    };
    let config = |config: &api::Config| {
        let source = match config.source {
            api::ConfigSource::Topic => "set",
            api::ConfigSource::Settings => "settings",
            api::ConfigSource::Default => "default",
        };
        vec![config.name.clone(), config.value.clone(), source.to_owned(), config.description.clone()]
    };
    Page::facts(facts)
        .and_table(
            &["partition", "start", "end", "records", "size"],
            topic.partitions.iter().map(partition).collect(),
            "no partitions",
        )
        .and_table(
            &["config", "value", "from", "what it does"],
            topic.configs.iter().map(config).collect(),
            "no configs",
        )
}
