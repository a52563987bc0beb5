//! Records as columns: byte strings side by side in one arena, numbers packed as little-endian bytes.
//! This is the shape in which a batch crosses the plugin boundary, so a column can be handed over without a conversion;
//! one that comes from outside passes [`Column::from_parts`] first and is known to be sound past that door.

use crate::offset::Offset;
use crate::time::Timestamp;

/// n byte strings or nulls. Item i is `data[ends[i-1]..ends[i]]`, with `ends[-1]` taken as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    data: Vec<u8>,
    /// n u32, little-endian. Invariant: rising, the last at most `data.len()`.
    ends: Vec<u8>,
    /// One bit an item, lowest first, set when the item is null; empty when none is.
    nulls: Vec<u8>,
}

/// What is wrong with a column that came from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// A packed number is cut off.
    #[error("`{what}` has {len} bytes, which is no whole count of {width}-byte numbers")]
    Cut {
        /// Which part.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// Bytes a number.
        width: usize,
    },
    /// An end lies before the one before it.
    #[error("`ends` falls at item {item}: {end} after {before}")]
    Falls {
        /// The item's index.
        item: usize,
        /// Its end.
        end: u32,
        /// The end before it.
        before: u32,
    },
    /// An end lies outside the arena.
    #[error("item {item} ends at {end}, but `data` has {len} bytes")]
    Outside {
        /// The item's index.
        item: usize,
        /// Its end.
        end: u32,
        /// Bytes of the arena.
        len: usize,
    },
    /// Not a bit for each item.
    #[error("`nulls` has {len} bytes, {items} items need {} or none", .items.div_ceil(8))]
    Nulls {
        /// Bytes that came.
        len: usize,
        /// Items of the column.
        items: usize,
    },
    /// Columns of one batch differ in length.
    #[error("`{what}` has {len} items where {expected} were expected")]
    Length {
        /// Which column.
        what: &'static str,
        /// Its items.
        len: usize,
        /// The items it should have.
        expected: usize,
    },
}

impl Column {
    /// A column from the three parts that a guest returned; every part is checked.
    pub fn from_parts(data: Vec<u8>, ends: Vec<u8>, nulls: Vec<u8>) -> Result<Column, ColumnError> {
        let (numbers, rest) = ends.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(ColumnError::Cut { what: "ends", len: ends.len(), width: 4 });
        }
        if !nulls.is_empty() && nulls.len() != numbers.len().div_ceil(8) {
            return Err(ColumnError::Nulls { len: nulls.len(), items: numbers.len() });
        }
        let mut before = 0;
        for (item, end) in numbers.iter().enumerate() {
            let end = u32::from_le_bytes(*end);
            if end < before {
                return Err(ColumnError::Falls { item, end, before });
            }
            if end as usize > data.len() {
                return Err(ColumnError::Outside { item, end, len: data.len() });
            }
            before = end;
        }
        Ok(Column { data, ends, nulls })
    }
    /// The three parts: arena, packed ends, null bits.
    #[inline]
    pub fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        (&self.data, &self.ends, &self.nulls)
    }
    /// The three parts, owned.
    pub fn into_parts(self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        (self.data, self.ends, self.nulls)
    }
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
    /// Bytes of the arena and of the numbers beside it.
    #[inline]
    pub fn byte_len(&self) -> usize {
        self.data.len() + self.ends.len() + self.nulls.len()
    }
    #[inline]
    fn end(&self, item: usize) -> usize {
        let at = 4 * item;
        u32::from_le_bytes([self.ends[at], self.ends[at + 1], self.ends[at + 2], self.ends[at + 3]]) as usize
    }
    /// Whether item i is null; panics when there is no item i.
    #[inline]
    pub fn is_null(&self, item: usize) -> bool {
        !self.nulls.is_empty() && self.nulls[item / 8] >> (item % 8) & 1 == 1
    }
    /// Item i, `None` when it is null; panics when there is no item i.
    #[inline]
    pub fn get(&self, item: usize) -> Option<&[u8]> {
        let end = self.end(item);
        let start = if item == 0 { 0 } else { self.end(item - 1) };
        if self.is_null(item) { None } else { Some(&self.data[start..end]) }
    }
    /// All items in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        let mut start = 0;
        self.ends.as_chunks::<4>().0.iter().enumerate().map(move |(item, end)| {
            let end = u32::from_le_bytes(*end) as usize;
            let bytes = &self.data[std::mem::replace(&mut start, end)..end];
            if self.is_null(item) { None } else { Some(bytes) }
        })
    }
    /// Adds an item. Panics when the arena would pass 4 GiB: callers bound a batch far below that.
    #[inline]
    pub fn push(&mut self, item: Option<&[u8]>) {
        let index = self.len();
        match item {
            Some(bytes) => {
                self.data.extend_from_slice(bytes);
                if !self.nulls.is_empty() && index.is_multiple_of(8) {
                    self.nulls.push(0);
                }
            }
            None => {
                self.nulls.resize(index / 8 + 1, 0);
                self.nulls[index / 8] |= 1 << (index % 8);
            }
        }
        #[expect(clippy::expect_used, reason = "a batch is bounded far below 4 GiB by every caller")]
        let end = u32::try_from(self.data.len()).expect("a column's arena stays below 4 GiB");
        self.ends.extend_from_slice(&end.to_le_bytes());
    }
    /// Forgets all items and keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
        self.nulls.clear();
    }
}

impl<'a> FromIterator<Option<&'a [u8]>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<&'a [u8]>>>(items: I) -> Column {
        let mut column = Column::default();
        items.into_iter().for_each(|item| column.push(item));
        column
    }
}

/// Headers of n records: record i has the headers numbered `ends[i-1]..ends[i]`. Names may repeat within a record (KIP-82).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderColumns {
    /// n u32, little-endian, rising, the last equal to the items of `names`.
    ends: Vec<u8>,
    names: Column,
    values: Column,
}

impl HeaderColumns {
    /// Headers of `records` records, checked.
    pub fn from_parts(
        ends: Vec<u8>,
        names: Column,
        values: Column,
        records: usize,
    ) -> Result<HeaderColumns, ColumnError> {
        if names.len() != values.len() {
            return Err(ColumnError::Length {
                what: "headers.values",
                len: values.len(),
                expected: names.len(),
            });
        }
        let (numbers, rest) = ends.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(ColumnError::Cut { what: "headers.ends", len: ends.len(), width: 4 });
        }
        if numbers.len() != records {
            return Err(ColumnError::Length { what: "headers.ends", len: numbers.len(), expected: records });
        }
        let mut before = 0;
        for (item, end) in numbers.iter().enumerate() {
            let end = u32::from_le_bytes(*end);
            if end < before {
                return Err(ColumnError::Falls { item, end, before });
            }
            if end as usize > names.len() {
                return Err(ColumnError::Outside { item, end, len: names.len() });
            }
            before = end;
        }
        Ok(HeaderColumns { ends, names, values })
    }
    /// Packed ends, names, values.
    pub fn parts(&self) -> (&[u8], &Column, &Column) {
        (&self.ends, &self.names, &self.values)
    }
    /// Packed ends, names, values, owned.
    pub fn into_parts(self) -> (Vec<u8>, Column, Column) {
        (self.ends, self.names, self.values)
    }
    /// Adds one record with these headers.
    pub fn push<'a>(&mut self, headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
        for (name, value) in headers {
            self.names.push(Some(name));
            self.values.push(value);
        }
        #[expect(clippy::expect_used, reason = "each header takes bytes of an arena bounded by 4 GiB")]
        let end = u32::try_from(self.names.len()).expect("fewer than 2^32 headers");
        self.ends.extend_from_slice(&end.to_le_bytes());
    }
    /// The headers of record i in order.
    pub fn get(&self, record: usize) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        let end = |i: usize| {
            let at = 4 * i;
            u32::from_le_bytes([self.ends[at], self.ends[at + 1], self.ends[at + 2], self.ends[at + 3]])
                as usize
        };
        let start = if record == 0 { 0 } else { end(record - 1) };
        (start..end(record)).map(|i| (self.names.get(i).unwrap_or_default(), self.values.get(i)))
    }
    fn clear(&mut self) {
        self.ends.clear();
        self.names.clear();
        self.values.clear();
    }
}

/// Records of one partition as columns. All have the same number of items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordColumns {
    /// n u64, little-endian.
    pub offsets: Vec<u8>,
    /// n i64, little-endian, milliseconds since 1970-01-01 UTC.
    pub timestamps: Vec<u8>,
    /// Keys; null where a record has none.
    pub keys: Column,
    /// Values; null for a tombstone.
    pub values: Column,
    /// None when no record has a header.
    pub headers: Option<HeaderColumns>,
}

impl RecordColumns {
    /// Records.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len() / 8
    }
    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
    /// Bytes of all columns.
    pub fn byte_len(&self) -> usize {
        let headers =
            self.headers.as_ref().map_or(0, |h| h.ends.len() + h.names.byte_len() + h.values.byte_len());
        self.offsets.len() + self.timestamps.len() + self.keys.byte_len() + self.values.byte_len() + headers
    }
    /// Offset of record i; panics when there is none.
    #[inline]
    pub fn offset(&self, record: usize) -> Offset {
        let (numbers, _) = self.offsets.as_chunks::<8>();
        Offset::new(u64::from_le_bytes(numbers[record])).unwrap_or(Offset::MAX)
    }
    /// Timestamp of record i; panics when there is none.
    #[inline]
    pub fn timestamp(&self, record: usize) -> Timestamp {
        let (numbers, _) = self.timestamps.as_chunks::<8>();
        Timestamp(i64::from_le_bytes(numbers[record]))
    }
    /// Adds a record. `headers` may be empty.
    #[inline]
    pub fn push<'a>(
        &mut self,
        offset: Offset,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) {
        if headers.len() > 0 || self.headers.is_some() {
            let before = self.len();
            let columns = self.headers.get_or_insert_with(|| {
                let mut columns = HeaderColumns::default();
                (0..before).for_each(|_| columns.push([]));
                columns
            });
            columns.push(headers);
        }
        self.offsets.extend_from_slice(&offset.get().to_le_bytes());
        self.timestamps.extend_from_slice(&timestamp.0.to_le_bytes());
        self.keys.push(key);
        self.values.push(value);
    }
    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.offsets.clear();
        self.timestamps.clear();
        self.keys.clear();
        self.values.clear();
        if let Some(headers) = &mut self.headers {
            headers.clear();
        }
        self.headers = None;
    }
    /// Records `from..to` copied out, as when a batch is run again in halves.
    pub fn slice(&self, range: std::ops::Range<usize>) -> RecordColumns {
        let mut part = RecordColumns::default();
        for i in range {
            match &self.headers {
                Some(headers) => {
                    part.push(
                        self.offset(i),
                        self.timestamp(i),
                        self.keys.get(i),
                        self.values.get(i),
                        headers.get(i),
                    );
                }
                None => part.push(
                    self.offset(i),
                    self.timestamp(i),
                    self.keys.get(i),
                    self.values.get(i),
                    std::iter::empty(),
                ),
            }
        }
        part
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
        assert_eq!((0..5).map(|i| column.get(i)).collect::<Vec<_>>(), items);
        let (data, ends, nulls) = column.clone().into_parts();
        assert_eq!(Column::from_parts(data, ends, nulls), Ok(column));
    }
    #[test]
    fn lies_in_the_parts_are_named() {
        let packed = |ends: &[u32]| ends.iter().flat_map(|e| e.to_le_bytes()).collect::<Vec<u8>>();
        let from = |ends: &[u32]| Column::from_parts(b"abc".to_vec(), packed(ends), vec![]);
        assert!(matches!(from(&[2, 1]), Err(ColumnError::Falls { item: 1, .. })));
        assert!(matches!(from(&[1, 4]), Err(ColumnError::Outside { item: 1, end: 4, len: 3 })));
        assert!(matches!(Column::from_parts(vec![], vec![0; 5], vec![]), Err(ColumnError::Cut { .. })));
        assert!(matches!(Column::from_parts(vec![], vec![0; 4], vec![0; 2]), Err(ColumnError::Nulls { .. })));
    }
    #[test]
    fn headers_may_begin_at_any_record_and_repeat() {
        let mut columns = RecordColumns::default();
        columns.push(Offset::FIRST, Timestamp(1), None, Some(b"v"), std::iter::empty());
        let twice: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(b"1")), (b"h", None)];
        columns.push(Offset::FIRST.after(1), Timestamp(2), Some(b"k"), None, twice.into_iter());
        let headers = columns.headers.as_ref().unwrap();
        assert_eq!(headers.get(0).len(), 0);
        assert_eq!(headers.get(1).collect::<Vec<_>>(), twice);
        assert_eq!(columns.slice(1..2).headers.unwrap().get(0).collect::<Vec<_>>(), twice);
    }
}
