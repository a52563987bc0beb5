//! Uploads as they are judged before anything is compiled: whatever the bytes, judging ends; what is accepted exports one world and
//! imports nothing that is not provided; a refusal is a sentence that fits a line, however long the names are that it quotes.
#![no_main]

#[path = "../../host/crates/plugin/src/error.rs"]
#[allow(dead_code, reason = "another room's, as it is")]
mod error;
#[path = "../../host/crates/plugin/src/judge.rs"]
mod judge;
#[path = "../../host/crates/plugin/src/limits.rs"]
#[allow(dead_code, reason = "another room's, as it is")]
mod limits;

/// What the judge takes from its room's other files; the real ones come with Wasmtime.
mod api {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum WorldKind {
        Processor,
        Source,
        Sink,
    }
    #[derive(Clone, Debug, thiserror::Error)]
    #[error("no call is made here")]
    pub struct CallError;
}
mod bindings {
    pub const PLUGIN_VERSIONS: &[&str] = &["0.1.0"];
}

use api::WorldKind;
use libfuzzer_sys::fuzz_target;

/// Bytes of a refusal's sentence: some names, each cut, and the list of what is provided.
const SENTENCE_LEN_MAX: usize = 4096;

fuzz_target!(init: potok_fuzz::write_seeds_if_asked(seeds), |data: &[u8]| {
    let judged = judge::judge(data);
    match &judged {
        Ok(judged) => accepted(data, judged),
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() <= SENTENCE_LEN_MAX, "{} bytes: {said}", said.len());
        }
    }
    assert_eq!(judge::judge(data), judged);
});

fn accepted(data: &[u8], judged: &judge::Judged) {
    let export = match judged.world {
        WorldKind::Processor => "potok:plugin/processor@0.1.0",
        WorldKind::Source => "potok:plugin/source@0.1.0",
        WorldKind::Sink => "potok:plugin/sink@0.1.0",
    };
    assert!(holds(data, export));
    for import in &judged.imports {
        assert!(holds(data, import));
        assert!(import.starts_with("potok:plugin/") || import.starts_with("wasi:"), "{import}");
    }
    // not enough to say what it is: what is behind the export is needed
    assert!(judge::judge(&data[..8]).is_err());
}

fn holds(data: &[u8], name: &str) -> bool {
    data.windows(name.len()).any(|window| window == name.as_bytes())
}

/// Components of every world, with imports, nested modules and functions; a core module.
fn seeds() -> Vec<Vec<u8>> {
    let export =
        |world: &str, at: u32| format!("(instance) (export \"potok:plugin/{world}@0.1.0\" (instance {at}))");
    let nested = "(core module (memory 1) (func (export \"f\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))";
    let texts = [
        format!("(component {})", export("processor", 0)),
        format!("(component {nested} (component {nested}) {})", export("sink", 0)),
        format!(
            "(component (import \"potok:plugin/state@0.1.0\" (instance)) (import \"wasi:io/poll@0.2.9\" (instance)) {})",
            export("processor", 2)
        ),
        format!("(component (import \"potok:plugin/state@0.1.0\" (instance)) {})", export("source", 1)),
        format!("(component {} {})", export("source", 0), export("sink", 2)),
        "(component (import \"acme:db/query@1.0.0\" (instance)))".to_owned(),
        "(component (instance) (export \"potok:plugin/processor@9.0.0\" (instance 0)))".to_owned(),
        "(module (func (export \"f\")))".to_owned(),
    ];
    let parse = |text: &String| wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    texts.iter().map(parse).collect()
}
