//! Comparisons: Potok against its peers and its limits, as ratios of one run. `bench/RESULTS.md` keeps the figures.
//! Nothing here is a test: a slow machine makes a small figure, not a failure.

mod http;
mod kafka;
mod neighbours;
mod processor;
mod start;
mod stats;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "potok-bench", about = "Measures Potok; prints ratios")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Produce and consume over HTTP, from RocksDB and from memory.
    Http(http::Options),
    /// A raw client of Kafka's protocol, against a broker that is up.
    #[command(subcommand)]
    Kafka(kafka::What),
    /// What hostile guests cost their neighbours: of the real binary.
    Neighbours(neighbours::Options),
    /// Records through a processor, log to log, in this process.
    Processor(processor::Options),
    /// Start to first answer, idle memory, many partitions, upload to first record: of the real binary.
    Start(start::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Http(options) => http::run(options).await,
        What::Kafka(what) => kafka::run(what),
        What::Neighbours(options) => neighbours::run(options).await,
        What::Processor(options) => processor::run(options).await,
        What::Start(options) => start::run(options).await,
    }
}
