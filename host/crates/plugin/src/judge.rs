//! What can be said of an upload without compiling it: is it a component, whole, of a known world and version, with imports that
//! are provided, and small enough for the compiler. In go the bytes, out comes its kind or the first reason against it.
//! Time and memory are linear in the bytes; types are the compiler's to check.

use crate::api::WorldKind;
use crate::bindings::PLUGIN_VERSIONS;
use crate::error::PushError;
use crate::limits::{
    CODE_LEN_MAX, COMPONENT_LEN_MAX, FUNCTION_LEN_MAX, FUNCTIONS_MAX, NESTED_MODULES_MAX, SECTION_ITEMS_MAX,
};
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// What an upload is by its outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) world: WorldKind,
    /// Every interface that it imports, with its version.
    pub(crate) imports: Vec<String>,
}

/// The package of the plugin boundary.
const PACKAGE: &str = "potok:plugin/";
/// Interfaces of it that any plugin may import.
const CAPABILITIES: &[&str] =
    &["records", "about", "validation", "state", "timers", "time", "logging", "metrics", "secrets", "text"];
/// Of those, what only a processor has.
const PROCESSOR_ONLY: &[&str] = &["state", "timers"];
/// Interfaces of WASI 0.2 that are linked (to stubs that give nothing away).
const WASI: &[&str] =
    &["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
const WASI_VERSION: &str = "0.2.";

/// Judges an upload by its length alone, before anything else touches it.
pub(crate) fn judge_len(len: usize) -> Result<(), PushError> {
    if len > COMPONENT_LEN_MAX {
        return Err(too_large("its length in bytes", len, COMPONENT_LEN_MAX));
    }
    Ok(())
}
/// Judges an upload by its outside.
pub(crate) fn judge(component: &[u8]) -> Result<Judged, PushError> {
    judge_len(component.len())?;
    let outside = read(component)?;
    let world = world(&outside.exports)?;
    outside.imports.iter().try_for_each(|name| provided(name, world))?;
    Ok(Judged { world, imports: outside.imports })
}

fn too_large(what: &'static str, got: usize, limit: usize) -> PushError {
    PushError::TooLarge { what, got: got as u64, limit: limit as u64 }
}

#[derive(Default)]
struct Outside {
    imports: Vec<String>,
    exports: Vec<String>,
    nested: usize,
    functions: usize,
    code_len: usize,
}

/// Walks the sections of the component and of all that is nested in it.
fn read(component: &[u8]) -> Result<Outside, PushError> {
    let mut outside = Outside::default();
    let mut depth = 0_usize;
    header(component)?;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| malformed(&error, component.len()))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(PushError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                outside.nest()?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            payload => outside.take_in(payload, depth).map_err(|error| match error {
                Reason::Parse(error) => malformed(&error, component.len()),
                Reason::Push(error) => error,
            })?,
        }
    }
    Ok(outside)
}

/// The four bytes of the magic tell a file that was never WebAssembly from one that is damaged.
fn header(component: &[u8]) -> Result<(), PushError> {
    const MAGIC: &[u8] = b"\0asm";
    if component.is_empty() {
        return Err(PushError::NotWasm("nothing: the body is empty".into()));
    }
    if !component.starts_with(&MAGIC[..component.len().min(MAGIC.len())]) {
        let start = &component[..component.len().min(8)];
        return Err(PushError::NotWasm(format!("\"{}\"", start.escape_ascii())));
    }
    Ok(())
}

enum Reason {
    Parse(wasmparser::BinaryReaderError),
    Push(PushError),
}
impl From<wasmparser::BinaryReaderError> for Reason {
    fn from(error: wasmparser::BinaryReaderError) -> Reason {
        Reason::Parse(error)
    }
}

impl Outside {
    fn nest(&mut self) -> Result<(), PushError> {
        self.nested += 1;
        if self.nested > NESTED_MODULES_MAX {
            return Err(too_large("its number of nested modules", self.nested, NESTED_MODULES_MAX));
        }
        Ok(())
    }
    fn take_in(&mut self, payload: Payload<'_>, depth: usize) -> Result<(), Reason> {
        match payload {
            Payload::ComponentImportSection(section) if depth == 0 => {
                few(section.count())?;
                for import in section {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                few(section.count())?;
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions += count as usize;
                if self.functions > FUNCTIONS_MAX {
                    return Err(Reason::Push(too_large(
                        "its number of functions",
                        self.functions,
                        FUNCTIONS_MAX,
                    )));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let got = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                self.code_len = self.code_len.saturating_add(got);
                let (of_one, of_all) =
                    ("the largest of its functions in bytes", "the code of its functions in bytes");
                if got > FUNCTION_LEN_MAX {
                    return Err(Reason::Push(too_large(of_one, got, FUNCTION_LEN_MAX)));
                }
                if self.code_len > CODE_LEN_MAX {
                    return Err(Reason::Push(too_large(of_all, self.code_len, CODE_LEN_MAX)));
                }
            }
            _ => (),
        }
        Ok(())
    }
}
fn few(count: u32) -> Result<(), Reason> {
    if count > SECTION_ITEMS_MAX {
        let (got, limit) = (count as usize, SECTION_ITEMS_MAX as usize);
        return Err(Reason::Push(too_large("a section's number of items", got, limit)));
    }
    Ok(())
}

fn malformed(error: &wasmparser::BinaryReaderError, len: usize) -> PushError {
    // The parser asks for more bytes than there are, whatever it was reading: the file ends early.
    let text = error.message();
    if text.contains("unexpected end") || text.contains("unexpected eof") || error.offset() >= len as u64 {
        return PushError::Truncated(len);
    }
    PushError::Malformed(format!("{text} at byte {}", error.offset()))
}

/// `potok:plugin/<interface>@<version>` in its two parts.
fn of_package(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}
fn known() -> String {
    PLUGIN_VERSIONS.join(", ")
}
fn unknown_version(name: &str) -> PushError {
    PushError::UnknownVersion { name: short(name), known: known() }
}

fn world(exports: &[String]) -> Result<WorldKind, PushError> {
    let mut found = Vec::new();
    for export in exports {
        let Some((interface, version)) = of_package(export) else { continue };
        let kind = match interface {
            "processor" => WorldKind::Processor,
            "source" => WorldKind::Source,
            "sink" => WorldKind::Sink,
            _ => continue,
        };
        if !PLUGIN_VERSIONS.contains(&version) {
            return Err(unknown_version(export));
        }
        found.push((kind, export.as_str()));
    }
    match found.as_slice() {
        [(kind, _)] => Ok(*kind),
        [] => Err(PushError::UnknownWorld { exports: listed(exports), known: known() }),
        several => Err(PushError::SeveralWorlds(listed(
            &several.iter().map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>(),
        ))),
    }
}
/// Names shown in a sentence: a hostile component has millions.
const NAMES_SHOWN_MAX: usize = 5;
fn listed(exports: &[String]) -> String {
    if exports.is_empty() {
        return "no interface".into();
    }
    let shown = exports.iter().take(NAMES_SHOWN_MAX).map(|name| short(name)).collect::<Vec<_>>().join(", ");
    if exports.len() > NAMES_SHOWN_MAX { format!("{shown} and others") } else { shown }
}
fn short(name: &str) -> String {
    crate::limits::cut(name.to_owned(), crate::limits::NAME_LEN_MAX)
}

fn provided(name: &str, world: WorldKind) -> Result<(), PushError> {
    if let Some((interface, version)) = of_package(name) {
        if CAPABILITIES.contains(&interface)
            && (world == WorldKind::Processor || !PROCESSOR_ONLY.contains(&interface))
        {
            let known = PLUGIN_VERSIONS.contains(&version);
            return if known { Ok(()) } else { Err(unknown_version(name)) };
        }
    } else if let Some((interface, version)) = name.split_once('@')
        && WASI.iter().any(|package| interface.starts_with(package))
        && version.starts_with(WASI_VERSION)
    {
        return Ok(());
    }
    let hidden = |name: &&&str| world == WorldKind::Processor || !PROCESSOR_ONLY.contains(*name);
    let own =
        CAPABILITIES.iter().filter(hidden).map(|name| format!("{PACKAGE}{name}@{}", PLUGIN_VERSIONS[0]));
    let wasi = WASI.iter().map(|package| format!("{package}*@{WASI_VERSION}x"));
    Err(PushError::MissingImport {
        name: short(name),
        world: kind_name(world),
        provided: own.chain(wasi).collect::<Vec<_>>().join(", "),
    })
}
fn kind_name(world: WorldKind) -> &'static str {
    match world {
        WorldKind::Processor => "processor",
        WorldKind::Source => "source",
        WorldKind::Sink => "sink",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with these imports and exports and nothing else, not even names.
    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let import = |name: &&str| format!("(import \"{name}\" (instance))\n");
        let mut body: String = imports.iter().map(import).collect();
        for (i, name) in exports.iter().enumerate() {
            // Each export is an instance of its own in the index space, beside the one that it exports.
            let index = imports.len() + 2 * i;
            body += &format!("(instance) (export \"{name}\" (instance {index}))\n");
        }
        wat::parse_str(format!("(component {body})")).unwrap()
    }
    #[track_caller]
    fn refuses(bytes: &[u8], reason: &str) {
        let said = judge(bytes).unwrap_err().to_string();
        assert!(said.contains(reason), "{said:?} lacks {reason:?}");
    }
    #[test]
    fn a_processor_is_known_by_its_export() {
        let bytes =
            component(&["potok:plugin/state@0.1.0", "wasi:io/poll@0.2.9"], &["potok:plugin/processor@0.1.0"]);
        let judged = judge(&bytes).unwrap();
        assert_eq!(judged.world, WorldKind::Processor);
        assert_eq!(judged.imports, ["potok:plugin/state@0.1.0", "wasi:io/poll@0.2.9"]);
    }
    #[test]
    fn what_is_no_component_is_named() {
        refuses(b"", "empty");
        refuses(b"#!/bin/sh\n", "#!/bin/s");
        refuses(b"\0as", "cut off");
        refuses(&wat::parse_str("(module)").unwrap(), "core WebAssembly module");
        refuses(&vec![0; COMPONENT_LEN_MAX + 1], "too large");
    }
    #[test]
    fn every_cut_of_a_component_is_refused() {
        let whole = component(&["potok:plugin/time@0.1.0"], &["potok:plugin/processor@0.1.0"]);
        for len in 0..whole.len() {
            let said = judge(&whole[..len]).unwrap_err();
            // A cut between two sections leaves a component without the export: that has its own sentence.
            let named = matches!(
                said,
                PushError::Truncated(_) | PushError::UnknownWorld { .. } | PushError::NotWasm(_)
            );
            assert!(named, "{len} bytes: {said}");
        }
    }
    #[test]
    fn worlds_and_versions_have_to_be_known() {
        refuses(&component(&[], &[]), "exports no interface");
        refuses(&component(&[], &["wasi:cli/run@0.2.0"]), "exports wasi:cli/run@0.2.0");
        refuses(&component(&[], &["potok:plugin/processor@0.9.0"]), "uses potok:plugin/processor@0.9.0");
        refuses(
            &component(&["potok:plugin/time@0.2.0"], &["potok:plugin/sink@0.1.0"]),
            "uses potok:plugin/time@0.2.0",
        );
        refuses(&component(&[], &["potok:plugin/processor@0.1.0", "potok:plugin/sink@0.1.0"]), "one of them");
    }
    #[test]
    fn imports_have_to_be_provided() {
        let with = |import| component(&[import], &["potok:plugin/processor@0.1.0"]);
        refuses(&with("wasi:http/outgoing-handler@0.2.0"), "imports wasi:http/outgoing-handler@0.2.0");
        refuses(&with("wasi:io/poll@0.3.0"), "provided are potok:plugin/records@0.1.0");
        refuses(&with("acme:db/query@1.0.0"), "nothing provides to a processor");
        refuses(
            &component(&["potok:plugin/state@0.1.0"], &["potok:plugin/source@0.1.0"]),
            "provides to a source",
        );
    }
    #[test]
    fn what_would_choke_the_compiler_is_too_large() {
        let modules = "(core module)".repeat(NESTED_MODULES_MAX + 1);
        refuses(&wat::parse_str(format!("(component {modules})")).unwrap(), "nested modules");
        let body = "nop ".repeat(FUNCTION_LEN_MAX);
        refuses(
            &wat::parse_str(format!("(component (core module (func {body})))")).unwrap(),
            "largest of its functions",
        );
    }
}
