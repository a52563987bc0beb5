//! The registry over a folder: what is pushed is there after a restart, what is damaged is compiled anew or named, what is refused
//! leaves nothing, and modules that are not used give way.
#![allow(clippy::unwrap_used, reason = "helpers of a test panic as the test does")]

mod kit;

use kit::{Guest, limits, plugins, push, records, setup};
use potok_plugin::{
    Body, CallError, InstantiateError, Outcome, Plugins, PushError, RemoveError, Settings, TimerClock,
    TimerRequest, WorldKind,
};
use potok_types::{Digest, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}
/// Opens the registry again, as after a restart.
fn reopened(folder: &Path) -> Plugins {
    Plugins::open(Settings::default(), folder).unwrap()
}
async fn answer(plugins: &Plugins, digest: Digest) -> Result<Outcome, InstantiateError> {
    let port = Arc::new(kit::Memory::default());
    let mut instance = plugins.instantiate(digest, port, limits(), 1, &[]).await?;
    instance.open(&setup()).await.unwrap();
    Ok(instance.process(0, 0, &records(2)).await.unwrap())
}

#[tokio::test]
async fn a_module_is_what_it_says_it_is() {
    let (_folder, plugins) = plugins();
    let bytes = Guest::default().component();
    let info = plugins.push(bytes.clone().into()).await.unwrap();
    assert_eq!((info.world, info.size), (WorldKind::Processor, bytes.len() as u64));
    assert_eq!((info.description.name.as_str(), info.description.version.as_str()), ("guest", "1.2.3"));
    assert_eq!(info.description.stores[0].name, "main");
    assert_eq!(plugins.component_bytes(info.digest).await.unwrap().unwrap(), bytes);
    assert_eq!(plugins.modules(), std::slice::from_ref(&info));
    assert!(plugins.check_config(info.digest, &serde_json::json!([])).is_err());
    assert!(plugins.check_config(info.digest, &serde_json::json!({"any": 1})).is_ok());
}
#[tokio::test]
async fn the_same_bytes_twice_are_one_module() {
    let (folder, plugins) = plugins();
    let bytes = bytes::Bytes::from(Guest::default().component());
    let (one, two) = tokio::join!(plugins.push(bytes.clone()), plugins.push(bytes));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(files(folder.path(), ".wasm").len(), 1);
}
#[tokio::test]
async fn an_upload_whose_caller_goes_away_leaves_nothing() {
    let (folder, plugins) = plugins();
    let bytes = bytes::Bytes::from(Guest::default().component());
    tokio::select! {
        biased;
        _ = plugins.push(bytes.clone()) => panic!("it takes its time"),
        () = tokio::task::yield_now() => (),
    }
    // one upload at a time: this one is judged after the other
    let other = Guest { more: "(global i32 (i32.const 1))", ..Guest::default() };
    push(&plugins, &other).await.unwrap();
    assert_eq!((plugins.modules().len(), files(folder.path(), ".wasm").len()), (1, 1));
}
#[tokio::test]
async fn a_restart_finds_every_module_ready() {
    let (folder, plugins) = plugins();
    let digest = push(&plugins, &Guest::default()).await.unwrap();
    let before = plugins.modules();
    drop(plugins);
    let written = fs::metadata(&files(folder.path(), ".cwasm")[0]).unwrap().modified().unwrap();
    let plugins = reopened(folder.path());
    assert_eq!(plugins.modules(), before);
    assert_eq!(answer(&plugins, digest).await.unwrap().covered, 2);
    let now = fs::metadata(&files(folder.path(), ".cwasm")[0]).unwrap().modified().unwrap();
    assert_eq!(now, written, "its code was compiled again");
}
#[tokio::test]
async fn code_that_is_missing_stale_or_damaged_is_compiled_anew() {
    let (folder, plugins) = plugins();
    let digest = push(&plugins, &Guest::default()).await.unwrap();
    drop(plugins);
    let flipped = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let cut = |path: &Path| fs::write(path, &fs::read(path).unwrap()[..100]).unwrap();
    let stale = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().replace(&digest.to_string(), "");
        let crc = name.rsplit('.').nth(1).unwrap();
        fs::rename(path, path.with_file_name(format!("{digest}.0000000000000000.{crc}.cwasm"))).unwrap();
    };
    let gone = |path: &Path| fs::remove_file(path).unwrap();
    let harms: [&dyn Fn(&Path); 4] = [&flipped, &cut, &stale, &gone];
    for harm in harms {
        harm(&files(folder.path(), ".cwasm")[0]);
        assert_eq!(answer(&reopened(folder.path()), digest).await.unwrap().covered, 2);
        assert_eq!(files(folder.path(), ".cwasm").len(), 1);
    }
}
#[tokio::test]
async fn a_damaged_component_is_named_and_mended_by_pushing_it_again() {
    let (folder, plugins) = plugins();
    let bytes = Guest::default().component();
    let digest = plugins.push(bytes.clone().into()).await.unwrap().digest;
    drop(plugins);
    fs::remove_file(&files(folder.path(), ".cwasm")[0]).unwrap();
    let component = files(folder.path(), ".wasm").remove(0);
    let mut damaged = fs::read(&component).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&component, damaged).unwrap();
    let plugins = reopened(folder.path());
    let error = answer(&plugins, digest).await.unwrap_err();
    assert!(matches!(&error, InstantiateError::Damaged { .. }), "{error}");
    assert!(plugins.component_bytes(digest).await.is_err());
    plugins.push(bytes.into()).await.unwrap();
    assert_eq!(answer(&plugins, digest).await.unwrap().covered, 2);
}
#[tokio::test]
async fn what_is_removed_is_gone_and_what_runs_of_it_runs_on() {
    let (folder, plugins) = plugins();
    let digest = push(&plugins, &Guest::default()).await.unwrap();
    let (_, mut instance) = kit::start(&plugins, digest).await;
    plugins.remove(digest).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(instance.process(0, 0, &records(2)).await.unwrap().covered, 2);
    assert!(matches!(answer(&plugins, digest).await, Err(InstantiateError::Unknown(_))));
    assert!(matches!(plugins.remove(digest).await, Err(RemoveError::Unknown(_))));
}
#[tokio::test]
async fn modules_that_are_not_used_give_way() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = Plugins::open(Settings { modules_ready_max: 2 }, folder.path()).unwrap();
    let stores = ["", "(global i32 (i32.const 1))", "(global i32 (i32.const 2))"];
    let mut digests = Vec::new();
    for more in stores {
        digests.push(push(&plugins, &Guest { more, ..Guest::default() }).await.unwrap());
    }
    for digest in digests.iter().chain(&digests) {
        assert_eq!(answer(&plugins, *digest).await.unwrap().covered, 2);
    }
}
#[tokio::test]
async fn an_upload_that_is_refused_leaves_nothing() {
    let (folder, plugins) = plugins();
    let whole = Guest::default().component();
    let core = wat::parse_str("(module)").unwrap();
    let gibibyte = vec![0; 1 << 30];
    let cut = whole[..whole.len() / 2].to_vec();
    for (bytes, reason) in [
        (b"not wasm".to_vec(), "no WebAssembly"),
        (core, "core WebAssembly module"),
        (cut, "cut off"),
        (gibibyte, "too large"),
    ] {
        let error = plugins.push(bytes.into()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
#[tokio::test]
async fn every_flipped_byte_of_a_component_is_judged_without_harm() {
    let (_folder, plugins) = plugins();
    let whole = Guest::default().component();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        match plugins.push(bytes.into()).await {
            Ok(_) | Err(PushError::Describe(_) | PushError::Description(_)) => (),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}
#[tokio::test]
async fn a_component_of_the_right_names_and_the_wrong_shape_is_refused() {
    let (_folder, plugins) = plugins();
    let bytes = wat::parse_str(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $p (export "describe" (func $f)))
            (export "potok:plugin/processor@0.1.0" (instance $p)))"#,
    );
    let error = plugins.push(bytes.unwrap().into()).await.unwrap_err();
    assert!(matches!(&error, PushError::Shape(text) if text.contains("open")), "{error}");
    let bytes = wat::parse_str(
        r#"(component
            (import "potok:plugin/time@0.1.0" (instance (export "now" (func (result string)))))
            (instance $p)
            (export "potok:plugin/processor@0.1.0" (instance $p)))"#,
    );
    let error = plugins.push(bytes.unwrap().into()).await.unwrap_err();
    assert!(matches!(&error, PushError::Shape(text) if text.contains("now")), "{error}");
}
#[tokio::test]
async fn threads_and_shared_memory_are_refused() {
    let (_folder, plugins) = plugins();
    let waits = Guest {
        process: "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) unreachable",
        ..Guest::default()
    };
    // `wit-component` validates with every proposal on, so that this reaches the registry.
    let error = push(&plugins, &waits).await.unwrap_err();
    assert!(matches!(&error, PushError::Malformed(text) if text.contains("threads")), "{error}");
}
#[tokio::test]
async fn records_headers_and_timers_reach_the_guest_whole() {
    let (_folder, plugins) = plugins();
    // Traps unless record 1 has key "k", no value, one header, and the batch is of partition 9 of input 4.
    let process = r#"
        (if (i32.ne (i32.load (local.get $batch)) (i32.const 4)) (then unreachable))
        (if (i32.ne (i32.load offset=4 (local.get $batch)) (i32.const 9)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.load offset=24 (local.get $batch))) (i32.const 107)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.load offset=64 (local.get $batch))) (i32.const 2)) (then unreachable))
        (if (i32.ne (i32.load8_u offset=72 (local.get $batch)) (i32.const 1)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.load offset=84 (local.get $batch))) (i32.const 104)) (then unreachable))
        (i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 2)) (i32.const 4096)"#;
    // Traps unless there are two timers, the second of the wall clock at 77.
    let on_timers = "
        (if (i32.ne (local.get $len) (i32.const 2)) (then unreachable))
        (if (i32.ne (i32.load8_u offset=32 (local.get $due)) (i32.const 1)) (then unreachable))
        (if (i64.ne (i64.load offset=40 (local.get $due)) (i64.const 77)) (then unreachable))
        (i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 2)) (i32.const 4096)";
    let digest = push(&plugins, &Guest { process, on_timers, ..Guest::default() }).await.unwrap();
    let (_, mut instance) = kit::start(&plugins, digest).await;
    let mut batch = records(0);
    let header: [(&[u8], Option<&[u8]>); 1] = [(b"h", Some(b"v"))];
    let at = potok_types::Offset::FIRST;
    batch.push(at, Timestamp(1), Some(b"k"), Some(b"v"), std::iter::empty());
    batch.push(at.after(1), Timestamp(2), Some(b"k"), None, header.into_iter());
    assert_eq!(instance.process(4, 9, &batch).await.unwrap().covered, 2);
    let due = |clock, at| TimerRequest { clock, at: Timestamp(at), key: "k".into(), payload: "p".into() };
    let due = [due(TimerClock::Event, 1), due(TimerClock::Wall, 77)];
    assert_eq!(instance.on_timers(&due).await.unwrap().covered, 2);
    instance.close().await;
    assert!(matches!(instance.process(4, 9, &batch).await, Err(CallError::Trap(_))));
}
#[tokio::test]
async fn a_hundred_thousand_calls_leave_memory_where_it_was() {
    let (_folder, plugins) = plugins();
    let digest = push(&plugins, &Guest::default()).await.unwrap();
    let (_, mut instance) = kit::start(&plugins, digest).await;
    let batch = records(2);
    instance.process(0, 0, &batch).await.unwrap();
    let before = instance.memory_bytes();
    for _ in 0..100_000 {
        let outcome = instance.process(0, 0, &batch).await.unwrap();
        assert!(matches!(outcome.emitted[0].body, Body::Forward(_)));
    }
    assert_eq!(instance.memory_bytes(), before);
    assert!(!instance.wants_replacement());
}
