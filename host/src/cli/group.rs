//! `potok group …`: list, describe, reset, delete. Processors appear here too, as `processor.NAME`.

use super::OutputArg;
use super::values::{Place, place};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{Page, thousands, time};
use clap::builder::NonEmptyStringValueParser;
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
    /// Move a group's positions in a topic; the group must have no members
    #[command(after_help = "Examples:\n  \
        potok group reset billing --topic orders --to earliest --dry-run\n  \
        potok group reset billing --topic orders --to earliest\n  \
        potok group reset billing --topic orders --partition 3 --to 1200\n  \
        potok group reset billing --topic orders --to 2013-01-31T00:00:00Z")]
    Reset(Reset),
    /// Delete a group, or only its positions in one topic; it must have no members
    #[command(after_help = "Examples:\n  \
        potok group delete billing\n  \
        potok group delete billing --topic orders")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The group
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    group: String,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The group
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    group: String,
    /// The topic
    #[arg(long, short)]
    topic: TopicName,
    /// Only this partition [default: all of them]
    #[arg(long, short, value_name = "N", allow_negative_numbers = true)]
    partition: Option<u32>,
    /// earliest, latest, an offset, a time such as 2013-01-31T10:00:00Z, or -2h
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, value_parser = place)]
    to: Place,
    /// Show what would move, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArg,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The group
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    group: String,
    /// Only its positions in this topic
    #[arg(long, short)]
    topic: Option<TopicName>,
    /// Only its position in this partition of the topic
    #[arg(long, short, value_name = "N", requires = "topic", allow_negative_numbers = true)]
    partition: Option<u32>,
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
            Group::Delete(delete) => delete.run(client).await,
        }
    }
}

impl Reset {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let to = match self.to.at(SystemClock::shared().now()) {
            api::StartAt::Earliest => api::MoveTo::Earliest,
            api::StartAt::Latest => api::MoveTo::Latest,
            api::StartAt::Offset(offset) => api::MoveTo::Offset(offset),
            api::StartAt::Time(time) => api::MoveTo::Time(time),
        };
        let offset = api::SetOffset { topic: self.topic.to_string(), partition: self.partition, to };
        let body = api::SetOffsets { offsets: vec![offset], dry_run: self.dry_run };
        let before = match client.get::<api::Group>(&["groups", &self.group]).await {
            Ok(group) => group.positions,
            Err(failure) if failure.exit == Exit::NotFound => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let group: api::Group = client.send(Method::PUT, &["groups", &self.group, "offsets"], &body).await?;
        self.output.open().show(&group, |group| self.page(&before, group))
    }
    /// What moved, from where to where.
    fn page(&self, before: &[api::GroupPosition], group: &api::Group) -> Page {
        let asked = |at: &&api::GroupPosition| {
            at.topic == self.topic.as_str() && self.partition.is_none_or(|only| only == at.partition)
        };
        let from = |at: &api::GroupPosition| {
            let stood = before.iter().find(|old| (&old.topic, old.partition) == (&at.topic, at.partition));
            stood.map_or_else(|| "-".to_owned(), |old| old.offset.to_string())
        };
        let row = |at: &api::GroupPosition| {
            vec![
                at.topic.clone(),
                at.partition.to_string(),
                from(at),
                at.offset.to_string(),
                at.end.to_string(),
                thousands(at.lag),
            ]
        };
        let said = match self.dry_run {
            true => format!("group {} would move; nothing was changed:", group.name),
            false => format!("moved group {}:", group.name),
        };
        let heads = ["topic", "partition", "from", "to", "end", "lag"];
        let rows = group.positions.iter().filter(asked).map(row).collect();
        Page::line(said).and_table(&heads, rows, "no partitions")
    }
}

impl Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Some(topic) = &self.topic else {
            client.act(Method::DELETE, &["groups", &self.group]).await?;
            let deleted = serde_json::json!({ "deleted": self.group });
            return self
                .output
                .open()
                .show(&deleted, |_| Page::line(format!("deleted group {}", self.group)));
        };
        let query = api::DeleteOffsetsQuery { topic: topic.to_string(), partition: self.partition };
        let request = client.request(Method::DELETE, &["groups", &self.group, "offsets"]);
        client.open(request.query(&query)).await?;
        let forgotten =
            serde_json::json!({ "deleted": self.group, "topic": topic, "partition": self.partition });
        let place = match self.partition {
            Some(partition) => format!("partition {partition} of {topic}"),
            None => topic.to_string(),
        };
        self.output.open().show(&forgotten, |_| {
            Page::line(format!("group {} has no position in {place} any more", self.group))
        })
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
