//! A server on a free port over a log in memory, and short words for asking it.

use potok_coordinator::Coordinator;
use potok_http::api::Problem;
use potok_http::{Components, Server, Settings};
use potok_log::{Log, MemoryLog};
use potok_plugin::Plugins;
use potok_processor::Processors;
use potok_types::SystemClock;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server that runs until it is dropped.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) coordinator: Coordinator,
    pub(crate) plugins: Plugins,
    pub(crate) processors: Processors,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<()>,
    _folder: TempDir,
    _stop: DropGuard,
}

impl Host {
    pub(crate) async fn start() -> Host {
        Host::with(|_| {}).await
    }
    /// With settings of the test's own.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Host {
        Host::over(MemoryLog::new(SystemClock::shared()), change).await
    }
    /// Over a log of the test's own.
    pub(crate) async fn over(log: Arc<dyn Log>, change: impl FnOnce(&mut Settings)) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::shared();
        let plugins = Plugins::open(potok_plugin::Settings::default(), folder.path()).unwrap();
        let rooms =
            (potok_processor::Settings::default(), Arc::clone(&log), plugins.clone(), Arc::clone(&clock));
        let processors = Processors::open(rooms.0, rooms.1, rooms.2, rooms.3).unwrap();
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        change(&mut settings);
        let rooms = potok_coordinator::Components {
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            of_processor: Arc::new(|_| false),
        };
        let coordinator = Coordinator::open(potok_coordinator::Settings::default(), rooms).unwrap();
        let components = Components {
            log: Arc::clone(&log),
            coordinator: coordinator.clone(),
            plugins: plugins.clone(),
            processors: processors.clone(),
            clock,
            checkpoint: None,
            numbers: Vec::new(),
        };
        let server = Server::bind(settings, components).unwrap();
        let address = server.local_addr();
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        let (room, stop_room) = (processors.clone(), stop.clone());
        tokio::spawn(async move { room.run(stop_room).await });
        let (room, stop_room) = (coordinator.clone(), stop.clone());
        tokio::spawn(async move { room.run(stop_room).await });
        let _stop = stop.clone().drop_guard();
        Host {
            address,
            client: Client::new(),
            log,
            coordinator,
            plugins,
            processors,
            stop,
            running,
            _folder: folder,
            _stop,
        }
    }
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.ask(Method::GET, path)
    }
    /// Creates a topic.
    pub(crate) async fn topic(&self, name: &str, partitions: u32) {
        let body = json!({"name": name, "partitions": partitions});
        expect(self.ask(Method::POST, "/v1/topics").json(&body), 201).await;
    }
    /// Writes a body of a content type to a topic.
    pub(crate) fn produce(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> RequestBuilder {
        self.ask(Method::POST, path).header("content-type", content_type).body(body)
    }
    /// All records of a topic as JSON lines.
    pub(crate) async fn lines(&self, topic: &str) -> Vec<Value> {
        let asked = self.get(&format!("/v1/topics/{topic}/records")).header("accept", "application/x-ndjson");
        json_lines(&expect(asked, 200).await.text().await.unwrap())
    }
    /// Values of all records of a topic.
    pub(crate) async fn values(&self, topic: &str) -> Vec<Value> {
        self.lines(topic).await.into_iter().map(|mut record| record["value"].take()).collect()
    }
}

/// The rooms of a host, for a second server over them.
pub(crate) fn components(host: &Host) -> Components {
    Components {
        log: Arc::clone(&host.log),
        coordinator: host.coordinator.clone(),
        plugins: host.plugins.clone(),
        processors: host.processors.clone(),
        clock: SystemClock::shared(),
        checkpoint: None,
        numbers: Vec::new(),
    }
}

/// The answer, which has this status.
#[track_caller]
pub(crate) fn expect(request: RequestBuilder, status: u16) -> impl Future<Output = Response> {
    let caller = std::panic::Location::caller();
    async move {
        let response = request.send().await.unwrap_or_else(|error| panic!("{caller}: {error:?}"));
        if response.status() != status {
            let found = response.status();
            panic!("{caller}: {found} instead of {status}: {}", response.text().await.unwrap_or_default());
        }
        response
    }
}

/// The answer's body, which has this status.
#[track_caller]
pub(crate) fn body<T: DeserializeOwned>(request: RequestBuilder, status: u16) -> impl Future<Output = T> {
    let response = expect(request, status);
    async move { response.await.json().await.unwrap() }
}

/// Expects a problem document of this status and code that says what to do.
#[track_caller]
pub(crate) fn refused(
    request: RequestBuilder,
    status: u16,
    code: &'static str,
) -> impl Future<Output = Problem> {
    let caller = std::panic::Location::caller();
    let response = expect(request, status);
    async move {
        let response = response.await;
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{caller}");
        let problem: Problem = response.json().await.unwrap();
        assert_eq!((problem.code.as_str(), problem.status), (code, status), "{caller}: {problem:?}");
        assert!(!problem.detail.is_empty() && !problem.remedy.is_empty(), "{caller}: {problem:?}");
        assert_eq!(problem.kind, format!("urn:potok:problem:{code}"));
        problem
    }
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}
