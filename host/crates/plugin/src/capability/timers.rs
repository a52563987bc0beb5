//! `potok:plugin/timers`: durable timers of one task. Nothing to grant.
//! Limits: `TIMERS_PER_CALL_MAX` sets and cancels a call, `TIMER_KEY_LEN_MAX`, `TIMER_PAYLOAD_LEN_MAX`,
//! `TIMER_BYTES_PER_CALL_MAX`. Past any of them the call ends. The port keeps them until the outcome commits.

use super::{Views, broken};
use crate::api::{TimerClock, TimerRequest};
use crate::bindings::timers::{Clock, Host as TimersHost, TimerResult, add_to_linker as add};
use crate::host::Host;
use crate::limits::{
    TIMER_BYTES_PER_CALL_MAX, TIMER_KEY_LEN_MAX, TIMER_PAYLOAD_LEN_MAX, TIMERS_PER_CALL_MAX,
};
use potok_types::Timestamp;
use wasmtime::Result;
use wasmtime::component::Linker;

/// What this call did to timers.
#[derive(Debug, Default)]
pub(crate) struct TimerUse {
    changed: u32,
    bytes: usize,
}
impl TimerUse {
    pub(crate) fn begin_call(&mut self) {
        *self = TimerUse::default();
    }
    fn change(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        self.changed += 1;
        self.bytes += key.len() + payload.len();
        if key.len() > TIMER_KEY_LEN_MAX {
            return Err(broken(format!(
                "a timer's key has {} bytes, the limit is {TIMER_KEY_LEN_MAX}",
                key.len()
            )));
        }
        if payload.len() > TIMER_PAYLOAD_LEN_MAX {
            let len = payload.len();
            return Err(broken(format!(
                "a timer's payload has {len} bytes, the limit is {TIMER_PAYLOAD_LEN_MAX}"
            )));
        }
        if self.changed > TIMERS_PER_CALL_MAX || self.bytes > TIMER_BYTES_PER_CALL_MAX {
            return Err(broken(format!(
                "one call changed more than {TIMERS_PER_CALL_MAX} timers or {TIMER_BYTES_PER_CALL_MAX} bytes of them"
            )));
        }
        Ok(())
    }
}

impl TimersHost for Host {
    fn set(&mut self, timer: TimerResult) -> Result<()> {
        self.timers.change(&timer.key, &timer.payload)?;
        self.port.set_timer(TimerRequest {
            clock: clock(timer.clock),
            at: Timestamp(timer.at),
            key: timer.key.into(),
            payload: timer.payload.into(),
        });
        Ok(())
    }
    fn cancel(&mut self, of: Clock, key: Vec<u8>) -> Result<()> {
        self.timers.change(&key, &[])?;
        self.port.cancel_timer(clock(of), key);
        Ok(())
    }
}

fn clock(raw: Clock) -> TimerClock {
    match raw {
        Clock::Event => TimerClock::Event,
        Clock::Wall => TimerClock::Wall,
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    add::<Host, Views>(linker, |host| host)
}

#[cfg(test)]
mod tests {
    use super::super::testing::host;
    use super::*;

    fn timer(key: &[u8], payload: usize) -> TimerResult {
        TimerResult { clock: Clock::Wall, at: 5, key: key.to_vec(), payload: vec![0; payload] }
    }
    #[test]
    fn timers_reach_the_port() {
        let (port, mut host) = host();
        host.set(timer(b"k", 3)).unwrap();
        host.cancel(Clock::Event, b"k".to_vec()).unwrap();
        assert_eq!(*port.said.lock(), ["set Wall 5 b\"k\" 3", "cancel Event k"]);
    }
    #[test]
    fn timers_past_their_limits_end_the_call() {
        let (_, mut host) = host();
        assert!(host.set(timer(&[0; TIMER_KEY_LEN_MAX + 1], 0)).is_err());
        assert!(host.set(timer(b"k", TIMER_PAYLOAD_LEN_MAX + 1)).is_err());
        host.begin_call();
        let set = |host: &mut Host| host.set(timer(b"k", TIMER_PAYLOAD_LEN_MAX));
        let error = (0..TIMERS_PER_CALL_MAX).find_map(|_| set(&mut host).err()).unwrap();
        assert!(error.to_string().contains("one call changed more"), "{error}");
        host.begin_call();
        assert!(set(&mut host).is_ok());
    }
}
