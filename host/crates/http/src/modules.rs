//! `/v1/modules`: uploading components, the names that point at them, looking at them, removing them.
//! A name is a named thing in the log (`MetaKind::Module`) whose bytes are the digest in hexadecimal digits; the
//! components themselves are kept by the plugin room.

use crate::api::{Binary, Module, ModuleList, ModulePort, ModuleStore, WASM, World};
use crate::app::App;
use crate::body::BodyReader;
use crate::error::Refusal;
use crate::extract::{Name, Nothing, Query, content_type, found_or_nothing};
use crate::processors::convert;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use potok_log::{Acks, MetaChange, MetaKind, Unit};
use potok_plugin::{ModuleInfo, Port, WorldKind};
use potok_types::{Digest, ModuleName, ProcessorName};
use std::collections::BTreeMap;
use std::str::FromStr;

/// A module by name or by digest.
#[derive(Clone, Debug)]
pub(crate) enum ModuleRef {
    Name(ModuleName),
    Digest(Digest),
}

impl FromStr for ModuleRef {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ModuleRef, Refusal> {
        match text.parse() {
            Ok(digest) => Ok(ModuleRef::Digest(digest)),
            Err(_) => Ok(ModuleRef::Name(text.parse()?)),
        }
    }
}

/// All modules.
#[utoipa::path(get, path = "/v1/modules", tag = "modules", responses((status = 200, body = ModuleList)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Query<Nothing>,
) -> Result<axum::Json<ModuleList>, Refusal> {
    let (names, users) = (names(&app)?, users(&app));
    let infos = app.plugins.modules();
    let mut modules: Vec<Module> = infos.into_iter().map(|info| describe_one(info, &names, &users)).collect();
    modules.sort_by(|a, b| {
        (a.names.is_empty(), &a.names, &a.digest).cmp(&(b.names.is_empty(), &b.names, &b.digest))
    });
    Ok(axum::Json(ModuleList { modules }))
}

/// Uploads a component and points a name at it. It is judged before it is kept; the same bytes twice are one module, and
/// a name that pointed elsewhere moves. Processors go on with the bytes that they were deployed with.
#[utoipa::path(put, path = "/v1/modules/{module}", tag = "modules", params(("module" = String, Path, description = "name of the module")),
    request_body(description = "the component", content((Binary = "application/wasm"), (Binary = "application/octet-stream"))),
    responses((status = 200, body = Module, description = "the name points at it")))]
pub(crate) async fn push(
    State(app): State<App>,
    Name(name): Name<ModuleName>,
    _: Query<Nothing>,
    headers: HeaderMap,
    body: Body,
) -> Result<axum::Json<Module>, Refusal> {
    if name.as_str().parse::<Digest>().is_ok() {
        return Err(Refusal::Query("a name of 64 hexadecimal digits would be taken for a digest".to_owned()));
    }
    let found = content_type(&headers);
    if !matches!(found.as_deref(), None | Some(WASM | crate::api::RAW)) {
        return Err(Refusal::ContentType { found: found_or_nothing(found), accepted: "application/wasm" });
    }
    let mut body = BodyReader::new(body, app.settings.body_idle_timeout());
    let held = match body.all(&app.limits, app.settings.module_bytes_max).await {
        Ok(held) => held,
        Err(refusal) => {
            body.discard().await;
            return Err(refusal);
        }
    };
    // judged outside of the lock: that takes as long as the component is large
    let info = app.plugins.push(held.bytes.clone()).await?;
    drop(held);
    let _naming = app.naming.lock().await;
    let value = Some(Bytes::from(info.digest.to_string()));
    commit(&app, vec![MetaChange { kind: MetaKind::Module, name: name.to_string(), value }]).await?;
    Ok(axum::Json(describe_one(info, &names(&app)?, &users(&app))))
}

/// A module by name or digest.
#[utoipa::path(get, path = "/v1/modules/{module}", tag = "modules",
    params(("module" = String, Path, description = "name or digest of the module")), responses((status = 200, body = Module)))]
pub(crate) async fn describe(
    State(app): State<App>,
    Name(module): Name<ModuleRef>,
    _: Query<Nothing>,
) -> Result<axum::Json<Module>, Refusal> {
    let info = find(&app, &module)?;
    Ok(axum::Json(describe_one(info, &names(&app)?, &users(&app))))
}

/// The bytes of a module.
#[utoipa::path(get, path = "/v1/modules/{module}/component", tag = "modules",
    params(("module" = String, Path, description = "name or digest of the module")),
    responses((status = 200, description = "the component", body = Binary, content_type = "application/wasm")))]
pub(crate) async fn component(
    State(app): State<App>,
    Name(module): Name<ModuleRef>,
    _: Query<Nothing>,
) -> Result<Response, Refusal> {
    let info = find(&app, &module)?;
    let bytes = app.plugins.component_bytes(info.digest).await;
    let bytes = bytes.map_err(|error| Refusal::Store(potok_log::StoreError::Io(error.to_string().into())))?;
    let bytes = bytes.ok_or_else(|| Refusal::UnknownModule(info.digest.to_string()))?;
    Ok(([(header::CONTENT_TYPE, WASM)], bytes).into_response())
}

/// Takes a name away, or all names of a digest. The bytes go with the last name, so that is refused while a processor
/// runs them.
#[utoipa::path(delete, path = "/v1/modules/{module}", tag = "modules",
    params(("module" = String, Path, description = "name or digest of the module")), responses((status = 204, description = "it is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Name(module): Name<ModuleRef>,
    _: Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    let _naming = app.naming.lock().await;
    let names = names(&app)?;
    let (digest, gone) = match &module {
        ModuleRef::Digest(digest) => (find(&app, &module)?.digest, named(&names, *digest)),
        ModuleRef::Name(name) => {
            let digest = names.get(name.as_str()).copied();
            (digest.ok_or_else(|| Refusal::UnknownModule(name.to_string()))?, vec![name.to_string()])
        }
    };
    let last = named(&names, digest).iter().all(|name| gone.contains(name));
    if last && let Some(processor) = app.processors.uses_module(digest) {
        return Err(Refusal::ModuleInUse {
            module: gone.first().cloned().unwrap_or_else(|| digest.to_string()),
            processor,
        });
    }
    let removal = |name: &String| MetaChange { kind: MetaKind::Module, name: name.clone(), value: None };
    commit(&app, gone.iter().map(removal).collect()).await?;
    // looked at again: a deployment may have come in between, and keeps its bytes
    if last && app.processors.uses_module(digest).is_none() && app.plugins.module(digest).is_some() {
        app.plugins.remove(digest).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn commit(app: &App, meta: Vec<MetaChange>) -> Result<(), Refusal> {
    if !meta.is_empty() {
        app.log.commit(Unit { meta, ..Unit::default() }, Acks::Synced).await?;
    }
    Ok(())
}

/// Every name and the digest that it points at.
fn names(app: &App) -> Result<BTreeMap<String, Digest>, Refusal> {
    let kept = app.log.meta_all(MetaKind::Module)?;
    let digest = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    Ok(kept.into_iter().filter_map(|(name, bytes)| Some((name, digest(&bytes)?))).collect())
}

fn named(names: &BTreeMap<String, Digest>, digest: Digest) -> Vec<String> {
    names.iter().filter(|(_, points_at)| **points_at == digest).map(|(name, _)| name.clone()).collect()
}

/// Which processors run which digest.
fn users(app: &App) -> Vec<(Digest, ProcessorName)> {
    app.processors
        .list()
        .into_iter()
        .map(|status| (status.deployment.digest, status.deployment.name))
        .collect()
}

fn find(app: &App, module: &ModuleRef) -> Result<ModuleInfo, Refusal> {
    let (digest, text) = match module {
        ModuleRef::Digest(digest) => (Some(*digest), digest.to_string()),
        ModuleRef::Name(name) => (names(app)?.get(name.as_str()).copied(), name.to_string()),
    };
    digest.and_then(|digest| app.plugins.module(digest)).ok_or(Refusal::UnknownModule(text))
}

fn describe_one(
    info: ModuleInfo,
    names: &BTreeMap<String, Digest>,
    users: &[(Digest, ProcessorName)],
) -> Module {
    let about = info.description;
    let used_by = users.iter().filter(|(digest, _)| *digest == info.digest).map(|(_, name)| name.to_string());
    Module {
        digest: info.digest.to_string(),
        names: named(names, info.digest),
        used_by: used_by.collect(),
        size_bytes: info.size,
        world: match info.world {
            WorldKind::Processor => World::Processor,
            WorldKind::Source => World::Source,
            WorldKind::Sink => World::Sink,
        },
        imports: info.imports,
        title: about.name,
        version: about.version,
        summary: about.summary,
        config_schema: about.config_schema,
        inputs: about.inputs.into_iter().map(port).collect(),
        outputs: about.outputs.into_iter().map(port).collect(),
        stores: about
            .stores
            .into_iter()
            .map(|store| ModuleStore { name: store.name, ttl_ms: store.ttl_ms })
            .collect(),
        state_version: about.state_version,
        wants: about.wants.into_iter().map(convert::shown_grant).collect(),
    }
}

fn port(port: Port) -> ModulePort {
    ModulePort { name: port.name, summary: port.summary }
}
