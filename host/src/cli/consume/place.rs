//! A group's place in a topic, for `consume --group`: where the reading goes on, and how far it has come.
//! In come the group's positions and the lines that were printed, out go new positions. They move only behind records that were written
//! out: one that ends early prints some again, and passes none over. Sharing partitions among members is for Kafka's clients.

use crate::client::Client;
use crate::exit::{Exit, Failure};
use potok_http::api;
use potok_types::TopicName;
use reqwest::Method;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where a group stands in a topic.
#[derive(Debug)]
pub(super) struct Place<'a> {
    client: &'a Client,
    group: String,
    topic: TopicName,
    /// Where it stood, in the partitions of which it had read something.
    begins: BTreeMap<u32, u64>,
    /// Where it stands now, in those of which the server has not been told.
    moved: BTreeMap<u32, u64>,
    /// Records that were printed since.
    unsaved: u64,
}

/// What of a record says where it lies.
#[derive(Deserialize)]
struct At {
    partition: u32,
    offset: u64,
}

impl<'a> Place<'a> {
    /// The group's place, or the first record there is where it has none. The server is told at once, so that a group that is not to
    /// be moved from here (it has members, or is a processor's) is found before anything was printed.
    pub(super) async fn open(
        client: &'a Client,
        group: String,
        topic: &TopicName,
        partition: Option<u32>,
        from_beginning: bool,
    ) -> Result<Place<'a>, Failure> {
        let there: api::Topic = client.get(&["topics", topic.as_str()]).await?;
        let kept = match client.get::<api::Group>(&["groups", &group]).await {
            Ok(group) if !from_beginning => group.positions,
            Ok(_) => Vec::new(),
            Err(failure) if failure.exit == Exit::NotFound => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let here = kept.into_iter().filter(|at| at.topic == topic.as_str());
        let kept: BTreeMap<u32, u64> = here.map(|at| (at.partition, at.offset)).collect();
        let read = there.partitions.iter().filter(|one| partition.is_none_or(|only| only == one.partition));
        let (mut begins, mut moved) = (BTreeMap::new(), BTreeMap::new());
        for one in read {
            let next = kept.get(&one.partition).map_or(one.start, |at| (*at).clamp(one.start, one.end));
            moved.insert(one.partition, next);
            if next > one.start {
                begins.insert(one.partition, next);
            }
        }
        let mut place = Place { client, group, topic: topic.clone(), begins, moved, unsaved: 0 };
        place.save().await?;
        Ok(place)
    }
    /// Where to begin, in the server's form, which takes what it does not name from its first record; none where that is all.
    pub(super) fn cursor(&self) -> Option<String> {
        let pair = |(partition, offset): (&u32, &u64)| format!("{partition}:{offset}");
        let pairs: Vec<_> = self.begins.iter().map(pair).collect();
        (!pairs.is_empty()).then(|| pairs.join(","))
    }
    /// Takes note of a record that was printed.
    pub(super) fn passed(&mut self, line: &str) -> Result<(), Failure> {
        let at: At = serde_json::from_str(line).map_err(|error| {
            Failure::failed(format!("the server sent a record that cannot be read: {error}"))
        })?;
        self.moved.insert(at.partition, at.offset + 1);
        self.unsaved += 1;
        Ok(())
    }
    /// Records that were printed since the server was told.
    pub(super) fn unsaved(&self) -> u64 {
        self.unsaved
    }
    /// Tells the server.
    pub(super) async fn save(&mut self) -> Result<(), Failure> {
        let offset = |(partition, offset): (&u32, &u64)| api::SetOffset {
            topic: self.topic.to_string(),
            partition: Some(*partition),
            to: api::MoveTo::Offset(*offset),
        };
        let offsets: Vec<_> = self.moved.iter().map(offset).collect();
        if !offsets.is_empty() {
            let body = api::SetOffsets { offsets, dry_run: false };
            let path = ["groups", &self.group, "offsets"];
            let _: api::Group = self.client.send(Method::PUT, &path, &body).await?;
        }
        self.moved.clear();
        self.unsaved = 0;
        Ok(())
    }
}
