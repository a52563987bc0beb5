//! The OpenAPI 3.1 document: made from the handlers and the types, and completed with what holds for all of them.

use crate::api::{self, Problem};
use crate::error::Code;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

/// A legal name, as a pattern: `.` and `..` are none.
const NAME_PATTERN: &str = r"^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$";

#[derive(OpenApi)]
#[openapi(
    info(title = "Potok", description = "A partitioned, durable log and the WebAssembly modules that work on it."),
    components(schemas(
        Problem, api::NewRecord, api::NewRecords, api::Record, api::RecordPage, api::ProduceEvent, api::LogLine
    )),
    tags(
        (name = "topics", description = "Topics, their partitions and their configs."),
        (name = "records", description = "Writing and reading records."),
        (name = "groups", description = "Consumer groups, their members, and where they stand."),
        (name = "modules", description = "Uploaded components."),
        (name = "processors", description = "Deployed modules."),
        (name = "server", description = "The server itself."),
    )
)]
struct Base;

/// The document before the paths are in it.
pub(crate) fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

/// The document, completed: summaries of one sentence, the problems of every operation, the ranges of numbers, the
/// alphabet of names.
pub(crate) fn complete(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    ranges(&mut document);
    let problem = problem();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(Map::values_mut) {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            sentence(operation);
            operation["responses"]["default"] = problem.clone();
            for parameter in
                operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten()
            {
                if parameter["in"] == "path" && parameter["name"] != "group" {
                    parameter["schema"]["pattern"] = json!(NAME_PATTERN);
                }
            }
        }
    }
    document
}

fn problem() -> Value {
    let code = |code: &Code| format!("`{}` ({})", code.text(), code.status().as_u16());
    let codes = Code::ALL.iter().map(code).collect::<Vec<_>>().join(", ");
    json!({
        "description": format!("A problem (RFC 9457); `code` is one of {codes}."),
        "content": {api::PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    })
}

/// The first sentence is the summary, the rest the description.
fn sentence(operation: &mut Value) {
    let text = operation["summary"].as_str().unwrap_or_default().replace('\n', " ");
    let (summary, rest) = text.split_once(". ").unwrap_or((text.trim_end_matches('.'), ""));
    operation["summary"] = json!(summary);
    if !rest.is_empty() {
        operation["description"] = json!(rest);
    }
}

/// Unsigned numbers have the range that they have, and not a signed format that is too narrow for them.
fn ranges(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let unsigned =
                fields.get("minimum").and_then(Value::as_f64).is_some_and(|minimum| minimum >= 0.0);
            let largest = match fields.get("format").and_then(Value::as_str) {
                Some("int32") => json!(u32::MAX),
                Some("int64") => json!(i64::MAX),
                _ => Value::Null,
            };
            if unsigned && !largest.is_null() {
                fields.remove("format");
                fields.entry("maximum").or_insert(largest);
            }
            fields.values_mut().for_each(ranges);
        }
        Value::Array(items) => items.iter_mut().for_each(ranges),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
