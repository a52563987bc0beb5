//! Keeps web pages out: a page that a user happens to visit can make the user's browser send requests to this machine.
//! Browsers say where a page is from; programs do not, and are let in. A page served by this server is let in as well,
//! and those that the settings name.

use crate::app::App;
use crate::error::Refusal;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Refuses what a foreign page sent.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().cloned().or_else(|| host(request.headers()));
    match check(&app, request.headers(), authority.as_ref()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

fn check(app: &App, headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("?");
    if app.settings.origins.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    let foreign = || Refusal::Origin(origin.chars().take(200).collect());
    let authority = authority.ok_or_else(foreign)?;
    let own =
        origin.split_once("://").is_some_and(|(_, of_page)| of_page.eq_ignore_ascii_case(authority.as_str()));
    // a name that somebody else's name server lets point here makes its pages look like this server's own
    let rebound = app.settings.listen.ip().is_loopback() && !is_local(authority.host());
    if own && !rebound { Ok(()) } else { Err(foreign()) }
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}
