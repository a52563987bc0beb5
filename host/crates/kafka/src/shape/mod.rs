//! Whether a request's body is what its length fields say, before it is decoded: decoding reserves memory for as many items as
//! an array claims, so eight bytes could ask it for gigabytes.
//! In come a body and its version, out goes the number of items that decoding it will make. Nothing is allocated, every step
//! eats bytes, and there are at most [`ITEMS_MAX`] items.

mod parse;
mod table;

use crate::error::Fault;
use crate::header::varint;
use bytes::Buf;
use kafka_protocol::messages::ApiKey;
use std::sync::LazyLock;

/// Items of all arrays and tagged fields of a request: a fetch of every partition that a node can hold, many times over.
const ITEMS_MAX: usize = 1 << 17;
/// About what an item takes in memory once it is decoded, in bytes: the largest item's fields, without its texts.
pub(crate) const ITEM_LEN: usize = 128;

const CUT: Fault = Fault::Malformed("a length in the request is larger than what is left of it");
const NEGATIVE: Fault = Fault::Malformed("a length in the request is negative");

/// One request's layout over all its versions.
#[derive(Debug)]
struct Layout {
    flexible_from: i16,
    fields: Vec<Field>,
}

/// A field, in the versions that have it.
#[derive(Debug)]
struct Field {
    from: i16,
    to: i16,
    /// Set where the field is one of the tagged ones.
    tag: Option<u32>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// So many bytes.
    Fixed(usize),
    Text,
    Bytes,
    List(Box<Kind>),
    Struct(Vec<Field>),
    /// A struct behind a byte that says whether it is there.
    Maybe(Vec<Field>),
}

/// By API key. A layout that does not parse is not there; a test sees to it that all do.
static LAYOUTS: LazyLock<Vec<Option<Layout>>> = LazyLock::new(|| {
    let mut layouts = Vec::new();
    for (key, flexible_from, fields) in table::LAYOUTS {
        let index = *key as usize;
        layouts.resize_with(layouts.len().max(index + 1), || None);
        layouts[index] = parse::fields(fields).map(|fields| Layout { flexible_from: *flexible_from, fields });
    }
    layouts
});

/// Checks the body of a request that is going to be decoded; answers how many items it has.
pub(crate) fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<usize, Fault> {
    let layout = LAYOUTS.get(key as usize).and_then(Option::as_ref).ok_or(Fault::UnknownApi(key as i16))?;
    let mut walk = Walk { left: body, version, flexible: version >= layout.flexible_from, items: 0 };
    walk.structure(&layout.fields)?;
    Ok(walk.items)
}

struct Walk<'a> {
    left: &'a [u8],
    version: i16,
    flexible: bool,
    items: usize,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &[Field]) -> Result<(), Fault> {
        for field in fields {
            if field.tag.is_none() && self.has(field) {
                self.value(&field.kind)?;
            }
        }
        if self.flexible { self.tagged(fields) } else { Ok(()) }
    }
    fn has(&self, field: &Field) -> bool {
        (field.from..=field.to).contains(&self.version)
    }
    /// Tagged fields: those that are known must be as long as they say, the rest is passed over.
    fn tagged(&mut self, fields: &[Field]) -> Result<(), Fault> {
        let count = varint(&mut self.left)?;
        self.count(count as usize)?;
        for _ in 0..count {
            let tag = varint(&mut self.left)?;
            let len = varint(&mut self.left)? as usize;
            let left = self.left.len();
            match fields.iter().find(|field| field.tag == Some(tag) && self.has(field)) {
                Some(field) => self.value(&field.kind)?,
                None => self.skip(len)?,
            }
            if left - self.left.len() != len {
                return Err(Fault::Malformed("a tagged field is not as long as it says"));
            }
        }
        Ok(())
    }
    fn value(&mut self, kind: &Kind) -> Result<(), Fault> {
        match kind {
            Kind::Fixed(len) => self.skip(*len),
            Kind::Text => {
                let len = if self.flexible { self.compact()? } else { self.wide(i16::from_be_bytes)? };
                self.skip(len.unwrap_or(0))
            }
            Kind::Bytes => {
                let len = self.length()?;
                self.skip(len.unwrap_or(0))
            }
            Kind::List(item) => {
                let count = self.length()?.unwrap_or(0);
                self.count(count)?;
                match &**item {
                    Kind::Fixed(len) => self.skip(len.saturating_mul(count)),
                    item => (0..count).try_for_each(|_| self.value(item)),
                }
            }
            Kind::Struct(fields) => self.structure(fields),
            Kind::Maybe(fields) => {
                let there = self.left.try_get_i8().map_err(|_| CUT)?;
                if there < 0 { Ok(()) } else { self.structure(fields) }
            }
        }
    }
    fn skip(&mut self, len: usize) -> Result<(), Fault> {
        self.left = self.left.get(len..).ok_or(CUT)?;
        Ok(())
    }
    fn count(&mut self, items: usize) -> Result<(), Fault> {
        self.items = self.items.saturating_add(items);
        if self.items > ITEMS_MAX { Err(Fault::Malformed("the request has too many items")) } else { Ok(()) }
    }
    /// A length of four bytes or a varint; none for null.
    fn length(&mut self) -> Result<Option<usize>, Fault> {
        if self.flexible { self.compact() } else { self.wide(i32::from_be_bytes) }
    }
    /// Length + 1 as varint; 0 is null.
    fn compact(&mut self) -> Result<Option<usize>, Fault> {
        Ok((varint(&mut self.left)? as usize).checked_sub(1))
    }
    /// A signed length; -1 is null.
    fn wide<N: Into<i64>, const LEN: usize>(
        &mut self,
        read: fn([u8; LEN]) -> N,
    ) -> Result<Option<usize>, Fault> {
        let bytes = *self.left.first_chunk::<LEN>().ok_or(CUT)?;
        self.left = &self.left[LEN..];
        match read(bytes).into() {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).map_err(|_| NEGATIVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, BytesMut};

    #[test]
    fn the_item_above_the_limit_is_refused_before_what_follows_is_looked_at() {
        let mut body = BytesMut::new();
        body.put_slice(&[0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b't']);
        body.put_i32(0x0010_0000);
        // behind the limit there are no partitions, only bytes that are none
        body.put_bytes(0x80, 0x0080_0000);
        let refused = check(ApiKey::Produce, 8, &body).expect_err("it is above the limit");
        assert_eq!(refused, Fault::Malformed("the request has too many items"));
    }
}
