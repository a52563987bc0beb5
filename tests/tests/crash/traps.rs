//! Records that trap whoever reads them, and a server that is killed while it finds them one by one.
//! Invariant: each of them is a dead letter, exactly once.

use potok_tests::server::Server;
use serde_json::{Value, json};

const TOPIC: &str = "mines";
/// Requests of a run, so few that the halving of batches keeps up with them.
const REQUESTS: u64 = 10;
const REQUEST_RECORDS: u64 = 20;

pub(super) async fn set_up(server: &Server) {
    server.topic(TOPIC, 1).await;
    server.topic("behind-mines", 1).await;
    server.deploy("trapped", "hostile", TOPIC, "behind-mines", json!({"config": {"misdeed": "trap"}})).await;
}

/// Sends records until there are enough or the server is gone.
pub(super) async fn lay(base: String, http: reqwest::Client, run: u64) {
    for request in 0..REQUESTS {
        let first = (run * REQUESTS + request) * REQUEST_RECORDS;
        let values: Vec<u64> = (first..first + REQUEST_RECORDS).collect();
        if http.post(format!("{base}/v1/topics/{TOPIC}/records?acks=1")).json(&values).send().await.is_err() {
            return;
        }
    }
}

pub(super) async fn check(server: &Server) {
    server.drained("trapped", 1).await;
    let values =
        |records: Vec<Value>| records.iter().map(|record| record["value"].clone()).collect::<Vec<_>>();
    let sent = values(server.partition(TOPIC, 0).await);
    if !sent.is_empty() {
        let letters = values(server.partition("trapped.dead-letter", 0).await);
        assert_eq!(letters, sent, "not every record is a dead letter, once and in order");
    }
    assert_eq!(server.partition("behind-mines", 0).await.len(), 0);
}
