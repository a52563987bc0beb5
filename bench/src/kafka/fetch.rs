//! A topic read raw: each connection asks for all of its partitions at once, and again as soon as it has its answer. With
//! `--rounds` everything is read again and again.

use super::connection::Connection;
use super::wire::{self, Position};
use super::{Broker, Moved, measure};
use anyhow::Result;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    broker: Broker,
    /// How often everything is read.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let all = options.clone();
    measure(&options.broker, move |share, _| {
        let mut connection = Connection::open(&all.broker.broker)?;
        let mut moved = Moved::default();
        for _ in 0..all.rounds {
            let mut positions: Vec<Position> =
                share.iter().map(|&partition| Position { partition, offset: 0, end: -1 }).collect();
            while positions.iter().any(|position| position.offset != position.end) {
                let answer = connection.ask(&wire::fetch(&all.broker.topic, &positions))?;
                let (records, bytes) = wire::fetched(answer, &mut positions)?;
                moved.records += records;
                moved.bytes += bytes;
            }
        }
        Ok(moved)
    })
}
