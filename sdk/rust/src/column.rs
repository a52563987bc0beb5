//! Columns: byte strings or nulls side by side in one arena, the shape in which records and state cross to the host.
//! In: what the host hands over, and what an author's code appends. Out: slices; a column is handed back without a copy.
//! Invariant: `ends` rises and stays inside `data`. The arena stays below 4 GiB, as 32-bit memory has it.

/// n byte strings or nulls. Item i is `data[ends[i-1]..ends[i]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    pub(crate) data: Vec<u8>,
    /// n u32, little-endian.
    pub(crate) ends: Vec<u8>,
    /// One bit an item, lowest first, set when it is null; empty when none is.
    pub(crate) nulls: Vec<u8>,
}

impl Column {
    /// Items, nulls included.
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len() / 4
    }
    /// Whether there is no item.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    /// Item i, `None` when it is null. Panics when there is no item i.
    #[inline]
    pub fn get(&self, item: usize) -> Option<&[u8]> {
        let ends = self.ends.as_chunks::<4>().0;
        let end = u32::from_le_bytes(ends[item]) as usize;
        let start = if item == 0 { 0 } else { u32::from_le_bytes(ends[item - 1]) as usize };
        if !self.nulls.is_empty() && self.nulls[item / 8] >> (item % 8) & 1 == 1 {
            return None;
        }
        Some(&self.data[start..end])
    }
    /// All items in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|item| self.get(item))
    }
    /// Adds an item.
    #[inline]
    pub fn push(&mut self, item: Option<&[u8]>) {
        match item {
            Some(bytes) => {
                append(&mut self.data, bytes);
                self.end_item();
            }
            None => self.push_null(),
        }
    }
    #[inline]
    fn push_null(&mut self) {
        let index = self.len();
        self.nulls.resize(index / 8 + 1, 0);
        self.nulls[index / 8] |= 1 << (index % 8);
        self.push_end();
    }
    /// Ends an item whose bytes were appended to `data`.
    #[inline]
    pub(crate) fn end_item(&mut self) {
        if !self.nulls.is_empty() && self.len().is_multiple_of(8) {
            self.nulls.push(0);
        }
        self.push_end();
    }
    #[inline]
    fn push_end(&mut self) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a guest's memory is at most 4 GiB, its limit far less"
        )]
        let end = self.data.len() as u32;
        self.ends.extend_from_slice(&end.to_le_bytes());
    }
    /// Where the last item ends in the arena.
    #[inline]
    pub(crate) fn arena_end(&self) -> usize {
        self.ends.as_chunks::<4>().0.last().map_or(0, |end| u32::from_le_bytes(*end) as usize)
    }
    /// Forgets the items from `items` on, and bytes that belong to none.
    pub(crate) fn truncate(&mut self, items: usize) {
        self.ends.truncate(4 * items);
        self.data.truncate(self.arena_end());
        self.nulls.truncate(items.div_ceil(8));
        if !items.is_multiple_of(8) && self.nulls.len() > items / 8 {
            self.nulls[items / 8] &= (1 << (items % 8)) - 1;
        }
    }
}

impl<'a> FromIterator<Option<&'a [u8]>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<&'a [u8]>>>(items: I) -> Column {
        let mut column = Column::default();
        items.into_iter().for_each(|item| column.push(item));
        column
    }
}

/// Bytes up to which words are copied one by one: a copy of any length is a call out of the component, which costs as much as these.
const SHORT: usize = 32;

/// Adds bytes that are likely to be few: keys, names.
#[inline]
pub(crate) fn append(into: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() > SHORT {
        into.extend_from_slice(bytes);
        return;
    }
    into.reserve(bytes.len());
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| into.extend_from_slice(word));
    let (halves, rest) = rest.as_chunks::<4>();
    halves.iter().for_each(|half| into.extend_from_slice(half));
    rest.iter().for_each(|byte| into.push(*byte));
}

/// Headers of n records: record i has the headers numbered `ends[i-1]..ends[i]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderColumns {
    /// n u32, little-endian.
    pub(crate) ends: Vec<u8>,
    pub(crate) names: Column,
    pub(crate) values: Column,
}

impl HeaderColumns {
    /// No headers for `records` records.
    pub(crate) fn of_none(records: usize) -> HeaderColumns {
        HeaderColumns { ends: vec![0; 4 * records], ..HeaderColumns::default() }
    }
    pub(crate) fn push<'a>(&mut self, headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
        for (name, value) in headers {
            self.names.push(Some(name));
            self.values.push(value);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each header takes bytes of an arena below 4 GiB"
        )]
        let end = self.names.len() as u32;
        self.ends.extend_from_slice(&end.to_le_bytes());
    }
    /// The headers of record i in order.
    pub(crate) fn get(&self, record: usize) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        let end = |i: usize| u32::from_le_bytes(self.ends.as_chunks::<4>().0[i]) as usize;
        let start = if record == 0 { 0 } else { end(record - 1) };
        (start..end(record)).map(|i| (self.names.get(i).unwrap_or_default(), self.values.get(i)))
    }
    pub(crate) fn truncate(&mut self, records: usize) {
        self.ends.truncate(4 * records);
        let headers = self.ends.as_chunks::<4>().0.last().map_or(0, |end| u32::from_le_bytes(*end) as usize);
        self.names.truncate(headers);
        self.values.truncate(headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_nulls_come_back_in_order() {
        let items: Vec<Option<&[u8]>> = vec![Some(b"a"), None, Some(b""), Some(b"bcd"), None];
        let column: Column = items.iter().copied().collect();
        assert_eq!(column.iter().collect::<Vec<_>>(), items);
    }
    #[test]
    fn a_cut_column_is_the_column_of_its_first_items() {
        let items: Vec<Option<Vec<u8>>> =
            (0..20u8).map(|i| (i % 3 != 1).then(|| vec![i; i.into()])).collect();
        let of = |n: usize| items[..n].iter().map(|item| item.as_deref()).collect::<Column>();
        for cut in 0..=20 {
            let mut column = of(20);
            column.data.extend_from_slice(b"half an item");
            column.truncate(cut);
            assert_eq!(column.iter().collect::<Vec<_>>(), of(cut).iter().collect::<Vec<_>>());
            for item in &items[cut..] {
                column.push(item.as_deref());
            }
            assert_eq!(column.iter().collect::<Vec<_>>(), of(20).iter().collect::<Vec<_>>());
        }
    }
    #[test]
    fn short_and_long_bytes_are_appended_alike() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in 0..=100 {
            let mut into = b"before".to_vec();
            append(&mut into, &bytes[..len]);
            assert_eq!(into, [b"before", &bytes[..len]].concat());
        }
    }
    #[test]
    fn headers_are_cut_with_their_records() {
        let mut headers = HeaderColumns::of_none(1);
        headers.push([(b"a".as_slice(), Some(b"1".as_slice())), (b"a", None)].into_iter());
        headers.push([(b"b".as_slice(), None)].into_iter());
        headers.truncate(2);
        assert_eq!(
            headers.get(1).collect::<Vec<_>>(),
            [(b"a".as_slice(), Some(b"1".as_slice())), (b"a", None)]
        );
        headers.push(std::iter::empty());
        assert_eq!((headers.get(0).len(), headers.get(2).len(), headers.names.len()), (0, 0, 2));
    }
}
