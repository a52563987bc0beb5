//! What the guest does with a batch, as code that knows of no boundary: the bench runs the same lines natively.
//! Columns come in as their parts, indices or new columns go out.

/// A column's arena and its packed ends.
#[derive(Clone, Copy)]
pub(crate) struct Items<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) ends: &'a [u8],
}

impl<'a> Items<'a> {
    fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut start = 0;
        self.ends.as_chunks::<4>().0.iter().map(move |end| {
            let end = u32::from_le_bytes(*end) as usize;
            &self.data[std::mem::replace(&mut start, end)..end]
        })
    }
}

/// Packed indices of the values of even length: next to no work, so that the boundary is all there is to see.
pub(crate) fn even(values: Items<'_>) -> Vec<u8> {
    let mut kept = Vec::with_capacity(values.ends.len());
    for (i, value) in (0_u32..).zip(values.iter()) {
        if value.len() % 2 == 0 {
            kept.extend_from_slice(&i.to_le_bytes());
        }
    }
    kept
}

/// Packed indices of the values whose third comma-separated field is a number above 30: a filter as one writes it.
pub(crate) fn late(values: Items<'_>) -> Vec<u8> {
    let mut kept = Vec::with_capacity(values.ends.len());
    for (i, value) in (0_u32..).zip(values.iter()) {
        if delay(value).is_some_and(|minutes| minutes > 30) {
            kept.extend_from_slice(&i.to_le_bytes());
        }
    }
    kept
}
fn delay(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.split(',').nth(2)?.parse().ok()
}

/// Every value in upper case: the arena and the ends of a new column.
pub(crate) fn upper(values: Items<'_>) -> (Vec<u8>, Vec<u8>) {
    (values.data.to_ascii_uppercase(), values.ends.to_vec())
}
