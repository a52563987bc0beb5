//! The head of a request: which API, at which version, which answer it belongs to, who asks.
//!
//! ```text
//! | api key i16 | api version i16 | correlation id i32 | client id: nullable string | tagged fields, when flexible |
//! ```
//! In come the bytes of a frame, out goes the head with the rest as body. Nothing is allocated by what a length claims.

use crate::error::Fault;
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

/// Bytes before the client id.
const FIXED_LEN: usize = 8;
/// Tagged fields of a header that are read over; no client sends any.
const TAGS_MAX: u32 = 16;

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// Which API.
    pub(crate) key: ApiKey,
    /// At which version; not yet known to be served.
    pub(crate) version: i16,
    /// What the answer repeats.
    pub(crate) correlation_id: i32,
    /// The client's own name (`client.id`), as it was sent.
    pub(crate) client_id: Bytes,
}

impl Header {
    /// Takes the head off the front of `frame`. The client id of an ApiVersions request at a version that is not known is
    /// left alone: its layout is not known either (KIP-511).
    pub(crate) fn take(frame: &mut BytesMut) -> Result<Header, Fault> {
        if frame.len() < FIXED_LEN {
            return Err(Fault::Malformed("the request ends within its header"));
        }
        let (key, version, correlation_id) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
        let key = ApiKey::try_from(key).map_err(|()| Fault::UnknownApi(key))?;
        let mut header = Header { key, version, correlation_id, client_id: Bytes::new() };
        let known = crate::advertise::versions(key).ok_or(Fault::UnknownApi(key as i16))?;
        if key == ApiKey::ApiVersions && !(known.0..=known.1).contains(&version) {
            return Ok(header);
        }
        header.client_id = client_id(frame)?;
        if key.request_header_version(version) >= 2 {
            skip_tags(frame)?;
        }
        Ok(header)
    }
}

fn client_id(frame: &mut BytesMut) -> Result<Bytes, Fault> {
    let cut = Fault::Malformed("the request ends within its client id");
    let len = frame.try_get_i16().map_err(|_| Fault::Malformed("the request ends within its header"))?;
    match usize::try_from(len) {
        Err(_) if len == -1 => Ok(Bytes::new()),
        Ok(len) if len <= frame.len() => Ok(Bytes::copy_from_slice(&frame.split_to(len))),
        _ => Err(cut),
    }
}

fn skip_tags(frame: &mut BytesMut) -> Result<(), Fault> {
    let count = varint(frame)?;
    if count > TAGS_MAX {
        return Err(Fault::Malformed("the header has too many tagged fields"));
    }
    for _ in 0..count {
        let _tag = varint(frame)?;
        let len = varint(frame)? as usize;
        if len > frame.len() {
            return Err(Fault::Malformed("the request ends within its header"));
        }
        frame.advance(len);
    }
    Ok(())
}

/// An unsigned varint of at most five bytes.
pub(crate) fn varint(bytes: &mut impl Buf) -> Result<u32, Fault> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let byte = bytes.try_get_u8().map_err(|_| Fault::Malformed("the request ends within a number"))?;
        value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Fault::Malformed("a number has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Result<(ApiKey, i16, i32, Vec<u8>, usize), Fault> {
        let mut frame = BytesMut::from(bytes);
        let header = Header::take(&mut frame)?;
        Ok((header.key, header.version, header.correlation_id, header.client_id.to_vec(), frame.len()))
    }

    #[test]
    fn both_forms_are_read_and_the_body_is_left() {
        let plain = [0, 3, 0, 8, 0, 0, 0, 7, 0, 2, b'm', b'e', 9, 9];
        assert_eq!(take(&plain).unwrap(), (ApiKey::Metadata, 8, 7, b"me".to_vec(), 2));
        let flexible = [0, 3, 0, 9, 0, 0, 0, 7, 255, 255, 1, 5, 2, 1, 1, 9];
        assert_eq!(take(&flexible).unwrap(), (ApiKey::Metadata, 9, 7, vec![], 1));
    }
    #[test]
    fn an_unknown_version_of_api_versions_is_left_to_its_handler() {
        assert_eq!(take(&[0, 18, 0, 99, 0, 0, 0, 7]).unwrap().1, 99);
    }
    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        for bytes in [
            &[0, 3, 0, 9, 0, 0, 0][..],
            &[0, 3, 0, 9, 0, 0, 0, 7, 0],
            &[0, 3, 0, 9, 0, 0, 0, 7, 127, 255, 1],
            &[0, 3, 0, 9, 0, 0, 0, 7, 255, 254],
            &[0, 3, 0, 9, 0, 0, 0, 7, 255, 255, 0x80, 0x80, 0x80, 0x80, 0x80],
            &[0, 3, 0, 9, 0, 0, 0, 7, 255, 255, 1, 0, 127],
            &[127, 255, 0, 0, 0, 0, 0, 0, 255, 255],
        ] {
            assert!(take(bytes).is_err(), "{bytes:?}");
        }
    }
}
