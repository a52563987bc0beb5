//! Guests that mean harm, one module a misdeed. Each ends with the reason that names what it did, its instance is of no use any
//! more, and a healthy neighbour in the same process still answers.
#![allow(clippy::unwrap_used, reason = "helpers of a test panic as the test does")]

mod kit;

use kit::{Guest, limits, plugins, push, records, setup, start};
use potok_plugin::limits::PUSHES_WAITING_MAX;
use potok_plugin::{Body, CallError, Emission, Instance, Outcome, Plugins, PushError};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a healthy guest makes of three records.
fn healthy() -> Outcome {
    let first = Emission { output: 0, body: Body::Forward(vec![0]) };
    Outcome { covered: 3, emitted: vec![first], refused: vec![], wait: None }
}

async fn neighbour(plugins: &Plugins) -> Instance {
    let digest = push(plugins, &Guest::default()).await.expect("a healthy guest is taken in");
    let (_, mut instance) = start(plugins, digest).await;
    instance.open(&setup()).await.expect("a healthy guest opens");
    instance
}

/// Runs one batch through the guest, sees that its neighbour is well and that the instance is gone, and gives the reason.
async fn misdeed(guest: Guest) -> CallError {
    let (_folder, plugins) = plugins();
    let mut neighbour = neighbour(&plugins).await;
    let digest = push(&plugins, &guest).await.expect("the guest is taken in");
    let (_, mut instance) = start(&plugins, digest).await;
    instance.open(&setup()).await.expect("the guest opens");
    let error = instance.process(0, 0, &records(3)).await.expect_err("the guest misbehaves");
    assert_eq!(neighbour.process(0, 0, &records(3)).await.expect("the neighbour is well"), healthy());
    if !error.instance_survives() {
        assert!(instance.wants_replacement());
        let again = instance.process(0, 0, &records(3)).await.unwrap_err();
        assert!(matches!(&again, CallError::Trap(text) if text.contains("earlier call")), "{again}");
    }
    error
}
#[track_caller]
fn contract(error: &CallError, reason: &str) {
    assert!(matches!(error, CallError::Contract(text) if text.contains(reason)), "{error} lacks {reason:?}");
}
#[track_caller]
fn trap(error: &CallError, reason: &str) {
    assert!(matches!(error, CallError::Trap(text) if text.contains(reason)), "{error} lacks {reason:?}");
}

#[tokio::test]
async fn one_that_spins_runs_into_its_deadline() {
    let error = misdeed(Guest { process: "(loop $on (br $on)) unreachable", ..Guest::default() }).await;
    assert!(matches!(error, CallError::Deadline { deadline_ms: 200 }), "{error}");
}
#[tokio::test]
async fn one_that_spins_gives_its_thread_to_its_neighbour() {
    let (_folder, plugins) = plugins();
    let mut neighbour = neighbour(&plugins).await;
    let spinner = Guest { process: "(loop $on (br $on)) unreachable", ..Guest::default() };
    let digest = push(&plugins, &spinner).await.unwrap();
    let (_, mut spinner) = start(&plugins, digest).await;
    // Both on this one thread: had the spinner kept it, the neighbour would come after its end.
    let (three, order) = (records(3), parking_lot::Mutex::new(Vec::new()));
    let spin = async {
        assert!(matches!(spinner.process(0, 0, &three).await, Err(CallError::Deadline { .. })));
        order.lock().push("spinner");
    };
    let work = async {
        for _ in 0..10 {
            assert_eq!(neighbour.process(0, 0, &three).await.unwrap(), healthy());
            tokio::task::yield_now().await;
        }
        order.lock().push("neighbour");
    };
    tokio::join!(spin, work);
    assert_eq!(*order.lock(), ["neighbour", "spinner"]);
}
#[tokio::test]
async fn one_that_recurses_exhausts_its_stack_only() {
    trap(
        &misdeed(Guest { process: "(call $process (local.get $batch))", ..Guest::default() }).await,
        "call stack",
    );
}
#[tokio::test]
async fn one_that_allocates_without_end_meets_its_limit() {
    let process =
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let error = misdeed(Guest { process, ..Guest::default() }).await;
    assert!(matches!(error, CallError::Memory { limit } if limit == 64 << 20), "{error}");
}
#[tokio::test]
async fn one_that_grows_tables_without_end_meets_its_limit() {
    let more = "(table $t 1 funcref)";
    let process = "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 4096)) (i32.const -1)))) unreachable";
    let error = misdeed(Guest { more, process, ..Guest::default() }).await;
    assert!(matches!(error, CallError::Memory { .. }), "{error}");
}
#[tokio::test]
async fn one_that_returns_four_gib_of_lengths_breaks_the_contract() {
    // emitted: pointer 0, 2^32-1 items
    let process = "(i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 3))
        (i32.store (i32.const 4104) (i32.const 0)) (i32.store (i32.const 4108) (i32.const -1)) (i32.const 4096)";
    contract(&misdeed(Guest { process, ..Guest::default() }).await, "out of bounds");
}
#[tokio::test]
async fn one_that_returns_more_than_it_may_is_stopped_before_it_is_copied() {
    // 2 MiB are really there, the limit is 1 MiB
    let process = "(drop (memory.grow (i32.const 64)))
        (i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 3))
        (i32.store (i32.const 4104) (i32.const 4200)) (i32.store (i32.const 4108) (i32.const 1))
        (i32.store (i32.const 4200) (i32.const 0)) (i32.store8 (i32.const 4204) (i32.const 0))
        (i32.store (i32.const 4208) (i32.const 65536)) (i32.store (i32.const 4212) (i32.const 2097152)) (i32.const 4096)";
    contract(&misdeed(Guest { process, ..Guest::default() }).await, "more than 1048576 bytes");
}
#[tokio::test]
async fn one_that_names_the_same_bytes_a_thousand_times_is_stopped_too() {
    // 1,000 emissions, each forwarding the same 64 KiB: 64 MiB if they were all copied
    let process = "(loop $each
            (i32.store offset=66000 (i32.mul (local.get $i) (i32.const 132)) (i32.const 0))
            (i32.store8 offset=66004 (i32.mul (local.get $i) (i32.const 132)) (i32.const 0))
            (i32.store offset=66008 (i32.mul (local.get $i) (i32.const 132)) (i32.const 0))
            (i32.store offset=66012 (i32.mul (local.get $i) (i32.const 132)) (i32.const 65536))
            (br_if $each (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
        (i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 3))
        (i32.store (i32.const 4104) (i32.const 66000)) (i32.store (i32.const 4108) (i32.const 1000)) (i32.const 4096)";
    contract(&misdeed(Guest { process, ..Guest::default() }).await, "more than 1048576 bytes");
}
/// One emission of one fresh record whose parts are zero where nothing else is said; `$e` is where it lies.
const FRESH: &str = "
    (i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 3))
    (i32.store (i32.const 4104) (i32.const 4200)) (i32.store (i32.const 4108) (i32.const 1))
    (i32.store8 (i32.const 4204) (i32.const 1))
    (i32.store (i32.const 4208) (i32.const 5000)) (i32.store (i32.const 4212) (i32.const 8))  ;; one timestamp
    (i32.store (i32.const 4224) (i32.const 5000)) (i32.store (i32.const 4228) (i32.const 4))  ;; keys.ends
    (i32.store (i32.const 4248) (i32.const 5008)) (i32.store (i32.const 4252) (i32.const 4))  ;; values.ends
    (i32.store (i32.const 5008) (i32.const 1000))                                             ;; of which one is a lie
    (i32.const 4096)";
#[tokio::test]
async fn one_that_lies_in_ends_breaks_the_contract() {
    contract(
        &misdeed(Guest { process: FRESH, ..Guest::default() }).await,
        "ends at 1000, but `data` has 0 bytes",
    );
}
#[tokio::test]
async fn one_that_names_an_output_that_is_not_there_breaks_the_contract() {
    let process = "(i32.store8 (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 3))
        (i32.store (i32.const 4104) (i32.const 4200)) (i32.store (i32.const 4108) (i32.const 1))
        (i32.store (i32.const 4200) (i32.const 7)) (i32.store8 (i32.const 4204) (i32.const 0)) (i32.const 4096)";
    contract(&misdeed(Guest { process, ..Guest::default() }).await, "output 7 is not there");
}
#[tokio::test]
async fn one_that_never_gets_on_breaks_the_contract() {
    let process = "(i32.store8 (i32.const 4096) (i32.const 0)) (i32.const 4096)";
    contract(&misdeed(Guest { process, ..Guest::default() }).await, "never end");
}
#[tokio::test]
async fn one_whose_answer_lies_outside_its_memory_breaks_the_contract() {
    contract(&misdeed(Guest { process: "(i32.const -4)", ..Guest::default() }).await, "pointer");
}
#[tokio::test]
async fn one_whose_reason_is_no_text_breaks_the_contract() {
    // err(broken("\ff"))
    let process = "(i32.store8 (i32.const 4096) (i32.const 1)) (i32.store8 (i32.const 4100) (i32.const 1))
        (i32.store8 (i32.const 5000) (i32.const 255))
        (i32.store (i32.const 4104) (i32.const 5000)) (i32.store (i32.const 4108) (i32.const 1)) (i32.const 4096)";
    contract(&misdeed(Guest { process, ..Guest::default() }).await, "utf-8");
}
#[tokio::test]
async fn one_that_says_it_is_broken_lives_on() {
    let process = "(i32.store8 (i32.const 4096) (i32.const 1)) (i32.store8 (i32.const 4100) (i32.const 1))
        (i32.store (i32.const 4104) (i32.const 1472)) (i32.store (i32.const 4108) (i32.const 4)) (i32.const 4096)";
    let error = misdeed(Guest { process, ..Guest::default() }).await;
    assert!(
        matches!(&error, CallError::Broken(reason) if reason == "main") && error.instance_survives(),
        "{error}"
    );
}
#[tokio::test]
async fn one_that_opens_a_million_handles_meets_the_limit() {
    let imports =
        r#"(import "potok:plugin/state@0.1.0" "[static]store.open" (func $open (param i32 i32 i32)))"#;
    let process = "(loop $on (call $open (i32.const 1472) (i32.const 4) (i32.const 6000))
        (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000)))) unreachable";
    contract(&misdeed(Guest { imports, process, ..Guest::default() }).await, "256 stores are open");
}
#[tokio::test]
async fn one_that_sets_a_million_timers_meets_the_limit() {
    let imports = r#"(import "potok:plugin/timers@0.1.0" "set" (func $set (param i32 i64 i32 i32 i32 i32)))"#;
    let process = "(loop $on
        (call $set (i32.const 0) (i64.const 0) (i32.const 1472) (i32.const 4) (i32.const 0) (i32.const 0))
        (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000)))) unreachable";
    let error = misdeed(Guest { imports, process, ..Guest::default() }).await;
    // On a slow machine its deadline may come first: either limit holds.
    let named = matches!(&error, CallError::Contract(text) if text.contains("100000 timers"));
    assert!(named || matches!(error, CallError::Deadline { .. }), "{error}");
}
#[tokio::test]
async fn one_that_writes_a_million_log_lines_is_kept_to_its_rate() {
    let (_folder, plugins) = plugins();
    let mut neighbour = neighbour(&plugins).await;
    let imports = r#"(import "potok:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let process = "(loop $on (call $log (i32.const 2) (i32.const 1472) (i32.const 4))
        (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000)))) unreachable";
    let digest = push(&plugins, &Guest { imports, process, ..Guest::default() }).await.unwrap();
    let (port, mut instance) = start(&plugins, digest).await;
    let error = instance.process(0, 0, &records(3)).await.unwrap_err();
    assert!(matches!(error, CallError::Deadline { .. } | CallError::Trap(_)), "{error}");
    assert_eq!(port.lines.lock().len(), kit::LINES_KEPT);
    assert!(port.lines_over.load(Ordering::SeqCst) > 0);
    assert_eq!(neighbour.process(0, 0, &records(3)).await.unwrap(), healthy());
}
#[tokio::test]
async fn one_that_traps_in_open_says_where() {
    let (_folder, plugins) = plugins();
    let digest = push(&plugins, &Guest { open: "unreachable", ..Guest::default() }).await.unwrap();
    let (_, mut instance) = start(&plugins, digest).await;
    trap(&instance.open(&setup()).await.unwrap_err(), "unreachable");
    assert!(instance.wants_replacement());
}
#[tokio::test]
async fn a_port_that_fails_is_not_the_guests_fault() {
    let (_folder, plugins) = plugins();
    let imports = r#"(import "potok:plugin/state@0.1.0" "[static]store.open" (func $open (param i32 i32 i32)))
        (import "potok:plugin/state@0.1.0" "[method]store.scan"
            (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
    let process = "(call $open (i32.const 1472) (i32.const 4) (i32.const 6000))
        (call $scan (i32.load (i32.const 6004)) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 9) (i32.const 6100)) unreachable";
    let digest = push(&plugins, &Guest { imports, process, ..Guest::default() }).await.unwrap();
    let (port, mut instance) = start(&plugins, digest).await;
    port.fails.store(true, Ordering::SeqCst);
    let error = instance.process(0, 0, &records(3)).await.unwrap_err();
    assert!(matches!(&error, CallError::Host(reason) if reason.contains("disk is gone")), "{error}");
}
#[tokio::test]
async fn a_call_that_is_dropped_half_way_leaves_no_instance() {
    let (_folder, plugins) = plugins();
    let digest = push(&plugins, &Guest { process: "(loop $on (br $on)) unreachable", ..Guest::default() })
        .await
        .unwrap();
    let (_, mut instance) = start(&plugins, digest).await;
    let three = records(3);
    tokio::select! {
        biased;
        _ = instance.process(0, 0, &three) => panic!("it spins"),
        () = tokio::task::yield_now() => (),
    }
    assert!(instance.wants_replacement());
}

/// Interfaces of WASI as a toolchain would import them, of a patch number that is not the host's.
const WASI: &str = "
package wasi:io@0.2.1 { interface poll { resource pollable { block: func(); } } }
package wasi:clocks@0.2.1 { interface monotonic-clock {
    use wasi:io/poll@0.2.1.{pollable}; subscribe-duration: func(when: u64) -> pollable; } }
package wasi:cli@0.2.1 { interface exit { exit: func(status: result); } }";
const WASI_IMPORTS: &str =
    "import wasi:io/poll@0.2.1; import wasi:clocks/monotonic-clock@0.2.1; import wasi:cli/exit@0.2.1;";

#[tokio::test]
async fn one_that_sleeps_for_ever_by_wasi_runs_into_its_deadline() {
    let imports = r#"(import "wasi:clocks/monotonic-clock@0.2.1" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.1" "[method]pollable.block" (func $block (param i32)))"#;
    let process = "(call $block (call $after (i64.const 1000000000000000))) unreachable";
    let error =
        misdeed(Guest { imports, process, wit: WASI, wit_imports: WASI_IMPORTS, ..Guest::default() }).await;
    assert!(matches!(error, CallError::Deadline { deadline_ms: 200 }), "{error}");
}
#[tokio::test]
async fn one_that_makes_a_million_pollables_meets_the_limit() {
    let imports = r#"(import "wasi:clocks/monotonic-clock@0.2.1" "subscribe-duration" (func $after (param i64) (result i32)))"#;
    let process = "(loop $on (drop (call $after (i64.const 1000000000000000)))
        (br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000)))) unreachable";
    let error =
        misdeed(Guest { imports, process, wit: WASI, wit_imports: WASI_IMPORTS, ..Guest::default() }).await;
    contract(&error, "resource table has no free");
}
#[tokio::test]
async fn one_that_exits_is_gone_and_the_host_is_not() {
    let imports = r#"(import "wasi:cli/exit@0.2.1" "exit" (func $exit (param i32)))"#;
    let process = "(call $exit (i32.const 1)) unreachable";
    let error =
        misdeed(Guest { imports, process, wit: WASI, wit_imports: WASI_IMPORTS, ..Guest::default() }).await;
    trap(&error, "exited with code 1");
}

/// Pushes the guest, sees that nothing was kept and that the neighbour is well, and gives the reason.
async fn refused(guest: Guest) -> PushError {
    let (folder, plugins) = plugins();
    let mut neighbour = neighbour(&plugins).await;
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let error = push(&plugins, &guest).await.expect_err("the upload is refused");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
    assert_eq!(plugins.modules().len(), 1);
    assert_eq!(neighbour.process(0, 0, &records(3)).await.expect("the neighbour is well"), healthy());
    error
}
#[track_caller]
fn describe_failed(error: &PushError, reason: &str) {
    assert!(matches!(error, PushError::Describe(text) if text.contains(reason)), "{error} lacks {reason:?}");
}

#[tokio::test]
async fn one_that_panics_in_describe_is_refused() {
    describe_failed(&refused(Guest { describe: "unreachable", ..Guest::default() }).await, "unreachable");
}
#[tokio::test]
async fn one_that_spins_in_describe_is_refused() {
    let spins = Guest { describe: "(loop $on (br $on)) unreachable", ..Guest::default() };
    describe_failed(&refused(spins).await, "deadline of 5000 ms");
}
/// CPU time of the calling thread.
fn cpu_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}
#[tokio::test]
async fn one_that_spins_in_describe_does_so_on_a_thread_that_serves_nobody() {
    let (_folder, plugins) = plugins();
    let began = cpu_time();
    let spins = Guest { describe: "(loop $on (br $on)) unreachable", ..Guest::default() };
    describe_failed(&push(&plugins, &spins).await.unwrap_err(), "deadline of 5000 ms");
    assert!(cpu_time() - began < std::time::Duration::from_secs(1), "it spun on the caller's thread");
}
#[tokio::test]
async fn uploads_whose_callers_went_away_hold_their_places_to_the_end() {
    let (_folder, plugins) = plugins();
    let spins = Guest { describe: "(loop $on (br $on)) unreachable", ..Guest::default() };
    let component = bytes::Bytes::from(spins.component());
    for _ in 0..=PUSHES_WAITING_MAX {
        tokio::select! {
            biased;
            _ = plugins.push(component.clone()) => panic!("it spins"),
            () = tokio::task::yield_now() => (),
        }
    }
    assert!(matches!(plugins.push(component).await, Err(PushError::Busy(PUSHES_WAITING_MAX))));
}
#[tokio::test]
async fn one_that_describes_itself_with_junk_is_refused() {
    // A schema that is no JSON: four bytes of the name "guest".
    let describe = "(i32.store (i32.const 1048) (i32.const 1280)) (i32.const 1024)";
    let error = refused(Guest { describe, ..Guest::default() }).await;
    assert!(matches!(&error, PushError::Description(text) if text.contains("no JSON")), "{error}");
    let describe = "(i32.store (i32.const 1028) (i32.const -1)) (i32.const 1024)";
    describe_failed(&refused(Guest { describe, ..Guest::default() }).await, "out of bounds");
}
#[tokio::test]
async fn one_that_starts_with_more_memory_than_it_may_have_is_refused() {
    describe_failed(&refused(Guest { pages: "2000", ..Guest::default() }).await, "memory");
}
#[tokio::test]
async fn one_that_traps_or_spins_before_it_is_asked_anything_is_refused() {
    let starts = Guest { more: "(func $main unreachable) (start $main)", ..Guest::default() };
    describe_failed(&refused(starts).await, "unreachable");
}
#[tokio::test]
async fn a_describe_that_uses_what_is_not_granted_gets_nothing() {
    let imports = r#"(import "potok:plugin/secrets@0.1.0" "get" (func $get (param i32 i32 i32)))
        (import "potok:plugin/state@0.1.0" "[static]store.open" (func $open (param i32 i32 i32)))"#;
    // Both have to answer with an error (1); otherwise it traps.
    let describe = "(call $get (i32.const 1472) (i32.const 4) (i32.const 6000))
        (call $open (i32.const 1472) (i32.const 4) (i32.const 6100))
        (if (i32.ne (i32.add (i32.load8_u (i32.const 6000)) (i32.load8_u (i32.const 6100))) (i32.const 2)) (then unreachable))
        (i32.const 1024)";
    let (_folder, plugins) = plugins();
    push(&plugins, &Guest { imports, describe, ..Guest::default() }).await.unwrap();
}
#[tokio::test]
async fn a_neighbour_on_another_thread_is_not_held_up() {
    let (_folder, plugins) = plugins();
    let mut well = neighbour(&plugins).await;
    let spinner = Guest { process: "(loop $on (br $on)) unreachable", ..Guest::default() };
    let digest = push(&plugins, &spinner).await.unwrap();
    let port = Arc::new(kit::Memory::default());
    let mut spinner = plugins.instantiate(digest, port, limits(), 1, &[]).await.unwrap();
    let spin = tokio::spawn(async move { spinner.process(0, 0, &records(3)).await.unwrap_err().kind() });
    for _ in 0..100 {
        assert_eq!(well.process(0, 0, &records(3)).await.unwrap(), healthy());
    }
    assert_eq!(spin.await.unwrap(), "deadline");
}
