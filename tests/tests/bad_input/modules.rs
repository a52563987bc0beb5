//! Uploads that are no module of this host: the command says what each is and what to do, and nothing of it is kept.

use potok_tests::guests::built_guest;
use potok_tests::server::{Server, run};
use serde_json::json;
use std::fs;

/// A component that imports and exports instances with nothing in them.
fn component(import: Option<&str>, export: &str) -> Vec<u8> {
    let imported = import.map(|name| format!("(import \"{name}\" (instance))")).unwrap_or_default();
    let index = usize::from(import.is_some());
    wat::parse_str(format!("(component {imported} (instance) (export \"{export}\" (instance {index})))"))
        .unwrap()
}

#[tokio::test]
async fn an_upload_that_is_no_module_is_refused_in_a_sentence_and_nothing_is_kept() {
    const PROCESSOR: &str = "potok:plugin/processor@0.1.0";
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let whole = built_guest("rekey");
    let file = folder.path().join("upload.wasm");
    let uploads: [(&str, Vec<u8>, [&str; 2]); 9] = [
        ("empty", vec![], ["empty", "push the .wasm file"]),
        ("text", b"#!/bin/sh\n".to_vec(), ["no WebAssembly", "push the .wasm file"]),
        ("core", wat::parse_str("(module)").unwrap(), ["core WebAssembly module", "potok plugin build"]),
        ("cut", whole[..whole.len() / 2].to_vec(), ["cut off", "push the whole file"]),
        (
            "world",
            component(None, "wasi:cli/run@0.2.0"),
            ["exports wasi:cli/run@0.2.0", "a plugin exports one of"],
        ),
        (
            "newer",
            component(None, "potok:plugin/processor@0.9.0"),
            ["this host knows potok:plugin at 0.1.0", "update the host"],
        ),
        (
            "import",
            component(Some("acme:db/query@1.0.0"), PROCESSOR),
            ["imports acme:db/query@1.0.0", "provided are"],
        ),
        ("shape", component(None, PROCESSOR), ["does not fit the interface", "build it with the SDK"]),
        (
            "flipped",
            whole.iter().map(|byte| byte ^ 0x10).collect(),
            ["no WebAssembly", "push the .wasm file"],
        ),
    ];
    for (name, bytes, words) in uploads {
        fs::write(&file, bytes).unwrap();
        let (code, out, err) =
            run(&["module", "push", name, file.to_str().unwrap(), "--server", &server.base]);
        assert_eq!((code, out.as_str()), (Some(4), ""), "{name}: {err}");
        assert!(words.iter().all(|word| err.contains(word)), "{name}: {err}");
    }
    assert_eq!(server.get("/v1/modules").await["modules"], json!([]));
    assert_eq!(
        fs::read_dir(folder.path().join("modules")).unwrap().count(),
        0,
        "a file of a refused upload is left"
    );
}
