//! The WIT in five languages: every guest of `guests-in-five` keeps the same rules, in the product's own runtime.
//! Answers are checked against a native model, on strange batches and over many calls, and memory is watched.
//! `make soak` runs the long form: 100,000 calls of each guest.

use potok_plugin::{CallError, InstanceSettings, TimerClock, TimerRequest};
use potok_tests::five::{Batches, LANGUAGES, Mode, Model, Room, Running, timers_answer};
use potok_types::Timestamp;

/// Calls of one soak, unless `POTOK_SOAK_CALLS` says otherwise. Collectors and leaks show within ten thousand.
const SOAK_CALLS: u64 = 10_000;
/// Records of a call in a soak: interpreters take the time they take.
const SOAK_RECORDS: u64 = 10;
/// What a guest may grow by while it is soaked, in bytes, before an instance has to give way.
const GROWTH_MAX: usize = 8 << 20;

/// One test a language, so that its component is compiled once.
macro_rules! each_guest_keeps_the_rules {
    ($($language:ident),+) => {
        $(
            #[test]
            fn $language() {
                run(keeps_the_rules(stringify!($language)));
            }
        )+
        #[test]
        fn no_language_is_left_out() {
            assert_eq!(LANGUAGES, [$(stringify!($language)),+]);
        }
    };
}

each_guest_keeps_the_rules!(rust, c, go, javascript, python);

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn keeps_the_rules(language: &str) {
    let room = Room::with(language).await;
    describes_itself_and_imports_no_wasi(&room, language);
    refuses_a_configuration_with_a_reason(&room).await;
    agrees_with_the_model(&room, Mode::Filter).await;
    agrees_with_the_model(&room, Mode::Count).await;
    gives_timers_back(&room).await;
    gives_way_at_its_mark_and_goes_on(&room).await;
    stays_right_and_small_over_many_calls(&room, language).await;
}

fn describes_itself_and_imports_no_wasi(room: &Room, language: &str) {
    let description = &room.module().description;
    assert_eq!(description.name, format!("five-{language}"));
    assert_eq!(description.outputs.iter().map(|port| &port.name[..]).collect::<Vec<_>>(), ["kept", "counts"]);
    assert_eq!(
        description.stores.iter().map(|store| (&store.name[..], store.ttl_ms)).collect::<Vec<_>>(),
        [("counts", None)]
    );
    assert_eq!(description.config_schema["required"][0], "mode");
    let wasi: Vec<_> = room.module().imports.iter().filter(|name| name.starts_with("wasi:")).collect();
    assert!(wasi.is_empty(), "{wasi:?}");
}

async fn agrees_with_the_model(room: &Room, mode: Mode) {
    let mut guest = room.start(mode, InstanceSettings::default()).await;
    assert_eq!(guest.port().take_lines().len(), 1, "a line for `open`");
    let (mut batches, mut model) = (Batches::from_seed(0x5eed), Model::default());
    for round in 0..200 {
        let batch = batches.next_of(if round % 10 == 0 { 700 } else { 40 });
        let answer = guest.process(&batch).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(answer, model.answer(mode, &batch), "round {round}");
    }
    assert_eq!(guest.port().stored(), model.stored());
}

async fn gives_timers_back(room: &Room) {
    let mut guest = room.start(Mode::Count, InstanceSettings::default()).await;
    let timer = |at, clock, key: &[u8]| TimerRequest {
        clock,
        at: Timestamp(at),
        key: key.to_vec().into(),
        payload: b"first".to_vec().into(),
    };
    // the largest is the last that a double holds exactly: the year 287396
    let due = [
        timer(-1, TimerClock::Event, b""),
        timer(1_356_998_400_000, TimerClock::Wall, b"carrier"),
        timer((1 << 53) - 1, TimerClock::Event, &[0xff, 0]),
    ];
    assert_eq!(guest.on_timers(&due).await.unwrap(), timers_answer(&due));
}

async fn refuses_a_configuration_with_a_reason(room: &Room) {
    let answer = room.refused_config(r#"{"mode":"neither"}"#).await;
    let Err(CallError::Broken(reason)) = answer else { panic!("{answer:?}") };
    assert_eq!(reason, "`mode` is neither `filter` nor `count`");
}

fn soak_calls() -> u64 {
    let asked = std::env::var("POTOK_SOAK_CALLS").ok();
    asked.map_or(SOAK_CALLS, |calls| calls.parse().expect("POTOK_SOAK_CALLS is a number of calls"))
}

/// Both modes in turn, every answer checked. Returns the memory after a tenth of the calls.
async fn soak<'a>(filter: &mut Running<'a>, count: &mut Running<'a>, calls: u64) -> usize {
    let (mut batches, mut model) = (Batches::from_seed(0xf11e), Model::default());
    let mut early = 0;
    for call in 0..calls {
        let (mode, guest) =
            if call % 2 == 0 { (Mode::Filter, &mut *filter) } else { (Mode::Count, &mut *count) };
        let batch = batches.next_of(2 * SOAK_RECORDS - 1);
        let answer = guest.process(&batch).await.unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_eq!(answer, model.answer(mode, &batch), "call {call}");
        if call == calls / 10 {
            early = filter.memory_max.max(count.memory_max);
        }
    }
    assert_eq!(count.port().stored(), model.stored());
    early
}

async fn stays_right_and_small_over_many_calls(room: &Room, language: &str) {
    let settings = InstanceSettings::default();
    let mut filter = room.start(Mode::Filter, settings).await;
    let mut count = room.start(Mode::Count, settings).await;
    let (start, calls) = (filter.memory_bytes(), soak_calls());
    let early = soak(&mut filter, &mut count, calls).await;
    let most = filter.memory_max.max(count.memory_max);
    let replaced = filter.replaced + count.replaced;
    println!(
        "{language}: {calls} calls of {SOAK_RECORDS} records: {start} bytes at the start, {early} after a tenth, {most} at most, {replaced} replaced"
    );
    assert!(most <= settings.memory_bytes_max);
    if language != "python" {
        assert_eq!(replaced, 0, "only Python's instances grow without end");
        assert!(most <= early + GROWTH_MAX, "{early} bytes after a tenth of the calls, {most} at most");
    }
}

async fn gives_way_at_its_mark_and_goes_on(room: &Room) {
    // a mark that every instance is over from its start: each call gets a fresh one, state stays
    let settings = InstanceSettings { replace_at_bytes: 0, ..InstanceSettings::default() };
    let mut guest = room.start(Mode::Count, settings).await;
    let (mut batches, mut model) = (Batches::from_seed(0xa6e), Model::default());
    for _ in 0..20 {
        let batch = batches.next_of(30);
        assert_eq!(guest.process(&batch).await.unwrap(), model.answer(Mode::Count, &batch));
    }
    assert_eq!(guest.replaced, 20);
    assert_eq!(guest.port().stored(), model.stored());
}
