//! Hostile guests beside a well-behaved processor and HTTP clients: each misdeed meets its limit again and again, and the neighbours
//! get everything done meanwhile. How much slower they become is measured by `potok-bench neighbours`; here nothing is timed.

use potok_tests::server::{Server, until};
use serde_json::{Value, json};

/// Each misdeed of the guest, and the kind of failure that the host must see in it; none where it is no failure of a record.
const MISDEEDS: &[(&str, Option<&str>)] = &[
    ("spin", Some("deadline")),
    ("recurse", Some("trap")),
    ("allocate", Some("memory")),
    ("trap", Some("trap")),
    ("log", None),
    ("send", Some("contract")),
];
const REQUESTS: u64 = 100;
const REQUEST_RECORDS: u64 = 20;

async fn hostile(server: &Server) {
    for (misdeed, _) in MISDEEDS {
        let (input, output) = (format!("in-{misdeed}"), format!("out-{misdeed}"));
        server.topic(&input, 1).await;
        server.topic(&output, 1).await;
        let records: Vec<u64> = (0..5_000).collect();
        server.send(server.produce(&input, "acks=1", &json!(records))).await;
        // one that sends has memory enough to break the limit of what a call returns
        let memory = if *misdeed == "send" { 256 << 20 } else { 64 << 20 };
        let limits = json!({"deadline_ms": 100, "memory_bytes_max": memory});
        let spec = json!({"config": {"misdeed": misdeed}, "on_failure": "skip", "limits": limits});
        server.deploy(misdeed, "hostile", &input, &output, spec).await;
    }
}

/// What the only task of a processor says of itself.
async fn task(server: &Server, name: &str) -> Value {
    server.get(&format!("/v1/processors/{name}/status")).await["tasks"][0].clone()
}

#[tokio::test]
async fn neighbours_of_hostile_guests_get_everything_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    hostile(&server).await;
    server.topic("in", 1).await;
    server.topic("out", 1).await;
    server.deploy("good", "rekey", "in", "out", json!({"config": {"column": 1}})).await;
    for (misdeed, kind) in MISDEEDS {
        let begun = async || match kind {
            Some(kind) => task(&server, misdeed).await["last_failure"]["kind"] == json!(kind),
            None => task(&server, misdeed).await["records_in"].as_u64() > Some(0),
        };
        until(&format!("{misdeed} is under way, and the host names it {kind:?}"), begun).await;
    }
    for request in 0..REQUESTS {
        let lines: Vec<String> = (0..REQUEST_RECORDS).map(|n| format!("{request}.{n},x")).collect();
        server.send(server.produce("in", "", &json!(lines))).await;
    }
    server.drained("good", 1).await;
    let out = server.partition("out", 0).await;
    assert_eq!(out.len() as u64, REQUESTS * REQUEST_RECORDS);
    assert_eq!(server.get("/health").await["status"], "good");
    for (misdeed, _) in MISDEEDS {
        let states = ["running", "retrying"].map(|state| json!(state));
        assert!(states.contains(&task(&server, misdeed).await["state"]), "{misdeed}: the host gave up");
    }
}
