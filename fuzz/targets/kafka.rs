//! Requests of Kafka's protocol, from the bytes behind their length to the bytes of their answer: shape, codec, handler, over a
//! log in memory. Whatever the bytes: no panic, no memory by what a length claims, and an answer is framed as it says and
//! belongs to its request. An input is several requests to one server, so that one finds what another made.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use potok_coordinator::Coordinator;
use potok_fuzz::Input;
use potok_kafka::{Components, InProcess, Settings};
use potok_log::{Log, MemoryLog, NewTopic};
use potok_types::{Clock, ManualClock, Timestamp};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

/// Requests of one input; more bytes are more of the same.
const REQUESTS_MAX: usize = 16;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"))
});

fuzz_target!(init: potok_fuzz::write_seeds_if_asked(potok_fuzz::kafka_seeds), |data: &[u8]| {
    RUNTIME.block_on(async {
        let server = server().await;
        let mut input = Input(data);
        for _ in 0..REQUESTS_MAX {
            let request = input.part();
            if let Some(answer) = server.handle(BytesMut::from(request)).await {
                let (framed, rest) = answer.split_at(4);
                assert_eq!(framed, u32::try_from(rest.len()).unwrap_or(0).to_be_bytes(), "a wrong length");
                assert_eq!(rest[..4], request[4..8], "the answer to something else");
            }
            if input.0.is_empty() {
                break;
            }
        }
    });
});

/// A server with one topic.
async fn server() -> InProcess {
    let clock: Arc<dyn Clock> = ManualClock::at(Timestamp(1_500_000_000_000));
    let log: Arc<dyn Log> = MemoryLog::new(Arc::clone(&clock));
    let topic = NewTopic { name: name(), partitions: 2, config: Vec::new() };
    assert!(log.create_topic(topic).await.is_ok());
    let rooms = potok_coordinator::Components {
        log: Arc::clone(&log),
        clock: Arc::clone(&clock),
        of_processor: Arc::new(|_| false),
    };
    let coordinator = Coordinator::open(potok_coordinator::Settings::default(), rooms);
    let coordinator = coordinator.unwrap_or_else(|error| panic!("an empty log does not open: {error}"));
    let folder = PathBuf::from("/");
    let components = Components { log, coordinator, clock, folder, cluster_id: "fuzz".to_owned() };
    InProcess::new(Settings::default(), components).unwrap_or_else(|error| panic!("no server: {error}"))
}

fn name() -> potok_types::TopicName {
    "t".parse().unwrap_or_else(|error| panic!("no name: {error}"))
}
