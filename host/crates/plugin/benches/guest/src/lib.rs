//! A processor on raw bindings whose work its configuration names: `even`, `late` or `upper`. Its logic is `logic.rs`.

mod logic;

use std::cell::RefCell;

wit_bindgen::generate!({ path: "../../../../../wit", world: "potok:plugin/processor-plugin" });

use exports::potok::plugin::processor::{Guest, Task};
use potok::plugin::about::{Description, Port};
use potok::plugin::records::{Batch, Body, Column, Emission, Failure, FreshRecords, Outcome};
use potok::plugin::timers::Timer;

thread_local! { static WORK: RefCell<String> = const { RefCell::new(String::new()) }; }

struct Boundary;
export!(Boundary);

fn port(name: &str) -> Port {
    Port { name: name.into(), summary: String::new() }
}
fn outcome(covered: usize, body: Body) -> Outcome {
    Outcome {
        covered: covered as u32,
        emitted: vec![Emission { output: 0, body }],
        refused: vec![],
        wait: None,
    }
}

impl Guest for Boundary {
    fn describe() -> Description {
        Description {
            name: "boundary".into(),
            version: "1.0.0".into(),
            summary: "What the boundary costs".into(),
            config_schema: "{}".into(),
            inputs: vec![port("in")],
            outputs: vec![port("out")],
            stores: vec![],
            state_version: 1,
            wants: vec![],
        }
    }
    fn open(task: Task) -> Result<(), String> {
        WORK.set(task.config);
        Ok(())
    }
    fn process(records: Batch) -> Result<Outcome, Failure> {
        let values = logic::Items { data: &records.values.data, ends: &records.values.ends };
        let covered = records.offsets.len() / 8;
        let body = WORK.with_borrow(|work| match work.as_str() {
            "even" => Ok(Body::Forward(logic::even(values))),
            "late" => Ok(Body::Forward(logic::late(values))),
            "upper" => Err(logic::upper(values)),
            other => panic!("no such work: {other}"),
        });
        let body = body.unwrap_or_else(|(data, ends)| {
            let values = Column { data, ends, nulls: vec![] };
            let (timestamps, keys) = (records.timestamps, records.keys);
            Body::Fresh(FreshRecords { timestamps, keys, values, headers: None, partitions: vec![] })
        });
        Ok(outcome(covered, body))
    }
    fn on_timers(due: Vec<Timer>) -> Result<Outcome, Failure> {
        Ok(Outcome { covered: due.len() as u32, emitted: vec![], refused: vec![], wait: None })
    }
    fn close() {}
}
