//! What the server says of itself: health, metrics, the OpenAPI document; and modules and processors that are not there.

use crate::common::{Host, body, expect, refused};
use potok_http::api::{Health, HealthStatus, Info, ModuleList, ProcessorList};
use potok_http::{Server, Settings};
use potok_log::{FailingLog, Fault, Faults, Log, MemoryLog};
use potok_types::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn it_says_what_it_is_and_that_it_is_well() {
    let host = Host::start().await;
    let info: Info = body(host.get("/v1/info"), 200).await;
    // the topic of the guests' log lines may be there already, or not yet
    assert!(info.topics <= 1, "{}", info.topics);
    assert_eq!((info.name.as_str(), info.processors), ("potok", 0));
    for path in ["/health", "/ready"] {
        let health: Health = body(host.get(path), 200).await;
        assert_eq!((health.status, health.reason), (HealthStatus::Good, None));
    }
}

#[tokio::test]
async fn whoever_asks_for_nothing_is_told_where_to_go() {
    let host = Host::start().await;
    let door: Value = body(host.get("/"), 200).await;
    for path in door["paths"].as_object().unwrap().keys() {
        expect(host.get(path), 200).await;
    }
}

/// A log over memory whose failures stay, as a real one's do, and a host over it with a topic of one record.
async fn failing() -> (Arc<FailingLog>, Host) {
    let faults = Faults { sticky: true, ..Faults::NONE };
    let log = FailingLog::new(MemoryLog::new(SystemClock::shared()), 1, faults);
    let host = Host::over(log.clone(), |_| {}).await;
    // the processors' room makes the topic of log lines when it starts, and then writes nothing of its own
    while log.topics().is_empty() {
        tokio::task::yield_now().await;
    }
    host.topic("t", 1).await;
    expect(host.produce("/v1/topics/t/records", "application/json", "1"), 200).await;
    (log, host)
}

#[tokio::test]
async fn after_a_failed_write_or_sync_writes_are_refused_with_the_first_reason_and_reads_go_on() {
    // a write of which nothing was done, and one that was done and could not be synced
    for (fault, there) in [(Fault::Refused, 1), (Fault::Lost, 2)] {
        let (log, host) = failing().await;
        let write = || host.produce("/v1/topics/t/records?acks=all", "application/json", "2");
        log.fail_write(log.writes(), fault);
        refused(write(), 500, "storage-failed").await;
        let first: Health = body(host.get("/health"), 503).await;
        let reason = first.reason.clone().unwrap();
        assert_eq!(first.status, HealthStatus::WritesRefused);
        assert!(reason.contains(&format!("{fault:?}")), "{reason}");
        let said = refused(write(), 503, "writes-refused").await;
        assert!(said.detail.contains(&reason), "{} lacks {reason}", said.detail);
        refused(host.ask(Method::POST, "/v1/topics").json(&json!({"name": "u"})), 503, "writes-refused")
            .await;
        assert_eq!(body::<Health>(host.get("/ready"), 503).await, first);
        assert_eq!(body::<Health>(host.get("/health"), 503).await, first, "the first reason stays");
        assert_eq!(host.values("t").await.len(), there, "what is there is read");
        let metrics = expect(host.get("/metrics"), 200).await.text().await.unwrap();
        assert!(metrics.contains("potok_log_writable 0"));
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    expect(host.produce("/v1/topics/t/records", "application/json", "[1,2,3]"), 200).await;
    host.values("t").await;
    let text = expect(host.get("/metrics"), 200).await.text().await.unwrap();
    for line in [
        "potok_http_produced_records_total{topic=\"t\"} 3",
        "potok_http_consumed_records_total{topic=\"t\"} 3",
        "potok_http_requests_total{method=\"POST\",route=\"/v1/topics/{topic}/records\",status=\"200\"} 1",
        "potok_log_appended_records_total{topic=\"t\"} 3",
        "potok_log_partitions{topic=\"t\"} 2",
        "potok_log_writable 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.contains("process_resident_memory_bytes ") && text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[tokio::test]
async fn the_document_describes_every_operation_and_its_problems() {
    let host = Host::start().await;
    let document: Value = body(host.get("/openapi.json"), 200).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    let mut operations = 0;
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let problem =
                &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path} says nothing");
        }
    }
    assert!(operations >= 30, "{operations} operations");
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name} is named and not there");
    }
}

#[tokio::test]
async fn an_upload_that_is_no_module_is_refused_and_nothing_is_kept() {
    let host = Host::with(|settings| settings.module_bytes_max = 4096).await;
    let push = |name: &str, bytes: Vec<u8>| {
        host.ask(Method::PUT, &format!("/v1/modules/{name}"))
            .header("content-type", "application/wasm")
            .body(bytes)
    };
    refused(push("m", b"no wasm at all".to_vec()), 422, "module-refused").await;
    refused(push("m", vec![0; 5000]), 413, "body-too-large").await;
    refused(push("a%20b", vec![]), 400, "illegal-name").await;
    refused(push(&"0".repeat(64), vec![]), 400, "illegal-query").await;
    refused(
        host.ask(Method::PUT, "/v1/modules/m").header("content-type", "text/plain").body("x"),
        415,
        "unsupported-content-type",
    )
    .await;
    assert_eq!(body::<ModuleList>(host.get("/v1/modules"), 200).await.modules, vec![]);
    refused(host.get("/v1/modules/m"), 404, "unknown-module").await;
    refused(host.get("/v1/modules/m/component"), 404, "unknown-module").await;
    refused(host.ask(Method::DELETE, "/v1/modules/m"), 404, "unknown-module").await;
}

#[tokio::test]
async fn a_processor_that_is_not_there_or_cannot_be_is_refused() {
    let host = Host::start().await;
    host.topic("in", 1).await;
    assert_eq!(body::<ProcessorList>(host.get("/v1/processors"), 200).await.processors, vec![]);
    let deploy = |spec: Value| host.ask(Method::PUT, "/v1/processors/p").json(&spec);
    refused(deploy(json!({"module": "none", "inputs": ["in"], "outputs": []})), 404, "unknown-module").await;
    refused(deploy(json!({"module": "m", "inputs": ["a b"]})), 400, "illegal-name").await;
    refused(deploy(json!({"module": "m", "inputs": ["in"], "limit": {}})), 400, "illegal-body").await;
    refused(deploy(json!({"module": "m", "inputs": ["in"], "config": 1})), 400, "illegal-body").await;
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/status"),
        (Method::GET, "/logs"),
        (Method::DELETE, ""),
        (Method::POST, "/pause"),
        (Method::POST, "/resume"),
        (Method::POST, "/restart"),
    ] {
        refused(host.ask(method, &format!("/v1/processors/p{path}")), 404, "unknown-processor").await;
    }
    let reset = host.ask(Method::POST, "/v1/processors/p/reset").json(&json!({"to": "earliest"}));
    refused(reset, 404, "unknown-processor").await;
}

#[tokio::test]
async fn a_backup_needs_a_folder_and_a_taken_port_is_named() {
    let host = Host::start().await;
    let backup = host.ask(Method::POST, "/v1/backups").json(&json!({"name": "b"}));
    refused(backup, 403, "backups-off").await;
    let taken = Settings { listen: host.address, ..Settings::default() };
    let components = crate::common::components(&host);
    let error = Server::bind(taken, components).unwrap_err().to_string();
    assert!(error.contains(&host.address.to_string()), "{error}");
}
