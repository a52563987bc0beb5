//! Runs a processor in `cargo test`, with no WebAssembly: state, timers and clocks in memory, every effect to be looked at.
//! In: records, and time as the test moves it. Out: what was sent, refused, stored, set and logged. Invariant: a call's changes are kept or
//! undone as the host does it, and an outcome that the host would not take is a panic that says why.
//!
//! ```
//! # use potok_sdk::{Description, Failure, NoConfig, Output, Processor, Record, Task};
//! # struct Shout;
//! # impl Processor for Shout {
//! #     type Config = NoConfig;
//! #     fn describe() -> Description { potok_sdk::describe!().input("in", "").output("out", "") }
//! #     fn open(_: NoConfig, _: Task) -> Result<Shout, Failure> { Ok(Shout) }
//! #     fn process(&mut self, record: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
//! #         out.to(0).key_of(&record).value(record.value_str()?.to_uppercase());
//! #         Ok(())
//! #     }
//! # }
//! use potok_sdk::testing::{Harness, TestRecord};
//!
//! let mut harness = Harness::<Shout>::new("{}");
//! harness.send(TestRecord::new("hello").key("k"));
//! assert_eq!(harness.take()[0].value_str(), "HELLO");
//! harness.send(&b"\xff"[..]);
//! assert_eq!(harness.refused()[0].reason, "the value is not UTF-8 from byte 0 on");
//! ```

mod bench;
mod harness;
mod record;

pub(crate) use bench::Bench;
pub use harness::{Harness, RefusedRecord, Setup};
pub use record::{Sent, TestRecord};
