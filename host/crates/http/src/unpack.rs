//! Compressed request bodies. What they unpack to is bounded by whoever reads it; what unpacking itself takes is bounded
//! here: a zstd frame may ask for a window of up to 8 MiB (RFC 9659), gzip has 32 KiB.

use crate::error::Refusal;
use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use std::io;
use tokio_util::io::{ReaderStream, StreamReader};

/// Largest window that a zstd frame may ask for, as a power of two: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Bytes unpacked at a time.
const UNPACKED_CHUNK_BYTES: usize = 32 * 1024;

/// Unpacks the body of a request as its headers say.
pub(crate) async fn unpack(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match encoding(&parts.headers) {
        Ok(Encoding::Identity) => body,
        Ok(encoding) => {
            parts.headers.remove(header::CONTENT_ENCODING);
            parts.headers.remove(header::CONTENT_LENGTH);
            unpacked(body, encoding)
        }
        Err(refusal) => return refusal.into_response(),
    };
    next.run(Request::from_parts(parts, body)).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let mut found = headers.get_all(header::CONTENT_ENCODING).iter();
    let (Some(first), None) = (found.next(), found.next()) else {
        return match headers.contains_key(header::CONTENT_ENCODING) {
            true => Err(Refusal::ContentEncoding("several of them".to_owned())),
            false => Ok(Encoding::Identity),
        };
    };
    match first.to_str().unwrap_or("?").trim().to_ascii_lowercase().as_str() {
        "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        other => Err(Refusal::ContentEncoding(other.chars().take(100).collect())),
    }
}

fn unpacked(body: Body, encoding: Encoding) -> Body {
    let packed = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    match encoding {
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(packed);
            decoder.multiple_members(true);
            Body::from_stream(ReaderStream::with_capacity(decoder, UNPACKED_CHUNK_BYTES))
        }
        Encoding::Zstd | Encoding::Identity => {
            let mut decoder =
                ZstdDecoder::with_params(packed, &[DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX)]);
            decoder.multiple_members(true);
            Body::from_stream(ReaderStream::with_capacity(decoder, UNPACKED_CHUNK_BYTES))
        }
    }
}
