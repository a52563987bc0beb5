//! `potok:plugin/metrics`: numbers for people. Nothing to grant. Limits: `METRIC_NAMES_MAX` an instance, `METRIC_NAME_LEN_MAX`.
//! What breaks a rule is dropped with one line in the guest's log, for the first of them only: a metric must not end a call.

use super::Views;
use crate::api::LogLevel;
use crate::bindings::metrics::{Host as MetricsHost, add_to_linker as add};
use crate::host::Host;
use crate::limits::{METRIC_NAME_LEN_MAX, METRIC_NAMES_MAX};
use std::collections::HashSet;
use wasmtime::Result;
use wasmtime::component::Linker;

/// The names that an instance has used.
#[derive(Debug, Default)]
pub(crate) struct MetricNames {
    names: HashSet<String>,
    warned: bool,
}
impl MetricNames {
    fn check(&mut self, name: &str) -> Result<(), String> {
        if self.names.contains(name) {
            return Ok(());
        }
        if name.len() > METRIC_NAME_LEN_MAX || !is_name(name) {
            return Err(format!(
                "metric dropped: a name is [a-z_][a-z0-9_]* of at most {METRIC_NAME_LEN_MAX} characters, not {:?}",
                name.chars().take(METRIC_NAME_LEN_MAX).collect::<String>()
            ));
        }
        if self.names.len() == METRIC_NAMES_MAX {
            return Err(format!(
                "metric dropped: this task has {METRIC_NAMES_MAX} names already, {name} is one more"
            ));
        }
        self.names.insert(name.to_owned());
        Ok(())
    }
}
fn is_name(name: &str) -> bool {
    let mut chars = name.bytes();
    chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == b'_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

impl Host {
    /// Whether the metric is kept; says why not, once.
    fn keeps_metric(&mut self, name: &str, value: f64) -> bool {
        let sound =
            if value.is_finite() { Ok(()) } else { Err(format!("metric dropped: {name} is {value}")) };
        let Err(reason) = self.metrics.check(name).and(sound) else { return true };
        if !std::mem::replace(&mut self.metrics.warned, true) {
            self.port.log(LogLevel::Warn, reason);
        }
        false
    }
}
impl MetricsHost for Host {
    fn count(&mut self, name: String, by: u64) -> Result<()> {
        if self.keeps_metric(&name, 0.0) {
            self.port.count(&name, by);
        }
        Ok(())
    }
    fn gauge(&mut self, name: String, value: f64) -> Result<()> {
        if self.keeps_metric(&name, value) {
            self.port.gauge(&name, value);
        }
        Ok(())
    }
    fn observe(&mut self, name: String, value: f64) -> Result<()> {
        if self.keeps_metric(&name, value) {
            self.port.observe(&name, value);
        }
        Ok(())
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    add::<Host, Views>(linker, |host| host)
}

#[cfg(test)]
mod tests {
    use super::super::testing::host;
    use super::*;

    #[test]
    fn sound_metrics_reach_the_port() {
        let (port, mut host) = host();
        host.count("seen_total".into(), 2).unwrap();
        host.gauge("depth".into(), 1.5).unwrap();
        host.observe("_x9".into(), -1.0).unwrap();
        assert_eq!(*port.said.lock(), ["count seen_total 2", "gauge depth 1.5", "observe _x9 -1"]);
    }
    #[test]
    fn unsound_metrics_are_dropped_with_one_line() {
        let (port, mut host) = host();
        for name in ["", "9a", "Upper", "with space", &"a".repeat(METRIC_NAME_LEN_MAX + 1)] {
            host.count(name.into(), 1).unwrap();
        }
        host.gauge("fine".into(), f64::NAN).unwrap();
        assert_eq!(port.said.lock().len(), 1);
        assert!(port.said.lock()[0].starts_with("Warn metric dropped"));
    }
    #[test]
    fn names_are_bounded() {
        let (port, mut host) = host();
        for i in 0..METRIC_NAMES_MAX + 10 {
            host.count(format!("m{i}"), 1).unwrap();
        }
        assert_eq!(port.said.lock().len(), METRIC_NAMES_MAX + 1);
    }
}
