//! `potok group …`: list, describe, reset. Processors appear here too, as `processor.NAME`.

use super::OutputArg;
use super::values::start_at;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Page, thousands, time};
use clap::{Args, Subcommand};
use potok_http::api;
use potok_types::{SystemClock, TopicName};
use reqwest::Method;

/// Consumer groups.
#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// List all groups: of consumers, of processors, and any that has positions
    #[command(after_help = "Examples:\n  potok group list")]
    List(OutputArg),
    /// Show a group's members, positions and lag
    #[command(
        after_help = "Examples:\n  potok group describe billing\n  potok group describe processor.flight-delays"
    )]
    Describe(Describe),
    /// Move a group's positions in a topic, while it has no members
    #[command(after_help = "Examples:\n  \
        potok group reset billing --topic orders --to earliest\n  \
        potok group reset billing --topic orders --partition 3 --to 1200\n  \
        potok group reset billing --topic orders --to 2013-01-31T00:00:00Z")]
    Reset(Reset),
}

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The group
    group: String,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The group
    group: String,
    /// The topic
    #[arg(long, short)]
    topic: TopicName,
    /// Only this partition; all of the topic when absent
    #[arg(long, short, value_name = "N")]
    partition: Option<u32>,
    /// earliest, latest, an offset, a moment such as 2013-01-31T10:00:00Z, or -2h
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    to: String,
    #[command(flatten)]
    output: OutputArg,
}

impl Group {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Group::List(output) => list(client, output).await,
            Group::Describe(describe) => {
                let group: api::Group = client.get(&["groups", &describe.group]).await?;
                describe.output.open().show(&group, page)
            }
            Group::Reset(reset) => reset.run(client).await,
        }
    }
}

impl Reset {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let to = match start_at(&self.to, SystemClock::shared().now()).map_err(Failure::usage)? {
            api::StartAt::Earliest => api::MoveTo::Earliest,
            api::StartAt::Latest => api::MoveTo::Latest,
            api::StartAt::Offset(offset) => api::MoveTo::Offset(offset),
            api::StartAt::Time(time) => api::MoveTo::Time(time),
        };
        let offset = api::SetOffset { topic: self.topic.to_string(), partition: self.partition, to };
        let body = api::SetOffsets { offsets: vec![offset] };
        let group: api::Group = client.send(Method::PUT, &["groups", &self.group, "offsets"], &body).await?;
        self.output.open().show(&group, page)
    }
}

async fn list(client: &Client, output: OutputArg) -> Result<(), Failure> {
    let list: api::GroupList = client.get(&["groups"]).await?;
    output.open().show(&list, |list| {
        let row = |group: &api::GroupSummary| {
            vec![
                group.name.clone(),
                group.state.clone(),
                group.protocol.clone(),
                group.members.to_string(),
                group.topics.join(", "),
                group.partitions.to_string(),
                thousands(group.lag),
            ]
        };
        let heads = ["group", "state", "protocol", "members", "topics", "partitions", "lag"];
        Page::table(&heads, list.groups.iter().map(row).collect(), "no group has members or positions yet")
    })
}

fn page(group: &api::Group) -> Page {
    let row = |at: &api::GroupPosition| {
        vec![
            at.topic.clone(),
            at.partition.to_string(),
            at.offset.to_string(),
            at.end.to_string(),
            thousands(at.lag),
            time(at.committed_at),
        ]
    };
    let heads = ["topic", "partition", "offset", "end", "lag", "committed"];
    let facts = vec![
        ("group", group.name.clone()),
        ("state", group.state.clone()),
        ("protocol", group.protocol.clone()),
        ("lag", thousands(group.lag)),
    ];
    Page::facts(facts)
        .and_table(&heads, group.positions.iter().map(row).collect(), "no positions")
        .and_table_named(
            "members",
            &["client", "host", "reads", "member"],
            group.members.iter().map(member).collect(),
            "none",
        )
}

fn member(member: &api::GroupMember) -> Vec<String> {
    let topic = |one: &api::GroupAssignment| {
        let partitions: Vec<_> = one.partitions.iter().map(u32::to_string).collect();
        format!("{}[{}]", one.topic, partitions.join(","))
    };
    let reads: Vec<_> = member.assignment.iter().map(topic).collect();
    vec![member.client_id.clone(), member.host.clone(), reads.join(" "), member.id.clone()]
}
