//! A tail over a WebSocket: a text message for each record, a ping when there is none. What the client says is not looked at.

use super::reader::Reader;
use super::render::Form;
use super::tail::{CHUNK_BYTES, SIGN_OF_LIFE};
use crate::api::ReadQuery;
use crate::app::App;
use crate::error::Refusal;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::response::Response;
use bytes::Bytes;
use potok_types::TopicName;

/// Longest message that a client may send, in bytes; none is needed.
const CLIENT_MESSAGE_BYTES_MAX: usize = 4096;
/// Longest reason that a close frame holds, in bytes (RFC 6455: 125 with the code).
const REASON_LEN_MAX: usize = 120;

/// Upgrades, and sends what comes.
pub(super) async fn answer(
    app: App,
    name: &TopicName,
    query: &ReadQuery,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let place = app.limits.tail()?;
    let reader = Reader::open(app, name, query, Form::Lines).await?;
    let upgrade = upgrade.max_message_size(CLIENT_MESSAGE_BYTES_MAX).max_frame_size(CLIENT_MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        let _place = place;
        tail(reader, socket).await;
    }))
}

async fn tail(mut reader: Reader, mut socket: WebSocket) {
    let close = match pump(&mut reader, &mut socket).await {
        Ok(()) => Some((close_code::NORMAL, "the limit is reached, or the server stops".to_owned())),
        Err(End::Refused(refusal)) => Some((close_code::ERROR, refusal.to_string())),
        Err(End::Left) => None,
    };
    if let Some((code, mut reason)) = close {
        let end =
            (0..=REASON_LEN_MAX.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        reason.truncate(end);
        // who has left cannot be told
        let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }
}

/// Why a tail ends.
enum End {
    Refused(Refusal),
    Left,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Refused(refusal)
    }
}

async fn pump(reader: &mut Reader, socket: &mut WebSocket) -> Result<(), End> {
    loop {
        let records = reader.next(CHUNK_BYTES).await?;
        for record in records.split(|byte| *byte == b'\n').filter(|record| !record.is_empty()) {
            let text = String::from_utf8_lossy(record).into_owned();
            socket.send(Message::Text(text.into())).await.map_err(|_| End::Left)?;
        }
        if reader.at_end() || reader.app.stop.is_cancelled() {
            return Ok(());
        }
        if !records.is_empty() {
            continue;
        }
        let waited = tokio::select! {
            waited = reader.wait(SIGN_OF_LIFE) => waited?,
            said = socket.recv() => match said {
                None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Left),
                Some(Ok(_)) => true,
            },
        };
        if !waited && !reader.app.stop.is_cancelled() {
            socket.send(Message::Ping(Bytes::new())).await.map_err(|_| End::Left)?;
        }
    }
}
