//! Numbers for people, beside those that the host keeps of every task.
//! In: names `[a-z_][a-z0-9_]*`. Out: what `/metrics` shows. Invariant: the host adds the task's labels, and drops other names with a line in the log.
//! Each is a call of the host: count over a batch, and report in `end_batch`, where records are many.

use crate::host;

/// Adds to a counter.
pub fn count(name: &str, by: u64) {
    host::count(name, by);
}
/// Sets a gauge.
pub fn gauge(name: &str, value: f64) {
    host::gauge(name, value);
}
/// Adds an observation to a histogram.
pub fn observe(name: &str, value: f64) {
    host::observe(name, value);
}
