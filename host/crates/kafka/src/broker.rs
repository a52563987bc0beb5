//! What every handler has at hand: the rooms' doors, the settings, the bounds, the metrics.

use crate::api::{BrokerConfigs, Credentials, Quotas, Sessions};
use crate::budget::Budget;
use crate::call::Client;
use crate::kept::Kept;
use crate::metrics::Metrics;
use crate::room::Room;
use crate::settings::Settings;
use kafka_protocol::messages::BrokerId;
use potok_coordinator::Coordinator;
use potok_log::Log;
use potok_types::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// There is one node; Kafka's own tests and tools expect 0 of it.
pub(crate) const NODE: BrokerId = BrokerId(0);

/// Shared by all connections.
#[derive(Debug)]
pub(crate) struct Broker {
    /// The records.
    pub(crate) log: Arc<dyn Log>,
    /// Groups and transactions.
    pub(crate) coordinator: Coordinator,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Configs of the broker that clients have set.
    pub(crate) configs: BrokerConfigs,
    /// Limits that clients have set.
    pub(crate) quotas: Kept<Quotas>,
    /// What proves the passwords that clients have set.
    pub(crate) credentials: Kept<Credentials>,
    /// Where the log lies.
    pub(crate) folder: PathBuf,
    /// The settings.
    pub(crate) settings: Settings,
    /// What this room counts.
    pub(crate) metrics: Metrics,
    /// Room for requests.
    pub(crate) room: Room,
    /// Places for those who unpack what producers sent.
    pub(crate) unpacking: Semaphore,
    /// Memory for fetched batches.
    pub(crate) budget: Budget,
    /// What clients who fetch are remembered by.
    pub(crate) sessions: Sessions,
    /// The name of the cluster, for clients to tell one from another.
    pub(crate) cluster_id: String,
    /// Cancelled when the server is told to stop.
    pub(crate) stop: CancellationToken,
}

impl Broker {
    /// Host and port at which `client` finds this node.
    pub(crate) fn address(&self, client: &Client) -> (String, i32) {
        let advertised = self.settings.advertised.as_deref().and_then(host_and_port);
        advertised.unwrap_or_else(|| {
            // an IPv4 client that reached a socket for both sees its own kind of address
            (client.local.ip().to_canonical().to_string(), client.local.port().into())
        })
    }
}

/// `host:port` in two.
pub(crate) fn host_and_port(text: &str) -> Option<(String, i32)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse::<u16>().ok()?;
    (!host.is_empty() && port > 0).then(|| (host.to_owned(), port.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_is_a_host_and_a_port() {
        assert_eq!(host_and_port("broker.example.org:9092"), Some(("broker.example.org".to_owned(), 9092)));
        assert_eq!(host_and_port("[::1]:9092"), Some(("::1".to_owned(), 9092)));
        for wrong in ["", "host", ":9092", "host:0", "host:65536", "host:x"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }
}
