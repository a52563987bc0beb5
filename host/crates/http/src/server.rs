//! Listens, takes connections up to a limit, serves each on a task of its own, and stops in order.

use crate::app::App;
use crate::checkpoint::Checkpoint;
use crate::io::Watched;
use crate::rates::LOOK_EVERY;
use crate::router::router;
use crate::settings::Settings;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use potok_coordinator::Coordinator;
use potok_log::Log;
use potok_plugin::Plugins;
use potok_processor::Processors;
use potok_types::Clock;
use prometheus_client::registry::Registry;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections that wait to be accepted: a burst of a thousand clients finds room.
const BACKLOG: u32 = 1024;
/// After a failed accept (file descriptors are used up, most of the time) the next is tried this much later.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// After this long without a sign of life a peer is asked for one, so that connections to machines that have gone end.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Requests at the same time over one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// Bytes of all headers of a request.
const HEAD_BYTES_MAX: u32 = 32 * 1024;
/// What a connection over the limit is told.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
connection: close\r\n\r\n\
{\"type\":\"urn:potok:problem:overloaded\",\"title\":\"The server is busy\",\"status\":503,\"code\":\"overloaded\",\
\"detail\":\"too many connections are open\",\"remedy\":\"Try again in a moment.\"}";

/// What the server serves.
#[derive(Debug)]
pub struct Components {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The consumer groups, as Kafka's clients have them.
    pub coordinator: Coordinator,
    /// The modules.
    pub plugins: Plugins,
    /// The processors.
    pub processors: Processors,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes backups; none where the log cannot.
    pub checkpoint: Option<Arc<dyn Checkpoint>>,
    /// What other rooms count, for `/metrics`.
    pub numbers: Vec<Arc<Registry>>,
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; is another server there?")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// A port that is taken: clients that connect wait until the server that is bound to it runs. Taken before the log is opened, it
/// keeps a second server from beginning on anything.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Door {
    /// Listens where the settings say. Called within a Tokio runtime.
    pub fn open(settings: &Settings) -> Result<Door, BindError> {
        let address = settings.listen;
        let listening = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (local_addr, listener) = listening.map_err(|source| BindError { address, source })?;
        Ok(Door { listener, local_addr })
    }
}

/// A server that listens, and serves once it is run.
#[derive(Debug)]
pub struct Server {
    door: Door,
    app: App,
}

impl Server {
    /// Listens; clients that connect wait until [`Server::run`]. Called within a Tokio runtime.
    pub fn bind(settings: Settings, components: Components) -> Result<Server, BindError> {
        Ok(Server::over(Door::open(&settings)?, settings, components))
    }
    /// A server at a door that listens already.
    pub fn over(door: Door, settings: Settings, components: Components) -> Server {
        Server { door, app: App::new(settings, components) }
    }
    /// The address with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.door.local_addr
    }
    /// Serves until `stop`, then lets requests finish for a bounded time. Whoever waits for records is answered at once.
    pub async fn run(self, stop: CancellationToken) {
        let Server { door: Door { listener, .. }, app } = self;
        let service = router(app.clone());
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(app.settings.connections_max));
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => app.rates.look(app.clock.monotonic(), &app.processors.list()),
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            connections.spawn(serve(app.clone(), service.clone(), stream, place, graceful.watcher()));
                        }
                        Err(_) => refuse(&app, &stream),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "http: a connection was not accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                },
            }
        }
        drop(listener);
        app.stop.cancel();
        if tokio::time::timeout(app.settings.stop_timeout(), graceful.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "http: requests were cut off");
        }
        connections.shutdown().await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Tells a connection over the limit, without waiting for it.
fn refuse(app: &App, stream: &TcpStream) {
    app.metrics.connections_refused.inc();
    let _ = stream.try_write(FULL);
}

async fn serve(app: App, service: Router, stream: TcpStream, place: OwnedSemaphorePermit, watcher: Watcher) {
    let _place = place;
    let settings = &app.settings;
    // small answers are not to wait for the client's acknowledgement of the ones before
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4));
    let stream = Watched::new(stream, settings.header_timeout(), settings.write_timeout());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        service.clone().oneshot(request.map(Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout())
        .max_buf_size(HEAD_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .keep_alive_interval(settings.header_timeout())
        .keep_alive_timeout(settings.header_timeout());
    app.metrics.connections.inc();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error, "http: a connection ended early");
    }
    app.metrics.connections.dec();
}
