//! Reading and writing the protocol's primitive types, for the two APIs that carry record batches: theirs are cut out of the
//! request and put into the answer without a copy, which the codec cannot do.
//! Flexible versions have lengths as varints, one more than the length, 0 for null; others have them as integers, -1 for null.

use crate::error::Fault;
use crate::header::varint;
use bytes::{Buf, BufMut, BytesMut};
use potok_log::Piece;
use uuid::Uuid;

const CUT: Fault = Fault::Malformed("a length in the request is larger than what is left of it");

/// Takes values off the front of a request.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What is left.
    pub(crate) bytes: BytesMut,
    /// Whether the version is flexible.
    pub(crate) flexible: bool,
}

impl Reader {
    pub(crate) fn i16(&mut self) -> Result<i16, Fault> {
        self.bytes.try_get_i16().map_err(|_| CUT)
    }
    pub(crate) fn i32(&mut self) -> Result<i32, Fault> {
        self.bytes.try_get_i32().map_err(|_| CUT)
    }
    pub(crate) fn uuid(&mut self) -> Result<Uuid, Fault> {
        self.bytes.try_get_u128().map(Uuid::from_u128).map_err(|_| CUT)
    }
    /// Text; none for null.
    pub(crate) fn string(&mut self) -> Result<Option<String>, Fault> {
        let len = if self.flexible { self.compact()? } else { signed(self.i16()?.into())? };
        let Some(len) = len else { return Ok(None) };
        let text = self.bytes.get(..len).ok_or(CUT)?;
        let text = str::from_utf8(text).map_err(|_| Fault::Malformed("a text is no UTF-8"))?.to_owned();
        self.bytes.advance(len);
        Ok(Some(text))
    }
    /// Bytes, cut out where they lie; none for null.
    pub(crate) fn bytes(&mut self) -> Result<Option<BytesMut>, Fault> {
        match self.length()? {
            Some(len) if len > self.bytes.len() => Err(CUT),
            Some(len) => Ok(Some(self.bytes.split_to(len))),
            None => Ok(None),
        }
    }
    /// How many items follow; null counts as none.
    pub(crate) fn count(&mut self) -> Result<usize, Fault> {
        let count = self.length()?.unwrap_or(0);
        // an item has a byte at least
        if count > self.bytes.len() { Err(CUT) } else { Ok(count) }
    }
    /// Tagged fields, where the version has them; nobody here reads any.
    pub(crate) fn skip_tagged(&mut self) -> Result<(), Fault> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..varint(&mut self.bytes)? {
            let _tag = varint(&mut self.bytes)?;
            let len = varint(&mut self.bytes)? as usize;
            if len > self.bytes.len() {
                return Err(CUT);
            }
            self.bytes.advance(len);
        }
        Ok(())
    }
    fn length(&mut self) -> Result<Option<usize>, Fault> {
        if self.flexible { self.compact() } else { signed(self.i32()?.into()) }
    }
    fn compact(&mut self) -> Result<Option<usize>, Fault> {
        Ok((varint(&mut self.bytes)? as usize).checked_sub(1))
    }
}

fn signed(len: i64) -> Result<Option<usize>, Fault> {
    match len {
        -1 => Ok(None),
        len => usize::try_from(len).map(Some).map_err(|_| Fault::Malformed("a length is negative")),
    }
}

/// Batches shorter than this are copied into the piece that is being written: cheaper than a piece of their own.
const COPIED_LEN: usize = 1024;

/// Puts values into pieces of an answer.
#[derive(Debug)]
pub(crate) struct Writer {
    first: Option<BytesMut>,
    rest: Vec<Piece>,
    piece: BytesMut,
    flexible: bool,
}

impl Writer {
    /// Goes on behind the beginning of an answer.
    pub(crate) fn new(start: BytesMut, flexible: bool) -> Writer {
        Writer { first: None, rest: Vec::new(), piece: start, flexible }
    }
    pub(crate) fn i16(&mut self, value: i16) {
        self.piece.put_i16(value);
    }
    pub(crate) fn i32(&mut self, value: i32) {
        self.piece.put_i32(value);
    }
    pub(crate) fn i64(&mut self, value: i64) {
        self.piece.put_i64(value);
    }
    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.piece.put_u128(value.as_u128());
    }
    pub(crate) fn string(&mut self, text: Option<&str>) {
        match (text, self.flexible) {
            (Some(text), true) => self.varint(text.len() + 1),
            (None, true) => self.varint(0),
            // a text of ours or one that came with such a length
            (Some(text), false) => self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX)),
            (None, false) => self.i16(-1),
        }
        let text = text.unwrap_or_default();
        let len = if self.flexible { text.len() } else { text.len().min(i16::MAX as usize) };
        self.piece.put_slice(&text.as_bytes()[..len]);
    }
    /// How many items follow.
    pub(crate) fn count(&mut self, count: Option<usize>) {
        match (count, self.flexible) {
            (Some(count), true) => self.varint(count + 1),
            (None, true) => self.varint(0),
            (Some(count), false) => self.i32(i32::try_from(count).unwrap_or(i32::MAX)),
            (None, false) => self.i32(-1),
        }
    }
    /// Record batches one behind the other, as they are.
    pub(crate) fn records(&mut self, len: usize, batches: &[Piece]) {
        self.count(Some(len));
        for batch in batches {
            if let Piece::Memory(bytes) = batch
                && bytes.len() < COPIED_LEN
            {
                self.piece.put_slice(bytes);
                continue;
            }
            let piece = self.piece.split();
            match &self.first {
                None => self.first = Some(piece),
                Some(_) if piece.is_empty() => {}
                Some(_) => self.rest.push(piece.freeze().into()),
            }
            self.rest.push(batch.clone());
        }
    }
    /// No tagged fields, where the version has them.
    pub(crate) fn no_tagged(&mut self) {
        if self.flexible {
            self.piece.put_u8(0);
        }
    }
    /// An unsigned varint.
    pub(crate) fn varint(&mut self, value: usize) {
        let mut left = u32::try_from(value).unwrap_or(u32::MAX);
        while left >= 0x80 {
            self.piece.put_u8((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        // below 0x80 by now
        self.piece.put_u8((left & 0x7f) as u8);
    }
    /// The pieces, for [`crate::answer::Answer::finish`].
    pub(crate) fn finish(mut self) -> (BytesMut, Vec<Piece>) {
        match self.first.take() {
            None => (self.piece, self.rest),
            Some(first) => {
                self.rest.push(self.piece.freeze().into());
                (first, self.rest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn what_is_written_reads_back_in_both_forms() {
        for flexible in [false, true] {
            let mut writer = Writer::new(BytesMut::new(), flexible);
            writer.string(Some("größe"));
            writer.string(None);
            writer.count(Some(300));
            writer.no_tagged();
            let batches = [Bytes::from(vec![7; COPIED_LEN]), Bytes::from_static(b"small")];
            writer.records(COPIED_LEN + 5, &batches.map(Piece::Memory));
            writer.uuid(Uuid::from_u128(5));
            let (first, rest) = writer.finish();
            assert_eq!(rest.len(), 2, "one batch is a piece of its own");
            let mut bytes = first;
            rest.iter().for_each(|piece| bytes.extend_from_slice(&piece.read().unwrap()));
            let mut reader = Reader { bytes, flexible };
            assert_eq!(reader.string().unwrap().as_deref(), Some("größe"));
            assert_eq!(reader.string().unwrap(), None);
            assert_eq!(reader.count().unwrap(), 300);
            reader.skip_tagged().unwrap();
            assert_eq!(reader.bytes().unwrap().unwrap().len(), COPIED_LEN + 5);
            assert_eq!(reader.uuid().unwrap(), Uuid::from_u128(5));
            assert!(reader.i16().is_err());
        }
    }
    #[test]
    fn lengths_that_lie_are_refused() {
        let read = |bytes: &[u8], flexible| Reader { bytes: BytesMut::from(bytes), flexible };
        assert!(read(&[0x7f, 0xff, 0xff, 0xff, 1], false).bytes().is_err());
        assert!(read(&[0x7f, 0xff, 0xff, 0xff, 1], false).count().is_err());
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1], true).bytes().is_err());
        assert!(read(&[0xff, 0xff, 0xff, 0xfe], false).bytes().is_err());
        assert!(read(&[0, 9, b'a'], false).string().is_err());
        assert!(read(&[0, 1, 0xff], false).string().is_err());
    }
}
