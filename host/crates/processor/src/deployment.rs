//! Deployments: what is asked for is checked against module and topics, what is agreed is kept as JSON in the log's meta.
//! In come specs, out go deployments or the one sentence why not. Nothing is changed here.

use crate::api::{DEAD_LETTER_SUFFIX, DeployError, DeploySpec, Deployment, StartAt};
use crate::guest::Guests;
use bytes::Bytes;
use potok_log::{Log, MetaKind, ReadError, Topic};
use potok_plugin::{Grant, InstanceSettings, ModuleInfo, Port, WorldKind};
use potok_types::{Digest, ModuleName, NAME_LEN_MAX, Offset, ProcessorName, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Inputs or outputs of one deployment.
const PORTS_MAX: usize = 64;
/// Memory of an instance, in bytes: below 1 MiB no guest with a heap starts, above 4 GiB 32 bits do not reach.
const MEMORY_BYTES: RangeInclusive<usize> = 1 << 20..=4 << 30;
/// A call's deadline, in milliseconds: ten minutes hold a task's other work up long enough.
const DEADLINE_MS: RangeInclusive<u64> = 1..=600_000;
/// Bytes that a call returns: what the host must hold at once for each task.
const OUTPUT_BYTES: RangeInclusive<usize> = 4 << 10..=1 << 30;
/// Log lines a second of a task.
const LOG_LINES_MAX: u32 = 100_000;

/// The form in which a deployment is kept. A field that is added needs a default; a change of meaning a new version.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    deployment: Deployment,
}
const VERSION: u32 = 1;

/// The bytes that are kept of a deployment.
pub(crate) fn encode(deployment: &Deployment) -> Result<Bytes, String> {
    let stored = Stored { version: VERSION, deployment: deployment.clone() };
    serde_json::to_vec(&stored).map(Bytes::from).map_err(|error| error.to_string())
}

/// A deployment that was kept.
pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Deployment, String> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let damaged =
        |error: serde_json::Error| format!("the deployment of processor {name} is damaged: {error}");
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.version != VERSION {
        let found = head.version;
        return Err(format!(
            "the deployment of processor {name} has version {found}, this program knows {VERSION}"
        ));
    }
    let stored: Stored = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(stored.deployment)
}

/// What a spec asks for, found and checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) module: ModuleInfo,
    pub(crate) module_name: Option<ModuleName>,
    pub(crate) inputs: Vec<Arc<Topic>>,
}

/// Checks a spec on its own: module, topics, configuration, grants, limits.
pub(crate) fn check(
    log: &dyn Log,
    guests: &dyn Guests,
    name: &ProcessorName,
    spec: &DeploySpec,
) -> Result<Checked, DeployError> {
    check_numbers(name, spec)?;
    let (module, module_name) = find_module(log, guests, &spec.module)?;
    if module.world != WorldKind::Processor {
        let world = if module.world == WorldKind::Source { "source" } else { "sink" };
        return Err(DeployError::NotAProcessor(spec.module.clone(), world.to_owned()));
    }
    check_ports("input", &module.description.inputs, spec.inputs.len())?;
    check_ports("output", &module.description.outputs, spec.outputs.len())?;
    check_names(name, spec)?;
    let unknown = |input: &TopicName| DeployError::UnknownInput(input.clone());
    let inputs: Vec<_> = spec
        .inputs
        .iter()
        .map(|input| log.topic(input).ok_or_else(|| unknown(input)))
        .collect::<Result<_, _>>()?;
    if let Some(output) = spec.outputs.iter().find(|output| log.topic(output).is_none()) {
        return Err(DeployError::UnknownOutput(output.clone()));
    }
    check_partitions(&inputs)?;
    guests.check_config(module.digest, &spec.config).map_err(DeployError::Config)?;
    Ok(Checked { module, module_name, inputs })
}

fn check_numbers(name: &ProcessorName, spec: &DeploySpec) -> Result<(), DeployError> {
    let invalid = |text: String| Err(DeployError::Invalid(text));
    let InstanceSettings { memory_bytes_max, deadline_ms, output_bytes_max, replace_at_bytes: _ } =
        spec.limits;
    if !MEMORY_BYTES.contains(&memory_bytes_max) {
        return invalid(format!(
            "limits.memory_bytes_max is {memory_bytes_max}, it goes from 1 MiB to 4 GiB"
        ));
    }
    if !DEADLINE_MS.contains(&deadline_ms) {
        return invalid(format!("limits.deadline_ms is {deadline_ms}, it goes from 1 to 600000"));
    }
    if !OUTPUT_BYTES.contains(&output_bytes_max) {
        return invalid(format!(
            "limits.output_bytes_max is {output_bytes_max}, it goes from 4 KiB to 1 GiB"
        ));
    }
    if spec.log_lines_per_second > LOG_LINES_MAX {
        let asked = spec.log_lines_per_second;
        return invalid(format!("log_lines_per_second is {asked}, it goes from 0 to {LOG_LINES_MAX}"));
    }
    if name.as_str().len() + DEAD_LETTER_SUFFIX.len() > NAME_LEN_MAX {
        let most = NAME_LEN_MAX - DEAD_LETTER_SUFFIX.len();
        return invalid(format!(
            "a processor's name has at most {most} characters, so that its dead-letter topic has one"
        ));
    }
    if !spec.config.is_object() {
        return invalid("config must be a JSON object".to_owned());
    }
    spec.grants.iter().try_for_each(check_grant)
}

fn check_grant(grant: &Grant) -> Result<(), DeployError> {
    let (what, value) = match grant {
        Grant::Secret(name) if name.is_empty() || name.len() > NAME_LEN_MAX => {
            let text = format!("a secret's name has 1 to {NAME_LEN_MAX} characters, not {}", name.len());
            return Err(DeployError::Invalid(text));
        }
        Grant::Secret(_) => return Ok(()),
        Grant::Tcp(to) => ("tcp", to),
        Grant::Http(to) => ("http", to),
        Grant::Directory { name, .. } => ("directory", name),
        Grant::Database(name) => ("database", name),
    };
    let text = format!(
        "a processor cannot be granted {what} {value:?}: only connectors reach outside, processors get secrets"
    );
    Err(DeployError::Invalid(text))
}

fn check_ports(what: &'static str, ports: &[Port], given: usize) -> Result<(), DeployError> {
    if given > PORTS_MAX || (what == "input" && given == 0) {
        return Err(DeployError::Invalid(format!(
            "a processor has 1 to {PORTS_MAX} inputs and at most as many outputs"
        )));
    }
    if ports.len() == given {
        return Ok(());
    }
    let mut names = ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        names.push_str("none");
    }
    Err(DeployError::Ports { what, have: ports.len(), names, given })
}

fn check_names(name: &ProcessorName, spec: &DeploySpec) -> Result<(), DeployError> {
    let dead_letters = format!("{name}{DEAD_LETTER_SUFFIX}");
    for (i, input) in spec.inputs.iter().enumerate() {
        if spec.inputs[..i].contains(input) {
            return Err(DeployError::Invalid(format!("topic {input} is named twice among the inputs")));
        }
        if input.as_str() == dead_letters {
            return Err(DeployError::Invalid(format!("{input} is this processor's own dead-letter topic")));
        }
    }
    for output in &spec.outputs {
        if output.is_internal() {
            return Err(DeployError::Invalid(format!(
                "topic {output} is Potok's own and cannot be an output"
            )));
        }
        if spec.inputs.contains(output) {
            let text =
                format!("topic {output} is both input and output: the processor would feed itself for ever");
            return Err(DeployError::Invalid(text));
        }
    }
    Ok(())
}

fn check_partitions(inputs: &[Arc<Topic>]) -> Result<(), DeployError> {
    if inputs.windows(2).all(|pair| pair[0].partitions == pair[1].partitions) {
        return Ok(());
    }
    let counts =
        inputs.iter().map(|topic| format!("{} has {}", topic.name, topic.partitions)).collect::<Vec<_>>();
    Err(DeployError::NotCoPartitioned(counts.join(", ")))
}

/// A module by digest or by name.
fn find_module(
    log: &dyn Log,
    guests: &dyn Guests,
    text: &str,
) -> Result<(ModuleInfo, Option<ModuleName>), DeployError> {
    let unknown = || DeployError::UnknownModule(text.chars().take(NAME_LEN_MAX).collect());
    if let Ok(digest) = text.parse::<Digest>() {
        return guests.module(digest).map(|module| (module, None)).ok_or_else(unknown);
    }
    let name: ModuleName = text.parse().map_err(|_| unknown())?;
    let kept =
        log.meta_get(MetaKind::Module, name.as_str()).map_err(|error| DeployError::Log(error.to_string()))?;
    let digest = kept.as_deref().and_then(digest_in).ok_or_else(unknown)?;
    guests.module(digest).map(|module| (module, Some(name))).ok_or_else(unknown)
}

/// The digest that a module's name points at: 64 hexadecimal digits, alone or as the field `digest` of a JSON object.
fn digest_in(kept: &[u8]) -> Option<Digest> {
    if let Some(digest) = std::str::from_utf8(kept).ok().and_then(|text| text.trim().parse().ok()) {
        return Some(digest);
    }
    #[derive(Deserialize)]
    struct Named {
        digest: Digest,
    }
    serde_json::from_slice::<Named>(kept).ok().map(|named| named.digest)
}

/// The offset that a start means in one partition. An offset outside of what is there means the nearest that is.
pub(crate) fn start_offset(log: &dyn Log, at: TopicPartition, start: StartAt) -> Result<Offset, String> {
    let ends = log.ends(at).map_err(|error| error.to_string())?;
    Ok(match start {
        StartAt::Earliest => ends.log_start,
        StartAt::Latest => ends.high_watermark,
        StartAt::Offset(offset) => offset.clamp(ends.log_start, ends.high_watermark),
        StartAt::Time(time) => {
            let found = log.offset_at(at, time).map_err(|error: ReadError| error.to_string())?;
            found.map_or(ends.high_watermark, |(offset, _)| offset)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_name_points_at_a_digest_plain_or_in_json() {
        let digest = Digest([7; 32]);
        assert_eq!(digest_in(digest.to_string().as_bytes()), Some(digest));
        assert_eq!(digest_in(format!("{{\"digest\":\"{digest}\",\"at\":1}}").as_bytes()), Some(digest));
        assert_eq!(digest_in(b"{}"), None);
        assert_eq!(digest_in(&[0xff]), None);
    }
    #[test]
    fn grants_that_a_processor_cannot_use_are_refused() {
        assert!(check_grant(&Grant::Secret("token".into())).is_ok());
        assert!(check_grant(&Grant::Secret(String::new())).is_err());
        let error = check_grant(&Grant::Tcp("db:5432".into())).unwrap_err().to_string();
        assert!(error.contains("tcp \"db:5432\""), "{error}");
    }
}
