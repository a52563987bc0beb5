//! Fetch (key 1): batches from the log, as the bytes they are. An answer comes as soon as there are `min_bytes`, an error,
//! something on the disk only, or no time left; meanwhile the partitions that were asked for are watched, not polled.
//! Sessions (KIP-227) remember a client's partitions, so that it says and hears only what changed.

mod read;
mod session;
mod wait;
mod wire;

pub(crate) use session::Sessions;

use crate::answer::Answer;
use crate::call::Call;
use crate::error::Fault;
use kafka_protocol::messages::FetchRequest;
use read::Reading;
use session::Opened;
use std::time::Duration;

/// A client that asks for more patience than this is answered after it anyway, empty: it asks again.
const WAIT_MAX: Duration = Duration::from_secs(300);

pub(crate) async fn handle(call: &Call, request: FetchRequest) -> Result<Answer, Fault> {
    let broker = &call.broker;
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0);
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(broker.settings.fetch_bytes_max);
    let committed_only = request.isolation_level == 1;
    let opened = match session::open(call, request) {
        Ok(opened) => opened,
        Err(code) => return wire::refusal(&call.header, code),
    };
    let Opened { session, wants, begin } = opened;
    let grant = broker.budget.grant(bytes_max);
    let reading = Reading::new(broker, wants, begin, committed_only, (bytes_min, grant.bytes));
    let mut reading = read::all(reading).await;
    if !wait.is_zero() && reading.bytes() < bytes_min && !reading.is_urgent() {
        reading = wait::until(call, reading, bytes_min, wait).await;
    }
    let told = session.settle(&broker.sessions, &reading);
    let mut grant = grant;
    grant.settle(reading.bytes());
    wire::encode(&call.header, told.session_id, &reading, &told.partitions, committed_only, grant)
}
