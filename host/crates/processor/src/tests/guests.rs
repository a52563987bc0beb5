//! Native guests that several tests use.

use crate::testing::{Native, covered, fresh};
use potok_plugin::{Body, CallError, Emission, Outcome, RefusedRecord, TaskPort};
use potok_types::{Column, RecordColumns};
use std::collections::BTreeMap;

pub(super) fn text(bytes: Option<&[u8]>) -> &str {
    bytes.map_or("-", |bytes| std::str::from_utf8(bytes).unwrap())
}
pub(super) fn keys(records: &RecordColumns) -> Vec<&str> {
    records.keys.iter().map(text).collect()
}
pub(super) fn values(records: &RecordColumns) -> Vec<&str> {
    records.values.iter().map(text).collect()
}

/// Forwards what does not begin with `drop`; traps at `trap`, refuses `refuse`, breaks at `broken`.
pub(super) fn filter() -> Native {
    Native::new(|_, _, records| filtered(records))
}
pub(super) fn filtered(records: &RecordColumns) -> Result<Outcome, CallError> {
    let mut outcome = covered(records.len());
    let mut indices = Vec::new();
    for (i, value) in (0u32..).zip(values(records)) {
        match value {
            "trap" => return Err(CallError::Trap("unreachable".into())),
            "broken" => return Err(CallError::Broken("it says so".into())),
            value if value.starts_with("refuse") => {
                outcome.refused.push(RefusedRecord { index: i, reason: format!("{value} is not liked") });
            }
            value if value.starts_with("drop") => {}
            _ => indices.push(i),
        }
    }
    outcome.emitted = vec![Emission { output: 0, body: Body::Forward(indices) }];
    Ok(outcome)
}

/// Counts records by key, all keys of a call in one read and one write, and emits each key's count once a call.
pub(super) fn counter() -> Native {
    Native::new(|port, _, records| {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (key, value) in keys(records).into_iter().zip(values(records)) {
            if value == "trap" {
                return Err(CallError::Trap("unreachable".into()));
            }
            *counts.entry(key).or_default() += 1;
        }
        add(port, &mut counts)?;
        let at = records.timestamp(records.len() - 1).0;
        let mut outcome = covered(records.len());
        outcome.emitted = fresh(counts.iter().map(|(key, count)| (at, *key, count.to_string())));
        Ok(outcome)
    })
}
/// Adds what is stored to each count, and stores the sums.
fn add(port: &dyn TaskPort, counts: &mut BTreeMap<&str, u64>) -> Result<(), CallError> {
    let host = |error: potok_plugin::PortError| CallError::Host(error.0);
    let keys: Column = counts.keys().map(|key| Some(key.as_bytes())).collect();
    let stored = port.state_get(0, &keys, 1 << 20).map_err(host)?;
    for (count, stored) in counts.values_mut().zip(stored.iter()) {
        *count += stored.map_or(0, |bytes| text(Some(bytes)).parse().unwrap());
    }
    let sums: Vec<String> = counts.values().map(u64::to_string).collect();
    port.state_put(0, keys, sums.iter().map(|sum| Some(sum.as_bytes())).collect()).map_err(host)
}
