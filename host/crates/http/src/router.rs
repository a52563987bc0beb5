//! Paths to handlers, and what happens around every one of them: counting, panics, admission, compression.

use crate::app::App;
use crate::error::Refusal;
use crate::{consume, groups, modules, openapi, origin, processors, produce, system, topics, unpack};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::any::Any;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Smallest answer that is worth compressing, in bytes: below, it would not fit fewer packets.
const COMPRESS_FROM_BYTES: u64 = 1024;

/// Marks an answer that must leave as it comes: a compressor would hold records back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uncompressed;

/// Everything that is served.
pub(crate) fn router(app: App) -> Router {
    let (router, document) = routes().split_for_parts();
    let document: axum::body::Bytes = openapi::complete(&document).to_string().into();
    let document = get(move || async move { ([(header::CONTENT_TYPE, crate::api::JSON)], document) });
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(app.clone(), observe))
        .layer(
            CompressionLayer::new()
                .gzip(true)
                .zstd(true)
                .compress_when(SizeAbove::new(COMPRESS_FROM_BYTES).and(whole)),
        )
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), origin::guard))
        .layer(from_fn_with_state(app.clone(), admit))
        .layer(from_fn(unpack::unpack))
        .layer(DefaultBodyLimit::disable());
    router
        .route("/", get(system::signpost))
        .route("/openapi.json", document)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(around)
        .with_state(app)
}

/// The paths, with what the document says of them.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(topics::list, topics::create))
        .routes(routes!(topics::describe, topics::alter, topics::delete))
        .routes(routes!(produce::produce, consume::consume, topics::delete_records))
        .routes(routes!(groups::list))
        .routes(routes!(groups::describe, groups::delete))
        .routes(routes!(groups::set_offsets, groups::delete_offsets))
        .routes(routes!(modules::list))
        .routes(routes!(modules::push, modules::describe, modules::delete))
        .routes(routes!(modules::component))
        .routes(routes!(processors::list))
        .routes(routes!(processors::deploy, processors::describe, processors::delete))
        .routes(routes!(processors::status))
        .routes(routes!(processors::pause))
        .routes(routes!(processors::resume))
        .routes(routes!(processors::restart))
        .routes(routes!(processors::reset))
        .routes(routes!(consume::logs::processor_logs))
        .routes(routes!(system::info))
        .routes(routes!(system::health))
        .routes(routes!(system::ready))
        .routes(routes!(system::numbers))
        .routes(routes!(system::backup))
}

/// Counts and times a request.
async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = app.clock.monotonic();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    let method = if matches!(
        method,
        Method::GET | Method::HEAD | Method::PUT | Method::POST | Method::DELETE | Method::PATCH
    ) {
        method.as_str().to_owned()
    } else {
        "other".to_owned()
    };
    let took = app.clock.monotonic().saturating_sub(started);
    app.metrics.answered(&method, route, response.status().as_u16(), took);
    response
}

/// Takes a place for the request while it is worked on; without one it is refused. Whoever asks how the server is, is let in.
async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(request.uri().path(), "/health" | "/ready" | "/metrics") {
        return next.run(request).await;
    }
    match app.limits.request() {
        Ok(_place) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn whole(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Uncompressed>().is_none()
}

async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::UnknownPath(uri.path().chars().take(200).collect())
}

async fn unknown_method(method: Method, uri: Uri) -> Refusal {
    Refusal::MethodNotAllowed {
        method: method.as_str().chars().take(20).collect(),
        path: uri.path().chars().take(200).collect(),
    }
}

/// A handler that panics ends its own request only.
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text =
        cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(cause = text.unwrap_or("unknown"), "http: a handler panicked");
    Refusal::Panic("the request ended in a panic".to_owned()).into_response()
}
