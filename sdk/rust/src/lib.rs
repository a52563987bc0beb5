//! What a plugin's author imports.
//! In: an author's [`Processor`] or [`BatchProcessor`]. Out: by [`processor!`], a component of world `potok:plugin/processor-plugin`; by
//! [`testing`], a task in memory. Invariant: what an author writes runs the same in both, and the component imports no WASI.
//!
#![doc = include_str!("../README.md")]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[rustfmt::skip]
#[allow(unsafe_code, unreachable_pub, missing_docs, missing_debug_implementations, unused_qualifications, reason = "generated")]
#[allow(clippy::all, clippy::unwrap_used, clippy::cast_possible_truncation, clippy::allow_attributes_without_reason, clippy::too_many_lines, reason = "generated")]
pub mod bindings;
mod column;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[allow(missing_docs, reason = "only for what `processor!` expands to")]
pub mod component;
mod describe;
mod failure;
mod host;
mod logging;
pub mod metrics;
mod outcome;
mod output;
mod processor;
mod record;
mod runner;
pub mod secrets;
mod session;
pub mod store;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;
mod timer;

pub use column::Column;
pub use describe::{Description, Grant};
pub use failure::{Failure, OrFail};
pub use logging::{Level, log};
pub use output::{Message, Output};
pub use processor::{BatchProcessor, NoConfig, Processor, Progress, Task};
pub use record::{Batch, Record, RecordError};
pub use store::Store;
pub use time::Timestamp;
pub use timer::{Clock, Timer};

/// Makes a component of a type that is a [`Processor`] or a [`BatchProcessor`]. Once in a crate, whose `crate-type` has `cdylib`.
#[macro_export]
macro_rules! processor {
    ($processor:ty) => {
        // elsewhere than in a component: that the type is what it has to be
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> $crate::Description = <$processor as $crate::BatchProcessor>::describe;

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::exports::potok::plugin::processor as exports;

            ::std::thread_local! {
                static SLOT: $crate::component::Slot<$processor> = const { $crate::component::Slot::new() };
            }

            struct Component;

            impl exports::Guest for Component {
                fn describe() -> exports::Description {
                    $crate::component::describe::<$processor>()
                }
                fn open(task: exports::Task) -> Result<(), String> {
                    $crate::component::open(&SLOT, task)
                }
                fn process(batch: exports::Batch) -> Result<exports::Outcome, exports::Failure> {
                    $crate::component::process(&SLOT, batch)
                }
                fn on_timers(due: Vec<exports::Timer>) -> Result<exports::Outcome, exports::Failure> {
                    $crate::component::on_timers(&SLOT, due)
                }
                fn close() {
                    $crate::component::close(&SLOT);
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}
