//! `/v1/processors`: deploying modules, looking at how they do, and stopping, starting, moving and removing them.

pub(crate) mod convert;

use crate::api::{DeployProcessor, Processor, ProcessorList, ProcessorStatus, ResetProcessor};
use crate::app::App;
use crate::error::Refusal;
use crate::extract::{Json, Name, Nothing, Query};
use axum::extract::State;
use axum::http::StatusCode;
use potok_types::ProcessorName;

/// All processors.
#[utoipa::path(get, path = "/v1/processors", tag = "processors", responses((status = 200, body = ProcessorList)))]
pub(crate) async fn list(State(app): State<App>, _: Query<Nothing>) -> axum::Json<ProcessorList> {
    let processors =
        app.processors.list().into_iter().map(|status| convert::processor(&app, status)).collect();
    axum::Json(ProcessorList { processors })
}

/// Deploys a module under a name, or deploys another one (or another configuration) in its place: positions and state
/// stay. It is kept, and its tasks begin, before this answers.
#[utoipa::path(put, path = "/v1/processors/{processor}", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")),
    request_body = DeployProcessor, responses((status = 200, body = Processor)))]
pub(crate) async fn deploy(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
    Json(asked): Json<DeployProcessor>,
) -> Result<axum::Json<Processor>, Refusal> {
    let spec = convert::spec(asked)?;
    app.processors.deploy(name.clone(), spec).await?;
    status_now(&app, &name)
}

/// A processor: what was deployed, and how it is doing.
#[utoipa::path(get, path = "/v1/processors/{processor}", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")), responses((status = 200, body = Processor)))]
pub(crate) async fn describe(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Processor>, Refusal> {
    status_now(&app, &name)
}

/// How a processor is doing: state, lag, rates and the last failure of each task.
#[utoipa::path(get, path = "/v1/processors/{processor}/status", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")), responses((status = 200, body = ProcessorStatus)))]
pub(crate) async fn status(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
) -> Result<axum::Json<ProcessorStatus>, Refusal> {
    Ok(axum::Json(status_now(&app, &name)?.0.status))
}

/// Stops a processor's tasks between two batches, until it is resumed.
#[utoipa::path(post, path = "/v1/processors/{processor}/pause", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")), responses((status = 200, body = Processor)))]
pub(crate) async fn pause(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Processor>, Refusal> {
    app.processors.pause(&name).await?;
    status_now(&app, &name)
}

/// Lets a paused processor go on.
#[utoipa::path(post, path = "/v1/processors/{processor}/resume", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")), responses((status = 200, body = Processor)))]
pub(crate) async fn resume(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Processor>, Refusal> {
    app.processors.resume(&name).await?;
    status_now(&app, &name)
}

/// Starts a processor's tasks anew, also those that stand at a failure.
#[utoipa::path(post, path = "/v1/processors/{processor}/restart", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")), responses((status = 200, body = Processor)))]
pub(crate) async fn restart(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Processor>, Refusal> {
    app.processors.restart(&name).await?;
    status_now(&app, &name)
}

/// Moves a paused processor to another place in its inputs. Its state is cleared unless it is to be kept.
#[utoipa::path(post, path = "/v1/processors/{processor}/reset", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")),
    request_body = ResetProcessor, responses((status = 200, body = Processor)))]
pub(crate) async fn reset(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
    Json(asked): Json<ResetProcessor>,
) -> Result<axum::Json<Processor>, Refusal> {
    let to = convert::start(asked.to)?;
    app.processors.reset(&name, to, asked.keep_state).await?;
    status_now(&app, &name)
}

/// Stops a processor and removes it with its positions and its state. Topics stay, its dead-letter topic as well.
#[utoipa::path(delete, path = "/v1/processors/{processor}", tag = "processors",
    params(("processor" = String, Path, description = "name of the processor")), responses((status = 204, description = "it is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Name(name): Name<ProcessorName>,
    _: Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    app.processors.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn status_now(app: &App, name: &ProcessorName) -> Result<axum::Json<Processor>, Refusal> {
    Ok(axum::Json(convert::processor(app, app.processors.status(name)?)))
}
