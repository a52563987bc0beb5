//! Listens, takes connections up to a limit, serves each on a task of its own, and stops in order: no more connections, what
//! was read is answered, and whoever waits for records is answered at once.

use crate::api::{BrokerConfigs, Sessions};
use crate::broker::Broker;
use crate::budget::Budget;
use crate::call::Client;
use crate::connection;
use crate::kept::Kept;
use crate::metrics::{Holding, Metrics};
use crate::room::Room;
use crate::settings::Settings;
use potok_coordinator::Coordinator;
use potok_log::{Log, StoreError};
use potok_types::Clock;
use prometheus_client::registry::Registry;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections that wait to be accepted: a burst of a thousand clients finds room.
const BACKLOG: u32 = 1024;
/// After a failed accept (file descriptors are used up, most of the time) the next is tried this much later.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// After this long without a sign of life a peer is asked for one, so that connections to machines that have gone end.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// What the server serves.
#[derive(Debug)]
pub struct Components {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Groups and transactions.
    pub coordinator: Coordinator,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where the log lies, for those who ask how full its disk is.
    pub folder: PathBuf,
    /// What clients tell this cluster from others by; it stays the same across starts.
    pub cluster_id: String,
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}; is another server there?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The address for clients is none.
    #[error("kafka.advertised={0:?} is no host:port")]
    Advertised(String),
    /// What is kept for clients cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A port that is taken: clients that connect wait until the server that is bound to it runs. Taken before the log is opened, it
/// keeps a second server from beginning on anything.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Door {
    /// Listens where the settings say, when what they tell clients can be told. Called within a Tokio runtime.
    pub fn open(settings: &Settings) -> Result<Door, BindError> {
        if let Some(wrong) =
            settings.advertised.as_ref().filter(|text| crate::broker::host_and_port(text).is_none())
        {
            return Err(BindError::Advertised(wrong.clone()));
        }
        let address = settings.listen;
        let listening = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (local_addr, listener) = listening.map_err(|source| BindError::Listen { address, source })?;
        Ok(Door { listener, local_addr })
    }
}

/// A server that listens, and serves once it is run.
#[derive(Debug)]
pub struct Server {
    door: Door,
    broker: Arc<Broker>,
    registry: Arc<Registry>,
}

impl Server {
    /// Listens; clients that connect wait until [`Server::run`]. Called within a Tokio runtime.
    pub fn bind(settings: Settings, components: Components) -> Result<Server, BindError> {
        Server::over(Door::open(&settings)?, settings, components)
    }
    /// A server at a door that listens already.
    pub fn over(door: Door, settings: Settings, components: Components) -> Result<Server, BindError> {
        let mut registry = Registry::default();
        let broker = broker(settings, components, &mut registry)?;
        let broker = Arc::new(broker);
        registry.register_collector(Box::new(Holding(Arc::clone(&broker))));
        Ok(Server { door, broker, registry: Arc::new(registry) })
    }
    /// The address with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.door.local_addr
    }
    /// What the server counts, for whoever writes metrics out.
    pub fn metrics(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }
    /// Serves until `stop`, then lets requests finish for a bounded time. Whoever waits for records is answered at once.
    pub async fn run(self, stop: CancellationToken) {
        let Server { door: Door { listener, .. }, broker, .. } = self;
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(broker.settings.connections_max));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            connections.spawn(serve(Arc::clone(&broker), stream, peer, place));
                        }
                        Err(_) => {
                            broker.metrics.connections_refused.inc();
                        }
                    },
                    Err(error) => {
                        tracing::warn!(%error, "kafka: a connection was not accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                },
            }
        }
        drop(listener);
        broker.stop.cancel();
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(broker.settings.stop_timeout(), finished).await.is_err() {
            tracing::warn!(open = connections.len(), "kafka: requests were cut off");
        }
        connections.shutdown().await;
    }
}

/// What every handler has at hand, over these rooms.
pub(crate) fn broker(
    settings: Settings,
    components: Components,
    registry: &mut Registry,
) -> Result<Broker, BindError> {
    Ok(Broker {
        configs: BrokerConfigs::open(&*components.log)?,
        quotas: Kept::open(&*components.log, "client-quotas")?,
        credentials: Kept::open(&*components.log, "scram-credentials")?,
        log: components.log,
        coordinator: components.coordinator,
        clock: components.clock,
        metrics: Metrics::new(registry),
        room: Room::new(settings.requests_bytes_max),
        unpacking: Semaphore::new(cores()),
        budget: Budget::new(settings.answers_bytes_max),
        sessions: Sessions::default(),
        folder: components.folder,
        settings,
        cluster_id: components.cluster_id,
        stop: CancellationToken::new(),
    })
}

/// So many can unpack at a time without waiting for each other, each into memory of its own.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(broker: Arc<Broker>, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
    let _place = place;
    // small answers are not to wait for the client's acknowledgement of the ones before
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4));
    let Ok(local) = stream.local_addr() else { return };
    let gone = broker.stop.child_token();
    broker.metrics.connections.inc();
    connection::serve(Arc::clone(&broker), stream, Client { peer, local, gone }).await;
    broker.metrics.connections.dec();
}
