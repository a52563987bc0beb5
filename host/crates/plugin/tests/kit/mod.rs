//! Makes guests out of WebAssembly text, one function changed at a time, and a port that remembers what they did.
//! The guests are written against the canonical ABI by hand, so that they can lie in ways that no toolchain lets them.
#![allow(dead_code, reason = "each suite uses its part of the kit")]

use parking_lot::Mutex;
use potok_plugin::{
    Instance, InstanceSettings, LogLevel, Plugins, PortError, PushError, ScanPage, ScanRange, Settings,
    TaskPort, TaskSetup, TimerClock, TimerRequest,
};
use potok_types::{Column, Digest, Offset, RecordColumns, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// A guest whose every function behaves, until one of them is replaced.
pub(crate) struct Guest {
    /// Core imports and globals, before everything else.
    pub(crate) imports: &'static str,
    /// More definitions.
    pub(crate) more: &'static str,
    /// Pages of memory: `initial` or `initial maximum`.
    pub(crate) pages: &'static str,
    pub(crate) describe: &'static str,
    pub(crate) open: &'static str,
    pub(crate) process: &'static str,
    pub(crate) on_timers: &'static str,
    /// WIT of what it imports beside Potok's, and the names of those interfaces.
    pub(crate) wit: &'static str,
    pub(crate) wit_imports: &'static str,
}

impl Default for Guest {
    fn default() -> Guest {
        Guest {
            imports: "",
            more: "",
            pages: "4",
            describe: "(i32.const 1024)",
            open: "(i32.store8 (i32.const 4096) (i32.const 0)) (i32.const 4096)",
            process: FORWARD_FIRST,
            on_timers: COVER_TIMERS,
            wit: "",
            wit_imports: "",
        }
    }
}

/// Covers all and forwards the first record to output 0.
const FORWARD_FIRST: &str = "
    (i32.store8 (i32.const 4096) (i32.const 0))
    (i32.store (i32.const 4100) (i32.shr_u (i32.load offset=12 (local.get $batch)) (i32.const 3)))
    (i32.store (i32.const 4104) (i32.const 4200)) (i32.store (i32.const 4108) (i32.const 1)) ;; emitted: one
    (i32.store (i32.const 4112) (i32.const 0)) (i32.store (i32.const 4116) (i32.const 0))    ;; refused: none
    (i32.store8 (i32.const 4120) (i32.const 0))                                              ;; wait: none
    (i32.store (i32.const 4200) (i32.const 0))                                               ;; output 0
    (i32.store8 (i32.const 4204) (i32.const 0))                                              ;; forward
    (i32.store (i32.const 4208) (i32.const 4300)) (i32.store (i32.const 4212) (i32.const 4)) ;; four bytes:
    (i32.store (i32.const 4300) (i32.const 0))                                               ;; index 0
    (i32.const 4096)";
/// Covers all timers and does nothing.
const COVER_TIMERS: &str = "
    (i32.store8 (i32.const 4096) (i32.const 0))
    (i32.store (i32.const 4100) (local.get $len))
    (i32.store (i32.const 4108) (i32.const 0)) (i32.store (i32.const 4116) (i32.const 0))
    (i32.store8 (i32.const 4120) (i32.const 0))
    (i32.const 4096)";

impl Guest {
    fn text(&self) -> String {
        format!(
            r#"(module
    {imports}
    (memory (export "memory") {pages})
    (global $top (mut i32) (i32.const 65536))
    {more}
    (func (export "cabi_realloc") (param $old i32) (param $old_len i32) (param $align i32) (param $len i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $len)))
        (block $fits (loop $more
            (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
            (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
            (br $more)))
        (local.get $at))
    (func $reset (global.set $top (i32.const 65536)))
    (func (export "potok:plugin/processor@0.1.0#describe") (result i32) {describe})
    (func (export "potok:plugin/processor@0.1.0#open") (param $config i32) (param $len i32) (param i32 i32) (result i32) {open})
    (func $process (export "potok:plugin/processor@0.1.0#process") (param $batch i32) (result i32) (local $i i32) {process})
    (func (export "cabi_post_potok:plugin/processor@0.1.0#process") (param i32) (call $reset))
    (func (export "potok:plugin/processor@0.1.0#on-timers") (param $due i32) (param $len i32) (result i32) {on_timers})
    (func (export "potok:plugin/processor@0.1.0#close"))
    ;; the description: name, version, summary, schema, inputs, outputs, stores, state-version, wants
    (data (i32.const 1024) "\00\05\00\00\05\00\00\00" "\08\05\00\00\05\00\00\00" "\00\05\00\00\00\00\00\00" "\10\05\00\00\02\00\00\00"
        "\80\05\00\00\01\00\00\00" "\80\05\00\00\01\00\00\00" "\a0\05\00\00\01\00\00\00" "\01\00\00\00" "\00\00\00\00\00\00\00\00")
    (data (i32.const 1280) "guest" "\00\00\00" "1.2.3" "\00\00\00" "{{}}")
    (data (i32.const 1408) "\c0\05\00\00\04\00\00\00" "\c0\05\00\00\00\00\00\00")                         ;; a port
    (data (i32.const 1440) "\c0\05\00\00\04\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00") ;; a store
    (data (i32.const 1472) "main")
)"#,
            imports = self.imports,
            pages = self.pages,
            more = self.more,
            describe = self.describe,
            open = self.open,
            process = self.process,
            on_timers = self.on_timers,
        )
    }
    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let mut core = wat::parse_str(self.text()).expect("the guest's text parses");
        let mut resolve = Resolve::default();
        resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../wit")).expect("the WIT parses");
        let world = format!(
            "package test:guest;\n world guest {{ include potok:plugin/processor-plugin@0.1.0; {} }}\n{}",
            self.wit_imports, self.wit
        );
        let package = resolve.push_str("guest.wit", &world).expect("the guest's WIT parses");
        let world = resolve.select_world(&[package], Some("guest")).expect("the world is there");
        wit_component::embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)
            .expect("the guest fits its world");
        potok_plugin::componentize(&core).expect("the guest becomes a component")
    }
}

/// A registry over a folder of its own.
pub(crate) fn plugins() -> (tempfile::TempDir, Plugins) {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = Plugins::open(Settings::default(), folder.path()).expect("the registry opens");
    (folder, plugins)
}

pub(crate) async fn push(plugins: &Plugins, guest: &Guest) -> Result<Digest, PushError> {
    Ok(plugins.push(guest.component().into()).await?.digest)
}

/// Limits short enough for a test to wait for.
pub(crate) fn limits() -> InstanceSettings {
    InstanceSettings { deadline_ms: 200, output_bytes_max: 1 << 20, ..InstanceSettings::default() }
}

/// A new instance over a new port, one output, nothing granted; not opened.
pub(crate) async fn start(plugins: &Plugins, digest: Digest) -> (Arc<Memory>, Instance) {
    let port = Arc::new(Memory::default());
    let instance = plugins.instantiate(digest, port.clone(), limits(), 1, &[]).await.expect("it starts");
    (port, instance)
}

pub(crate) fn setup() -> TaskSetup {
    TaskSetup { config: "{}".into(), partition: 0, partitions: 1 }
}

pub(crate) fn records(n: u64) -> RecordColumns {
    let mut records = RecordColumns::default();
    for i in 0..n {
        let offset = Offset::new(i).expect("a small number");
        records.push(offset, Timestamp(0), Some(b"key"), Some(b"value"), std::iter::empty());
    }
    records
}

/// By store and key.
type Entries = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

/// A port that remembers.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) state: Mutex<Entries>,
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) lines_over: AtomicU64,
    pub(crate) timers: AtomicU64,
    pub(crate) fails: AtomicBool,
}
/// Lines that the port keeps, as a rate would have it.
pub(crate) const LINES_KEPT: usize = 100;

impl Memory {
    fn well(&self) -> Result<(), PortError> {
        if self.fails.load(Ordering::SeqCst) { Err(PortError("the disk is gone".into())) } else { Ok(()) }
    }
}
impl TaskPort for Memory {
    fn state_get(&self, store: u32, keys: &Column, bytes_max: usize) -> Result<Column, PortError> {
        self.well()?;
        let (state, mut values) = (self.state.lock(), Column::default());
        for key in keys.iter() {
            values.push(state.get(&(store, key.unwrap_or_default().to_vec())).map(Vec::as_slice));
            if values.byte_len() > bytes_max {
                break;
            }
        }
        Ok(values)
    }
    fn state_put(&self, store: u32, keys: Column, values: Column) -> Result<(), PortError> {
        self.well()?;
        let mut state = self.state.lock();
        for (key, value) in keys.iter().zip(values.iter()) {
            state.insert((store, key.unwrap_or_default().to_vec()), value.unwrap_or_default().to_vec());
        }
        Ok(())
    }
    fn state_scan(&self, _: u32, _: ScanRange, _: u32, _: usize) -> Result<ScanPage, PortError> {
        self.well()?;
        Ok(ScanPage::default())
    }
    fn set_timer(&self, _: TimerRequest) {
        self.timers.fetch_add(1, Ordering::SeqCst);
    }
    fn cancel_timer(&self, _: TimerClock, _: Vec<u8>) {}
    fn now(&self) -> Timestamp {
        Timestamp(1_357_000_000_000)
    }
    fn stream_time(&self) -> Option<Timestamp> {
        None
    }
    fn log(&self, _: LogLevel, message: String) {
        let mut lines = self.lines.lock();
        if lines.len() < LINES_KEPT {
            lines.push(message);
        } else {
            self.lines_over.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
    fn observe(&self, _: &str, _: f64) {}
    fn secret(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}
