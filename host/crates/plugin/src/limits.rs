//! Every limit of the room, one named constant each with its reason. Those that a deployment may turn stand in
//! [`crate::InstanceSettings`]; these are the same for all.

use std::time::Duration;

/// One tick of the epoch clock: the grain of deadlines, and how long a guest keeps a thread before it yields.
/// At 10 ms the ticking costs a hundred wake-ups a second and a neighbour waits no longer than one tick.
pub const TICK: Duration = Duration::from_millis(10);

/// Bytes of an uploaded component. The largest that a known toolchain makes (Python's) has 18.4 MB.
pub const COMPONENT_LEN_MAX: usize = 64 << 20;
/// Functions of all core modules of a component. Python's has about 30,000; each costs the compiler some 10 KiB while it lasts.
pub const FUNCTIONS_MAX: usize = 200_000;
/// Bytes of all function bodies of a component. The compiler takes some 40 times as much memory while it lasts, and 0.5 s of two
/// cores for each MiB; Python's component has 9 MB of code, the rest is data.
pub const CODE_LEN_MAX: usize = 24 << 20;
/// Bytes of one function's body. Compile time and memory grow faster than the body; the largest seen has 0.2 MB.
pub const FUNCTION_LEN_MAX: usize = 1 << 20;
/// Core modules and components nested in a component. Python's has about 50.
pub const NESTED_MODULES_MAX: usize = 500;
/// Imports, exports, aliases and types of one section. Keeps the checks before the compiler short.
pub const SECTION_ITEMS_MAX: u32 = 1_000_000;
/// Uploads waiting to be judged; each holds its bytes. More are told to come again.
pub const PUSHES_WAITING_MAX: usize = 4;
/// Running time of `describe` and of the start of an instance; an interpreter starts in some milliseconds.
pub const DESCRIBE_DEADLINE_MS: u64 = 5_000;

/// Modules held ready to be instantiated. One costs its metadata; its code is mapped from the disk.
pub const MODULES_READY_MAX: usize = 64;

/// Bytes of a name in a description.
pub const NAME_LEN_MAX: usize = 128;
/// Bytes of a line of text in a description.
pub const SUMMARY_LEN_MAX: usize = 1_024;
/// Bytes of a configuration's JSON Schema.
pub const SCHEMA_LEN_MAX: usize = 256 << 10;
/// Inputs, outputs, stores or wants of a module, each.
pub const PORTS_MAX: usize = 64;
/// Bytes that `describe` may return.
pub const DESCRIPTION_LEN_MAX: usize = 1 << 20;

/// Core instances in one instance of a component. Python's has about 60.
pub const CORE_INSTANCES_MAX: usize = 1_000;
/// Linear memories in one instance; together they stay below the deployment's limit.
pub const MEMORIES_MAX: usize = 100;
/// Tables in one instance.
pub const TABLES_MAX: usize = 1_000;
/// Elements of all tables of one instance: 8 bytes each on the host's side.
pub const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// Bytes of a guest's call stack. Wasmtime's own default; recursion past it is a trap.
pub const GUEST_STACK_LEN_MAX: usize = 512 << 10;
/// Bytes of the stack that a call runs on: the guest's and the host's functions below it.
pub const CALL_STACK_LEN: usize = 1 << 20;
/// Handles that a guest holds at once, of every kind, those of its own included.
pub const HANDLES_MAX: usize = 10_000;
/// Resources of WASI (streams, pollables) that a guest holds at once; each is a small allocation of the host's.
pub const WASI_RESOURCES_MAX: usize = 1_000;
/// Bytes of randomness that one call of WASI gives.
pub const RANDOM_LEN_MAX: u64 = 1 << 20;

/// Stores that a guest holds open at once.
pub const STORES_OPEN_MAX: u32 = 256;
/// Bytes of a key in a store: RocksDB compares keys in full.
pub const KEY_LEN_MAX: usize = 16 << 10;
/// Bytes of a value in a store.
pub const VALUE_LEN_MAX: usize = 1 << 20;
/// Bytes of keys and values that one call of a guest may put: they wait in memory for the commit.
pub const STATE_PUT_BYTES_MAX: usize = 32 << 20;
/// Bytes of values that one `get-many` answers: they are held twice for a moment.
pub const STATE_GET_BYTES_MAX: usize = 32 << 20;
/// Entries of one page of a scan.
pub const SCAN_ENTRIES_MAX: u32 = 10_000;
/// Bytes after which a page of a scan ends.
pub const SCAN_BYTES_MAX: usize = 4 << 20;

/// Timers that one call of a guest sets or cancels.
pub const TIMERS_PER_CALL_MAX: u32 = 100_000;
/// Bytes of a timer's key.
pub const TIMER_KEY_LEN_MAX: usize = 1 << 10;
/// Bytes of a timer's payload.
pub const TIMER_PAYLOAD_LEN_MAX: usize = 64 << 10;
/// Bytes of keys and payloads of the timers that one call sets: they wait in memory for the commit.
pub const TIMER_BYTES_PER_CALL_MAX: usize = 16 << 20;

/// Bytes of a log line; the rest is cut.
pub const LOG_LINE_LEN_MAX: usize = 8 << 10;
/// Bytes of a refusal's reason, of an error's text; the rest is cut.
pub const REASON_LEN_MAX: usize = 1 << 10;
/// Names of metrics of one instance: each is a time series for ever.
pub const METRIC_NAMES_MAX: usize = 100;
/// Bytes of a metric's name.
pub const METRIC_NAME_LEN_MAX: usize = 100;
/// Bytes of a secret's name.
pub const SECRET_NAME_LEN_MAX: usize = 256;

/// `text` cut to at most `max` bytes, at a character's border, with a mark where it was.
pub fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub(CUT_MARK.len())));
        text.push_str(CUT_MARK);
    }
    text
}
const CUT_MARK: &str = " [cut]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_border_of_characters() {
        assert_eq!(cut("short".into(), 10), "short");
        let text = cut("ä".repeat(100), 21);
        assert!(text.len() <= 21 && text.ends_with("[cut]") && text.starts_with("äää"), "{text}");
    }
}
