//! The contract of `/v1/modules` and `/v1/processors`, with a component that is pushed, deployed, watched and removed.
//! The guest forwards the first record of every batch that it is given.

use crate::common::{Host, body, expect, json_lines, refused};
use crate::kit::Guest;
use potok_http::api::{
    DeployProcessor, Group, Module, ModuleList, Processor, ProcessorState, ProcessorStatus, RecordPage,
    Topic, World,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

fn push(host: &Host, name: &str, component: Vec<u8>) -> RequestBuilder {
    host.ask(Method::PUT, &format!("/v1/modules/{name}"))
        .header("content-type", "application/wasm")
        .body(component)
}

fn other() -> Vec<u8> {
    Guest { pages: "5", ..Guest::default() }.component()
}

#[tokio::test]
async fn a_module_is_its_bytes_and_names_point_at_it() {
    let host = Host::start().await;
    let bytes = Guest::default().component();
    let one: Module = body(push(&host, "a", bytes.clone()), 200).await;
    assert_eq!(
        (one.world, one.version.as_str(), one.size_bytes),
        (World::Processor, "1.2.3", bytes.len() as u64)
    );
    assert_eq!((one.inputs.len(), one.outputs.len(), one.stores.len()), (1, 1, 1));
    let two: Module = body(push(&host, "b", bytes.clone()), 200).await;
    assert_eq!((two.digest == one.digest, two.names), (true, vec!["a".to_owned(), "b".to_owned()]));
    for reference in ["a", &one.digest] {
        let component = expect(host.get(&format!("/v1/modules/{reference}/component")), 200).await;
        assert_eq!(component.headers()["content-type"], "application/wasm");
        assert_eq!(component.bytes().await.unwrap(), bytes);
    }
    let moved: Module = body(push(&host, "a", other()), 200).await;
    assert_ne!(moved.digest, one.digest);
    let list: ModuleList = body(host.get("/v1/modules"), 200).await;
    let names: Vec<_> = list.modules.iter().map(|module| module.names.clone()).collect();
    assert_eq!(names, vec![vec!["a".to_owned()], vec!["b".to_owned()]]);
    expect(host.ask(Method::DELETE, "/v1/modules/b"), 204).await;
    refused(host.get(&format!("/v1/modules/{}", one.digest)), 404, "unknown-module").await;
    expect(host.ask(Method::DELETE, &format!("/v1/modules/{}", moved.digest)), 204).await;
    refused(host.get("/v1/modules/a"), 404, "unknown-module").await;
}

#[tokio::test]
async fn a_module_that_a_processor_runs_stays() {
    let host = with_processor().await;
    refused(host.ask(Method::DELETE, "/v1/modules/guest"), 409, "module-in-use").await;
    let module: Module = body(host.get("/v1/modules/guest"), 200).await;
    assert_eq!(module.used_by, vec!["p".to_owned()]);
    let second = push(&host, "same", Guest::default().component());
    expect(second, 200).await;
    // another name still points at the bytes
    expect(host.ask(Method::DELETE, "/v1/modules/guest"), 204).await;
    refused(host.ask(Method::DELETE, "/v1/modules/same"), 409, "module-in-use").await;
    expect(host.ask(Method::DELETE, "/v1/processors/p"), 204).await;
    expect(host.ask(Method::DELETE, "/v1/modules/same"), 204).await;
}

/// A host with topics `in` and `out`, module `guest` and processor `p`, which has seen one record.
async fn with_processor() -> Host {
    let host = Host::start().await;
    host.topic("in", 1).await;
    host.topic("out", 1).await;
    expect(push(&host, "guest", Guest::default().component()), 200).await;
    let deployed: Processor = body(host.ask(Method::PUT, "/v1/processors/p").json(&spec("guest")), 200).await;
    assert_eq!(
        (deployed.name.as_str(), deployed.group.as_str(), deployed.module.as_deref()),
        ("p", "processor.p", Some("guest"))
    );
    expect(host.produce("/v1/topics/in/records?key=k", "application/json", "\"first\""), 200).await;
    let page: RecordPage = body(host.get("/v1/topics/out/records?wait=20000"), 200).await;
    assert_eq!((page.records[0].value.get(), page.records[0].key.as_deref()), ("\"first\"", Some("k")));
    host
}

fn spec(module: &str) -> DeployProcessor {
    let spec = json!({"module": module, "inputs": ["in"], "outputs": ["out"], "from": "earliest"});
    serde_json::from_value(spec).unwrap()
}

#[tokio::test]
async fn a_processor_is_watched_paused_moved_and_removed() {
    let host = with_processor().await;
    let ask = |verb: &str| host.ask(Method::POST, &format!("/v1/processors/p/{verb}"));
    let status: ProcessorStatus = body(host.get("/v1/processors/p/status"), 200).await;
    assert_eq!((status.state, status.lag, status.tasks.len()), (ProcessorState::Running, 0, 1));
    assert_eq!((status.tasks[0].records_in, status.tasks[0].records_out), (1, 1));
    let text = expect(host.get("/metrics"), 200).await.text().await.unwrap();
    assert!(text.contains("potok_task_records_in_total{processor=\"p\",partition=\"0\"} 1"), "{text}");

    let used: Topic = body(host.get("/v1/topics/in"), 200).await;
    assert_eq!(used.used_by.as_deref(), Some("p"));
    refused(host.ask(Method::DELETE, "/v1/topics/in"), 409, "topic-in-use").await;
    let group: Group = body(host.get("/v1/groups/processor.p"), 200).await;
    assert_eq!((group.positions[0].offset, group.lag), (1, 0));
    let moved = json!({"offsets": [{"topic": "in", "to": "earliest"}]});
    refused(host.ask(Method::PUT, "/v1/groups/processor.p/offsets").json(&moved), 409, "group-in-use").await;

    let reset = || ask("reset").json(&json!({"to": "earliest"}));
    refused(reset(), 409, "processor-running").await;
    let paused: Processor = body(ask("pause"), 200).await;
    assert_eq!(paused.status.state, ProcessorState::Paused);
    expect(reset(), 200).await;
    expect(ask("resume"), 200).await;
    let again: RecordPage = body(host.get("/v1/topics/out/records?offset=1&wait=20000"), 200).await;
    assert_eq!(again.records[0].value.get(), "\"first\"");
    expect(ask("restart"), 200).await;

    let logs = expect(host.get("/v1/processors/p/logs?tail=5"), 200).await;
    assert_eq!(logs.headers()["content-type"], "application/x-ndjson");
    json_lines(&logs.text().await.unwrap());
    expect(host.ask(Method::DELETE, "/v1/processors/p"), 204).await;
    refused(host.get("/v1/processors/p"), 404, "unknown-processor").await;
    expect(host.ask(Method::DELETE, "/v1/topics/in"), 204).await;
}

#[tokio::test]
async fn a_processor_goes_to_another_module_and_back() {
    let host = with_processor().await;
    let newer: Module = body(push(&host, "newer", other()), 200).await;
    let deploy = |module: &str| host.ask(Method::PUT, "/v1/processors/p").json(&spec(module));
    let second: Processor = body(deploy("newer"), 200).await;
    assert_eq!((second.digest == newer.digest, second.generation), (true, 2));
    let first = second.previous_digest.unwrap();
    let back: Processor = body(deploy(&first), 200).await;
    assert_eq!((back.digest == first, back.module), (true, None));
    let list: Value = body(host.get("/v1/processors"), 200).await;
    assert_eq!(list["processors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_deployment_that_does_not_fit_is_refused() {
    let host = with_processor().await;
    let deploy = |change: &dyn Fn(&mut Value)| {
        let mut asked = serde_json::to_value(spec("guest")).unwrap();
        change(&mut asked);
        host.ask(Method::PUT, "/v1/processors/q").json(&asked)
    };
    refused(deploy(&|spec| spec["inputs"] = json!(["none"])), 404, "unknown-topic").await;
    refused(deploy(&|spec| spec["outputs"] = json!([])), 422, "illegal-deployment").await;
    refused(deploy(&|spec| spec["module"] = json!("none")), 404, "unknown-module").await;
    refused(deploy(&|spec| spec["limits"]["deadline_ms"] = json!(0)), 422, "illegal-deployment").await;
}
