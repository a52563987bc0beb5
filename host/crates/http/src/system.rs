//! The server itself: `/v1/info`, `/health`, `/ready`, `/metrics`, `/v1/backups`.

use crate::api::{Backup, Health, HealthStatus, Info, NewBackup};
use crate::app::App;
use crate::error::Refusal;
use crate::extract::{Json, Nothing, Query};
use crate::metrics;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use potok_types::TopicName;

/// What answers here.
#[utoipa::path(get, path = "/v1/info", tag = "server", responses((status = 200, body = Info)))]
pub(crate) async fn info(State(app): State<App>, _: Query<Nothing>) -> axum::Json<Info> {
    axum::Json(Info {
        name: "potok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: app.log.leader_epoch().0,
        started_at: app.started_at.0,
        topics: app.log.topics().len() as u64,
        modules: app.plugins.modules().len() as u64,
        processors: app.processors.list().len() as u64,
    })
}

/// What stands at the door: where to go on from here.
pub(crate) async fn signpost() -> axum::Json<serde_json::Value> {
    axum::Json(serde_json::json!({
        "name": "potok",
        "version": env!("CARGO_PKG_VERSION"),
        "paths": {
            "/v1/info": "this server",
            "/v1/topics": "topics, and records in them",
            "/v1/groups": "consumer groups and where they stand",
            "/v1/modules": "uploaded modules",
            "/v1/processors": "deployed modules",
            "/openapi.json": "every path with its parameters, bodies and answers",
            "/health": "whether the process does its work",
            "/ready": "whether requests should be sent here",
            "/metrics": "numbers for Prometheus",
        },
        "command_line": "potok --help",
    }))
}

/// Whether the process does its work: 503 when only a new start can mend it, with the reason.
#[utoipa::path(get, path = "/health", tag = "server", responses(
    (status = 200, body = Health, description = "all is well"), (status = 503, body = Health, description = "a new start is needed")))]
pub(crate) async fn health(State(app): State<App>, _: Query<Nothing>) -> Response {
    let health = health_now(&app);
    let status = if health.status == HealthStatus::WritesRefused {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, axum::Json(health)).into_response()
}

/// Whether requests should be sent here now.
#[utoipa::path(get, path = "/ready", tag = "server", responses(
    (status = 200, body = Health, description = "yes"), (status = 503, body = Health, description = "not now")))]
pub(crate) async fn ready(State(app): State<App>, _: Query<Nothing>) -> Response {
    let health = health_now(&app);
    let status =
        if health.status == HealthStatus::Good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(health)).into_response()
}

fn health_now(app: &App) -> Health {
    match app.log.health() {
        potok_log::Health::WritesRefused(reason) => {
            Health { status: HealthStatus::WritesRefused, reason: Some(reason) }
        }
        _ if app.stop.is_cancelled() => Health { status: HealthStatus::Stopping, reason: None },
        potok_log::Health::DiskFull(reason) => {
            Health { status: HealthStatus::DiskFull, reason: Some(reason) }
        }
        potok_log::Health::Good => Health { status: HealthStatus::Good, reason: None },
    }
}

/// Numbers for Prometheus (OpenMetrics text).
#[utoipa::path(get, path = "/metrics", tag = "server",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(crate) async fn numbers(State(app): State<App>, _: Query<Nothing>) -> Result<Response, Refusal> {
    let reader = app.clone();
    let text = app.limits.blocking(move || metrics::text(&reader)).await?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response())
}

/// Makes a consistent copy of the running log in the server's backup folder. A server can be started from it.
#[utoipa::path(post, path = "/v1/backups", tag = "server", request_body = NewBackup,
    responses((status = 201, body = Backup)))]
pub(crate) async fn backup(
    State(app): State<App>,
    _: Query<Nothing>,
    Json(new): Json<NewBackup>,
) -> Result<impl IntoResponse, Refusal> {
    // the alphabet of topics' names is safe in paths
    let name: TopicName = new.name.parse().map_err(|_| Refusal::BackupName(new.name.clone()))?;
    let (Some(checkpoint), Some(folder)) = (&app.checkpoint, &app.settings.backup_dir) else {
        return Err(Refusal::BackupsOff);
    };
    let folder = folder.join(name.as_str());
    checkpoint.checkpoint(&folder).await?;
    let made = Backup { name: new.name, folder: folder.display().to_string() };
    Ok((StatusCode::CREATED, axum::Json(made)))
}
