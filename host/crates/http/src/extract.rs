//! What handlers take from a request, each refused with a problem document instead of axum's plain text.

use crate::app::App;
use crate::body::BodyReader;
use crate::error::Refusal;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// Bytes of a JSON body that describes something (a topic, a deployment): far more than any has.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;

/// The query as `T`; parameters that `T` does not know are refused.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Refusal> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|query| Query(query.0))
            .map_err(|error| Refusal::Query(error.body_text()))
    }
}

/// A query without parameters.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The one parameter of the path, as a name that is legal.
#[derive(Debug)]
pub(crate) struct Name<T>(pub(crate) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Name<T>
where
    Refusal: From<T::Err>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name<T>, Refusal> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Refusal::PathText)?;
        let (_, text) = params.iter().next().unwrap_or_default();
        Ok(Name(text.parse()?))
    }
}

/// A JSON body as `T`; fields that `T` does not know are refused.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, app: &App) -> Result<Json<T>, Refusal> {
        let (parts, body) = request.into_parts();
        expect_json(&parts.headers)?;
        let mut body = BodyReader::new(body, app.settings.body_idle_timeout());
        let held = match body.all(&app.limits, DESCRIPTION_BYTES_MAX).await {
            Ok(held) => held,
            Err(refusal) => {
                body.discard().await;
                return Err(refusal);
            }
        };
        parse(&held.bytes).map(Json)
    }
}

fn expect_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let found = content_type(headers);
    match found.as_deref() {
        Some(text)
            if text == "application/json"
                || (text.starts_with("application/") && text.ends_with("+json")) =>
        {
            Ok(())
        }
        _ => Err(Refusal::ContentType { found: found_or_nothing(found), accepted: "application/json" }),
    }
}

/// JSON as `T`: what is no JSON at all is told apart from JSON of another shape.
fn parse<'de, T: serde::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::Body(error.to_string()),
        _ => Refusal::Json(error.to_string()),
    })
}

/// The content type without its parameters, in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The words for it in a problem.
pub(crate) fn found_or_nothing(found: Option<String>) -> String {
    found.map_or_else(|| "of no stated kind".to_owned(), |found| found.chars().take(100).collect())
}

/// Which of `offered` the client likes best; the first when it says nothing.
pub(crate) fn negotiate(
    headers: &HeaderMap,
    offered: &[&'static str],
    listed: &'static str,
) -> Result<&'static str, Refusal> {
    let mut asked = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if asked.peek().is_none() {
        return Ok(offered[0]);
    }
    let asked = asked.collect::<Vec<_>>().join(",");
    let mut best: Option<(u32, &'static str)> = None;
    for range in asked.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), thousandths).unwrap_or(0);
        let matching = offered.iter().find(|offer| {
            media == "*/*"
                || media == **offer
                || (media == "application/*" && offer.starts_with("application/"))
        });
        if let Some(offer) = matching
            && weight > 0
            && best.is_none_or(|(other, _)| weight > other)
        {
            best = Some((weight, offer));
        }
    }
    best.map(|(_, offer)| offer)
        .ok_or_else(|| Refusal::NotAcceptable { asked: asked.chars().take(200).collect(), offered: listed })
}

/// `0.35` as 350.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(part.parse().ok()?)?.min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: &[&str] = &["application/json", "application/x-ndjson", "text/event-stream"];

    #[track_caller]
    fn check(accept: &str, expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(negotiate(&headers, OFFERED, "").ok(), expect, "{accept}");
    }

    #[test]
    fn the_client_gets_what_it_likes_best() {
        assert_eq!(negotiate(&HeaderMap::new(), OFFERED, "").ok(), Some("application/json"));
        check("*/*", Some("application/json"));
        check("text/html, application/x-ndjson;q=0.5, text/event-stream;q=0.75", Some("text/event-stream"));
        check("application/*;q=0.1", Some("application/json"));
        check("text/html", None);
        check("application/json;q=0", None);
    }
}
