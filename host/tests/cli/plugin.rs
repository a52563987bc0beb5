//! From nothing to a deployed module by the commands of the project's own README.

use crate::server::{Ended, Server, potok};
use serde_json::{Value, json};
use std::path::Path;

/// Runs `potok` in the project. Its build products are kept between runs, apart from ours.
#[track_caller]
fn project(folder: &Path, words: &[&str]) -> Ended {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-target");
    Ended::of(potok().args(words).current_dir(folder).env("CARGO_TARGET_DIR", target).output().unwrap())
}

#[track_caller]
fn ok(ended: Ended) -> String {
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    ended.out
}

#[test]
fn a_new_project_is_built_tried_pushed_and_deployed() {
    let home = tempfile::tempdir().unwrap();
    ok(project(
        home.path(),
        &[
            "plugin",
            "new",
            "temperature-alarms",
            "--language",
            "rust",
            "--kind",
            "processor",
            "--description",
            SUMMARY,
        ],
    ));
    let folder = home.path().join("temperature-alarms");

    let report = ok(project(&folder, &["plugin", "test", "--input", "records.ndjson", "--output", "json"]));
    let report: Value = serde_json::from_str(&report).unwrap();
    let alarms: Vec<_> = report["outputs"]["alarms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["value"].clone())
        .collect();
    assert_eq!(
        alarms,
        [
            json!({ "sensor": "attic", "celsius": 31.5, "count": 1 }),
            json!({ "sensor": "attic", "celsius": 33.0, "count": 2 }),
        ]
    );
    assert_eq!(report["refused"].as_array().unwrap().len(), 1);
    assert_eq!(report["state"], json!([{ "store": "counts", "partition": 0, "key": "attic", "value": 2 }]));

    let lower =
        ["plugin", "test", "--input", "records.ndjson", "--config", "limit_celsius=20", "--partitions", "2"];
    let page = ok(project(&folder, &lower));
    assert!(page.contains("5 records in, 3 out, 1 refused"), "{page}");
    assert!(page.contains("PARTITION  OFFSET  TIMESTAMP"), "{page}");
    let wrong = project(&folder, &["plugin", "test", "--input", "records.ndjson", "--config", "limit=20"]);
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(wrong.err.contains(UNKNOWN_CONFIG), "{wrong:?}");

    let built = ok(project(&folder, &["plugin", "build", "--output", "json"]));
    let built: Value = serde_json::from_str(&built).unwrap();
    let wasm = folder.join(built["file"].as_str().unwrap());
    deploy(&Server::start(), wasm.to_str().unwrap(), built["digest"].as_str().unwrap());
}

/// Of `--config limit=20`.
const UNKNOWN_CONFIG: &str =
    "it knows no \"limit\"; did you mean \"limit_celsius\"? it takes \"limit_celsius\"";
const SUMMARY: &str = "Raises \"alarms\"";

fn deploy(server: &Server, wasm: &str, digest: &str) {
    server.ok(&["topic", "create", "readings", "--partitions", "2"]);
    server.ok(&["topic", "create", "alarms", "--partitions", "2"]);
    assert!(server.ok(&["module", "push", "temperature-alarms", wasm]).contains(digest));
    let module = server.json(&["module", "inspect", "temperature-alarms"]);
    assert_eq!((&module["digest"], &module["summary"]), (&digest.into(), &SUMMARY.into()));
    let words = [
        "processor",
        "deploy",
        "alarms",
        "--module",
        "temperature-alarms",
        "--input",
        "readings",
        "--output",
        "alarms",
    ];
    let misspelt = server.run(&[&words[..], &["--config", "limit=10"]].concat());
    assert!(misspelt.err.contains(UNKNOWN_CONFIG), "{misspelt:?}");
    assert!(misspelt.err.ends_with("potok module inspect temperature-alarms\n"), "{misspelt:?}");
    server.ok(&["topic", "delete", "alarms"]);
    let missing = server.run(&words);
    assert!(
        missing.err.ends_with("\n  create it: potok topic create alarms --partitions 2\n"),
        "{missing:?}"
    );
    server.ok(&["topic", "create", "alarms", "--partitions", "2"]);
    server.ok(&[&words[..], &["--from", "earliest", "--config", "limit_celsius=10"]].concat());
    let reading = "{\"sensor\":\"attic\",\"celsius\":35}\n";
    assert_eq!(server.run_with(&["produce", "readings", "--key", "attic"], reading).code, 0);
    let mut follow = server.command(&["consume", "alarms", "--from-beginning", "--follow", "--count", "1"]);
    assert_eq!(
        Ended::of(follow.output().unwrap()).out,
        "{\"sensor\":\"attic\",\"celsius\":35.0,\"count\":1}\n"
    );
    let said = server.ok(&words);
    assert!(
        said.contains("changed config: {\"limit_celsius\":10} -> {}"),
        "what a second deployment drops is said: {said}"
    );
    server.ok(&[&words[..], &["--config", "limit_celsius=10"]].concat());
    let reader = server.run(&["consume", "readings", "--group", "processor.alarms"]);
    assert!(reader.code == 4 && reader.out.is_empty(), "a processor's group is its own: {reader:?}");
    assert!(server.ok(&["processor", "list"]).contains("alarms"));
    assert_eq!(server.json(&["processor", "describe", "alarms"])["config"]["limit_celsius"], 10);
    assert_eq!(server.run(&["processor", "reset", "alarms", "--to", "earliest"]).code, 4);
    server.ok(&["processor", "pause", "alarms"]);
    server.ok(&["processor", "reset", "alarms", "--to", "earliest"]);
    server.ok(&["processor", "resume", "alarms"]);
    let silent = server.run(&["processor", "logs", "alarms"]);
    assert!(silent.err.contains("has logged nothing") == silent.out.is_empty(), "{silent:?}");
    assert_eq!(server.run(&["module", "delete", "temperature-alarms"]).code, 4);
    assert_eq!(server.ok(&["processor", "delete", "alarms"]), "deleted processor alarms\n");
    server.ok(&["module", "delete", "temperature-alarms"]);
}
