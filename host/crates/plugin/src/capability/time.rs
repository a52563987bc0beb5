//! `potok:plugin/time`: the task's time. Nothing to grant, nothing to limit; both answers stand still during one call.

use super::Views;
use crate::bindings::time::{Host as TimeHost, add_to_linker as add};
use crate::host::Host;
use wasmtime::Result;
use wasmtime::component::Linker;

impl TimeHost for Host {
    fn now(&mut self) -> Result<i64> {
        Ok(self.port.now().0)
    }
    fn stream_time(&mut self) -> Result<Option<i64>> {
        Ok(self.port.stream_time().map(|time| time.0))
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
    fn time_is_the_ports() {
        let (_, mut host) = host();
        assert_eq!(host.now().unwrap(), 1_357_000_000_000);
        assert_eq!(host.stream_time().unwrap(), Some(7));
    }
}
