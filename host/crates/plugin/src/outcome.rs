//! What a guest returned, checked before anybody acts on it: columns are sound and of one length, indices rise and lie below
//! `covered`, outputs exist, a call that covers nothing has a reason to. Whatever breaks a rule is [`CallError::Contract`].

use crate::api::{Body, CallError, Emission, Fresh, Outcome, RefusedRecord};
use crate::bindings::records as wit;
use crate::limits::{REASON_LEN_MAX, cut};
use potok_types::{Column, ColumnError, HeaderColumns};

/// What the outcome is an outcome of.
pub(crate) struct Asked {
    /// Records or timers in the call.
    pub(crate) records: usize,
    /// Outputs of the deployment.
    pub(crate) outputs: u32,
    /// Whether records of the input can be forwarded: not so for timers.
    pub(crate) forwards: bool,
}

impl Asked {
    /// The checked outcome.
    pub(crate) fn check(&self, raw: wit::Outcome) -> Result<Outcome, CallError> {
        let covered = raw.covered;
        if covered as usize > self.records {
            return Err(contract(format!("it covered {covered} of {} records", self.records)));
        }
        if covered == 0 && !raw.emitted.is_empty() {
            return Err(contract("it emitted records for none covered, so it would emit them again".into()));
        }
        if covered == 0 && raw.wait.is_none() {
            return Err(contract(
                "it covered no record and named nothing to wait for, so it would never end".into(),
            ));
        }
        Ok(Outcome {
            covered,
            refused: refused(raw.refused, covered)?,
            emitted: raw.emitted.into_iter().map(|e| self.emission(e, covered)).collect::<Result<_, _>>()?,
            wait: raw.wait.map(|reason| cut(reason, REASON_LEN_MAX)),
        })
    }
    fn emission(&self, raw: wit::Emission, covered: u32) -> Result<Emission, CallError> {
        if raw.output >= self.outputs {
            return Err(contract(format!(
                "output {} is not there: the deployment has {}",
                raw.output, self.outputs
            )));
        }
        let body = match raw.body {
            wit::Body::Forward(_) if !self.forwards => {
                return Err(contract("it forwarded records from a call that has none (timers)".into()));
            }
            wit::Body::Forward(packed) => Body::Forward(indices(&packed, covered)?),
            wit::Body::Fresh(raw) => Body::Fresh(fresh(raw).map_err(|error| contract(error.to_string()))?),
        };
        Ok(Emission { output: raw.output, body })
    }
}

fn contract(reason: String) -> CallError {
    CallError::Contract(reason)
}

/// Unpacks indices that have to rise and to lie below `covered`.
fn indices(packed: &[u8], covered: u32) -> Result<Vec<u32>, CallError> {
    let (numbers, rest) = packed.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(contract(format!(
            "`forward` has {} bytes, which is no whole count of u32",
            packed.len()
        )));
    }
    let indices: Vec<u32> = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
    if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(contract(format!("`forward` does not rise: {} after {}", pair[1], pair[0])));
    }
    match indices.last() {
        Some(&last) if last >= covered => {
            Err(contract(format!("`forward` names record {last}, but {covered} are covered")))
        }
        _ => Ok(indices),
    }
}

fn refused(raw: Vec<wit::Refused>, covered: u32) -> Result<Vec<RefusedRecord>, CallError> {
    if let Some(pair) = raw.windows(2).find(|pair| pair[0].index >= pair[1].index) {
        return Err(contract(format!("`refused` does not rise: {} after {}", pair[1].index, pair[0].index)));
    }
    if let Some(last) = raw.last().filter(|last| last.index >= covered) {
        return Err(contract(format!("`refused` names record {}, but {covered} are covered", last.index)));
    }
    let record =
        |raw: wit::Refused| RefusedRecord { index: raw.index, reason: cut(raw.reason, REASON_LEN_MAX) };
    Ok(raw.into_iter().map(record).collect())
}

fn fresh(raw: wit::FreshRecords) -> Result<Fresh, ColumnError> {
    let whole = |what, len: usize, width: usize| {
        if len.is_multiple_of(width) { Ok(len / width) } else { Err(ColumnError::Cut { what, len, width }) }
    };
    let n = whole("timestamps", raw.timestamps.len(), size_of::<i64>())?;
    let same =
        |what, len| if len == n { Ok(()) } else { Err(ColumnError::Length { what, len, expected: n }) };
    let (keys, values) = (column(raw.keys)?, column(raw.values)?);
    same("keys", keys.len())?;
    same("values", values.len())?;
    if whole("partitions", raw.partitions.len(), size_of::<u32>())? != 0 {
        same("partitions", raw.partitions.len() / size_of::<u32>())?;
    }
    let headers = match raw.headers {
        None => None,
        Some(raw) => Some(HeaderColumns::from_parts(raw.ends, column(raw.names)?, column(raw.values)?, n)?),
    };
    let partitions =
        raw.partitions.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number)).collect();
    Ok(Fresh { timestamps: raw.timestamps, keys, values, headers, partitions })
}
fn column(raw: wit::ColumnResult) -> Result<Column, ColumnError> {
    Column::from_parts(raw.data, raw.ends, raw.nulls)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Asked = Asked { records: 3, outputs: 2, forwards: true };

    fn packed(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }
    fn column_of(items: &[&str]) -> wit::ColumnResult {
        crate::capability::raw(items.iter().map(|item| Some(item.as_bytes())).collect())
    }
    fn fresh_of(n: usize) -> wit::FreshRecords {
        let items = vec!["x"; n];
        wit::FreshRecords {
            timestamps: vec![0; 8 * n],
            keys: column_of(&items),
            values: column_of(&items),
            headers: None,
            partitions: vec![],
        }
    }
    fn outcome(covered: u32, emitted: Vec<(u32, wit::Body)>, refused: &[u32]) -> wit::Outcome {
        wit::Outcome {
            covered,
            emitted: emitted.into_iter().map(|(output, body)| wit::Emission { output, body }).collect(),
            refused: refused.iter().map(|&index| wit::Refused { index, reason: "no".into() }).collect(),
            wait: None,
        }
    }
    #[track_caller]
    fn breaks(asked: &Asked, raw: wit::Outcome, reason: &str) {
        match asked.check(raw) {
            Err(CallError::Contract(said)) => assert!(said.contains(reason), "{said:?} lacks {reason:?}"),
            other => panic!("{reason:?} was let through as {other:?}"),
        }
    }
    #[test]
    fn a_sound_outcome_passes() {
        let forward = wit::Body::Forward(packed(&[0, 2]));
        let outcome =
            THREE.check(outcome(3, vec![(1, forward), (0, wit::Body::Fresh(fresh_of(2)))], &[1])).unwrap();
        assert_eq!(outcome.emitted[0], Emission { output: 1, body: Body::Forward(vec![0, 2]) });
        assert_eq!(outcome.refused, [RefusedRecord { index: 1, reason: "no".into() }]);
    }
    #[test]
    fn indices_rise_and_stay_below_what_is_covered() {
        let forward =
            |covered, numbers: &[u32]| outcome(covered, vec![(0, wit::Body::Forward(packed(numbers)))], &[]);
        breaks(&THREE, forward(3, &[1, 1]), "does not rise");
        breaks(&THREE, forward(3, &[3]), "names record 3");
        breaks(&THREE, forward(1, &[1]), "names record 1");
        breaks(&THREE, outcome(3, vec![(0, wit::Body::Forward(vec![0; 5]))], &[]), "no whole count");
        breaks(&THREE, outcome(3, vec![], &[2, 0]), "does not rise");
        breaks(&THREE, outcome(2, vec![], &[2]), "names record 2");
    }
    #[test]
    fn a_call_goes_on_or_says_why_not() {
        breaks(&THREE, outcome(4, vec![], &[]), "covered 4 of 3");
        breaks(&THREE, outcome(0, vec![], &[]), "never end");
        let mut waits = outcome(0, vec![], &[]);
        waits.wait = Some("db is away".into());
        assert_eq!(THREE.check(waits.clone()).unwrap().covered, 0);
        waits.emitted.push(wit::Emission { output: 0, body: wit::Body::Fresh(fresh_of(1)) });
        breaks(&THREE, waits, "emit them again");
    }
    #[test]
    fn outputs_have_to_be_there() {
        breaks(&THREE, outcome(3, vec![(2, wit::Body::Fresh(fresh_of(1)))], &[]), "output 2 is not there");
        let timers = Asked { records: 3, outputs: 2, forwards: false };
        breaks(&timers, outcome(3, vec![(0, wit::Body::Forward(vec![]))], &[]), "timers");
    }
    #[test]
    fn fresh_columns_have_one_length() {
        let with = |change: fn(&mut wit::FreshRecords)| {
            let mut records = fresh_of(2);
            change(&mut records);
            outcome(3, vec![(0, wit::Body::Fresh(records))], &[])
        };
        breaks(&THREE, with(|r| r.timestamps.truncate(15)), "`timestamps` has 15 bytes");
        breaks(&THREE, with(|r| r.timestamps.truncate(8)), "`keys` has 2 items where 1");
        breaks(&THREE, with(|r| r.values = column_of(&["a"])), "`values` has 1 items");
        breaks(&THREE, with(|r| r.partitions = packed(&[1])), "`partitions` has 1 items");
        breaks(&THREE, with(|r| r.keys.ends = packed(&[1, 9])), "ends at 9");
        let headers =
            wit::HeadersResult { ends: packed(&[1]), names: column_of(&["h"]), values: column_of(&["v"]) };
        let mut records = fresh_of(2);
        records.headers = Some(headers);
        breaks(&THREE, outcome(3, vec![(0, wit::Body::Fresh(records))], &[]), "`headers.ends` has 1 items");
    }
    #[test]
    fn reasons_are_cut() {
        let mut raw = outcome(1, vec![], &[0]);
        raw.refused[0].reason = "x".repeat(10 * REASON_LEN_MAX);
        assert_eq!(THREE.check(raw).unwrap().refused[0].reason.len(), REASON_LEN_MAX);
    }
}
