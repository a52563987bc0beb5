//! What the server says of itself: health, metrics, the OpenAPI document; and modules and processors that are not there.

use crate::common::{Host, body, expect, refused};
use potok_http::api::{Health, HealthStatus, Info, ModuleList, ProcessorList};
use potok_http::{Server, Settings};
use reqwest::Method;
use serde_json::{Value, json};

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
