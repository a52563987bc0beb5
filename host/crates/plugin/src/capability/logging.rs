//! `potok:plugin/logging`: lines for people. Nothing to grant. Limit: `LOG_LINE_LEN_MAX`, the rest of a line is cut.
//! How many lines are kept is the port's to say: over the deployment's rate it counts them.

use super::Views;
use crate::api::LogLevel;
use crate::bindings::logging::{Host as LoggingHost, Level, add_to_linker as add};
use crate::host::Host;
use crate::limits::{LOG_LINE_LEN_MAX, cut};
use wasmtime::Result;
use wasmtime::component::Linker;

impl LoggingHost for Host {
    fn log(&mut self, level: Level, message: String) -> Result<()> {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.port.log(level, cut(message, LOG_LINE_LEN_MAX));
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
    fn a_long_line_is_cut() {
        let (port, mut host) = host();
        host.log(Level::Warn, "x".repeat(LOG_LINE_LEN_MAX + 1)).unwrap();
        let said = port.said.lock();
        assert!(said[0].starts_with("Warn xxx") && said[0].ends_with("[cut]"));
        assert_eq!(said[0].len(), "Warn ".len() + LOG_LINE_LEN_MAX);
    }
}
