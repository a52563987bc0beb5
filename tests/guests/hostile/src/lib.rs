//! A module that harms whoever runs it, in the way its configuration names: tests and benches put it beside well-behaved ones.
//! In: any records. Out: nothing that is of use. Only what a toolchain lets it do: a guest that lies at the boundary itself is made by
//! hand, in the plugin room's hostile suite.

use potok_sdk::{Description, Failure, Output, Processor, Record, Task};
use serde::Deserialize;
use std::hint::black_box;

/// Lines that are written for each record: far over any rate.
const LINES: u32 = 1_000_000;
/// Bytes that are sent for each record, a piece at a time: over the limit of one call's output.
const SENT_PIECES: usize = 24;
const PIECE_LEN: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    misdeed: Misdeed,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Misdeed {
    Spin,
    Recurse,
    Allocate,
    Trap,
    Log,
    Send,
}

struct Hostile(Misdeed);

impl Processor for Hostile {
    type Config = Config;

    fn describe() -> Description {
        potok_sdk::describe!().input("in", "anything").output("out", "nothing of use").config_schema(
            r#"{"type": "object", "required": ["misdeed"], "additionalProperties": false,
                "properties": {"misdeed": {"enum": ["spin", "recurse", "allocate", "trap", "log", "send"]}}}"#,
        )
    }
    fn open(config: Config, _: Task) -> Result<Hostile, Failure> {
        Ok(Hostile(config.misdeed))
    }
    fn process(&mut self, _: Record<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
        match self.0 {
            Misdeed::Spin => loop {
                black_box(());
            },
            Misdeed::Recurse => drop(deeper(black_box(1))),
            Misdeed::Allocate => {
                let mut held = Vec::new();
                loop {
                    held.push(black_box(vec![1u8; PIECE_LEN]));
                }
            }
            Misdeed::Trap => panic!("on purpose"),
            Misdeed::Log => (0..LINES).for_each(|line| potok_sdk::info!("line {line}")),
            Misdeed::Send => (0..SENT_PIECES).for_each(|_| out.send("", [1; PIECE_LEN])),
        }
        Ok(())
    }
}

/// Calls itself until the stack is used up; each level keeps something, so that none can be folded away.
fn deeper(level: u64) -> Box<u64> {
    if level == 0 { Box::new(0) } else { Box::new(*deeper(black_box(level + 1)) + level) }
}

potok_sdk::processor!(Hostile);
