//! `potok topic …`: create, list, describe, alter, delete.

use super::OutputArg;
use super::values::{Setting, setting};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Page, bytes, thousands};
use clap::{Args, Subcommand};
use potok_http::api;
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
    /// Add partitions, set and unset configs
    #[command(after_help = "Examples:\n  \
        potok topic alter flights --partitions 8\n  \
        potok topic alter flights --config retention.ms=86400000 --unset max.message.bytes")]
    Alter(Alter),
    /// Delete a topic with all its records
    #[command(after_help = "Examples:\n  potok topic delete flights")]
    Delete(One),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Letters, digits, '.', '_' and '-'
    name: TopicName,
    /// How many partitions; they can be added later, never taken away
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    partitions: u32,
    /// A config by Kafka's name; may be given several times
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<Setting>,
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
    #[arg(long, short, value_name = "N")]
    partitions: Option<u32>,
    /// A config to set; may be given several times
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<Setting>,
    /// A config to give its default back; may be given several times
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
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
            Topic::Delete(one) => {
                client.act(Method::DELETE, &["topics", one.name.as_str()]).await?;
                let deleted = serde_json::json!({ "deleted": one.name });
                one.output.open().show(&deleted, |_| Page::line(format!("deleted topic {}", one.name)))
            }
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let configs = self.configs.into_iter().map(|config| (config.name, config.value)).collect();
        let body = api::CreateTopic { name: self.name.to_string(), partitions: self.partitions, configs };
        let topic: api::Topic = client.send(Method::POST, &["topics"], &body).await?;
        let said = |topic: &api::Topic| {
            Page::line(format!(
                "created topic {} with {} partition{}",
                topic.name,
                topic.partitions.len(),
                plural(topic.partitions.len())
            ))
        };
        self.output.open().show(&topic, said)
    }
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
        let source = if config.source == api::ConfigSource::Topic { "set" } else { "default" };
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

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
