//! A server over a log in memory, and a client that says exactly what it is told to.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use potok_coordinator::Coordinator;
use potok_kafka::{Components, Server, Settings};
use potok_log::{Log, MemoryLog, NewTopic, Topic};
use potok_types::SystemClock;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen within a minute")
}

/// A running server.
pub(crate) struct Door {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) coordinator: Coordinator,
    pub(crate) address: SocketAddr,
    pub(crate) numbers: Arc<prometheus_client::registry::Registry>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Door {
    pub(crate) async fn open() -> Door {
        Door::with(|_| {}).await
    }
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Door {
        Door::over(MemoryLog::new(SystemClock::shared()), change).await
    }
    /// Over a log that the test made.
    pub(crate) async fn over(log: Arc<dyn Log>, change: impl FnOnce(&mut Settings)) -> Door {
        let clock = SystemClock::shared();
        let rooms = potok_coordinator::Components {
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            of_processor: Arc::new(|_| false),
        };
        let coordinator = Coordinator::open(potok_coordinator::Settings::default(), rooms).unwrap();
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        change(&mut settings);
        let components = Components {
            log: Arc::clone(&log),
            coordinator: coordinator.clone(),
            clock,
            folder: PathBuf::from("/"),
            cluster_id: potok_kafka::cluster_id(&*log).await.unwrap(),
        };
        let server = Server::bind(settings, components).unwrap();
        let (address, numbers, stop) = (server.local_addr(), server.metrics(), CancellationToken::new());
        let running = tokio::spawn(server.run(stop.clone()));
        Door { log, coordinator, address, numbers, stop, running }
    }
    /// A topic with these configs.
    pub(crate) async fn topic(&self, name: &str, partitions: u32, config: &[(&str, &str)]) -> Arc<Topic> {
        let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.log.create_topic(NewTopic { name: name.parse().unwrap(), partitions, config }).await.unwrap()
    }
    /// Lets time pass for groups and transactions, until it is aborted.
    pub(crate) fn run_coordinator(&self) -> JoinHandle<()> {
        let (coordinator, stop) = (self.coordinator.clone(), self.stop.clone());
        tokio::spawn(async move { coordinator.run(stop).await })
    }
    pub(crate) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), sent: 0 }
    }
    /// Tells the server to stop.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.cancel();
    }
    /// Waits for its end.
    pub(crate) async fn ended(self) {
        self.stop.cancel();
        soon(self.running).await.unwrap();
    }
    /// The value of the first number whose line begins so.
    pub(crate) fn number(&self, line: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.numbers).unwrap();
        let value =
            text.lines().find_map(|one| one.strip_prefix(line)).and_then(|rest| rest.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {line} in {text}"))
    }
    /// Waits until a number is at least this.
    pub(crate) async fn until(&self, line: &str, at_least: u64) {
        soon(async {
            while self.number(line) < at_least {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    sent: i32,
}

/// A whole request with its length.
pub(crate) fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i32(0);
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    header.encode(&mut bytes, R::header_version(version)).unwrap();
    request.encode(&mut bytes, version).unwrap();
    let len = i32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    bytes.freeze()
}

impl Client {
    /// Sends a request; its correlation id.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.sent += 1;
        self.send_bytes(&frame(version, self.sent, request)).await;
        self.sent
    }
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }
    /// The next answer's bytes behind its length; none where the connection has ended.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let len = soon(self.stream.read_i32()).await.ok()?;
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        soon(self.stream.read_exact(&mut bytes)).await.ok()?;
        Some(bytes.into())
    }
    /// The answer to the last request: its correlation id, and what it says. All of its bytes are read.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let mut bytes = self.frame().await.expect("the server closed the connection");
        let header = ResponseHeader::decode(&mut bytes, R::Response::header_version(version)).unwrap();
        let key = ApiKey::try_from(R::KEY).unwrap();
        let response = R::Response::decode(&mut bytes, version);
        let response = response.unwrap_or_else(|error| panic!("{key:?} v{version}: {error}"));
        assert!(!bytes.has_remaining(), "{key:?} v{version} has {} bytes too many", bytes.len());
        (header.correlation_id, response)
    }
    /// Sends a request and reads its answer.
    pub(crate) async fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (id, response) = self.receive::<R>(version).await;
        assert_eq!(id, sent);
        response
    }
    /// Waits for the server to end the connection without another answer.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(soon(self.stream.read(&mut byte)).await, Ok(0) | Err(_))
    }
}
