//! The OpenAPI 3.1 document: made from the handlers and the types, and completed with what holds for all of them.

use crate::api::{self, Problem};
use crate::error::Code;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

#[derive(OpenApi)]
#[openapi(
    info(title = "Potok", description = "A partitioned, durable log and the WebAssembly modules that work on it."),
    components(schemas(
        Problem, api::NewRecord, api::NewRecords, api::Record, api::RecordPage, api::ProduceEvent, api::LogLine
    )),
    tags(
        (name = "topics", description = "Topics, their partitions and their configs."),
        (name = "records", description = "Writing and reading records."),
        (name = "groups", description = "Where consumer groups stand."),
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

/// Adds to every operation that it may be refused with a problem document.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let codes: Vec<String> =
        Code::ALL.iter().map(|code| format!("`{}` ({})", code.text(), code.status().as_u16())).collect();
    let description = format!("A problem (RFC 9457); `code` is one of {}.", codes.join(", "));
    let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
    let problem = ResponseBuilder::new().description(description).content(api::PROBLEM_JSON, content).build();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            add(operation, &problem);
        }
    }
}

fn add(operation: &mut Operation, problem: &utoipa::openapi::Response) {
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
}
