//! Entries of a store in order, a page at a time.
//! In: a range. Out: keys and values of the author's types. Invariant: each page shows what the call has written up to then; a page is
//! only asked for when its first entry is.

use super::codec::Codec;
use super::key::{self, OwnedKey};
use super::{Inner, StateError};
use crate::host::{self, Page, Range};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

/// Entries of a page, unless told otherwise: a few hundred entries of some hundred bytes are one good copy.
const PAGE_LEN: u32 = 256;

/// Entries in the order of their keys' bytes: an iterator.
pub struct Entries<K, V, C> {
    inner: Rc<Inner<V, C>>,
    range: Range,
    page_len: u32,
    page: Page,
    /// The next entry of the page.
    next: usize,
    done: bool,
    _keys: PhantomData<fn() -> K>,
}

impl<K: OwnedKey, V: Clone, C: Codec<V>> Entries<K, V, C> {
    pub(super) fn new(
        inner: Rc<Inner<V, C>>,
        start: Option<Vec<u8>>,
        end: Option<Vec<u8>>,
    ) -> Entries<K, V, C> {
        let range = Range { start, end, backwards: false };
        Entries {
            inner,
            range,
            page_len: PAGE_LEN,
            page: Page::default(),
            next: 0,
            done: false,
            _keys: PhantomData,
        }
    }
    /// From the last entry to the first.
    pub fn backwards(mut self) -> Self {
        self.range.backwards = true;
        self
    }
    /// How many entries are asked for at once, when more or fewer than 256 are wanted.
    pub fn page(mut self, entries: u32) -> Self {
        self.page_len = entries.max(1);
        self
    }
    /// The first entry only.
    pub fn first(self) -> Result<Option<(K, V)>, StateError> {
        self.page(1).next().transpose()
    }
    fn turn_page(&mut self) -> Result<(), StateError> {
        self.inner.cache.borrow_mut().flush_for_scan(&self.inner)?;
        self.page = host::scan(&self.inner.handle, &self.range, self.page_len)?;
        self.next = 0;
        let last = self.page.keys.len().checked_sub(1).and_then(|last| self.page.keys.get(last));
        match last {
            Some(last) if self.page.more && self.range.backwards => self.range.end = Some(last.to_vec()),
            Some(last) if self.page.more => self.range.start = Some([last, &[0]].concat()),
            _ => self.done = true,
        }
        Ok(())
    }
    fn entry(&self, item: usize) -> Result<(K, V), StateError> {
        let key = self.page.keys.get(item).unwrap_or_default();
        let value = self.page.values.get(item).unwrap_or_default();
        let Some(key) = key::parse(key) else {
            return Err(self.inner.damaged(format!("{key:?} is no key of this store")));
        };
        Ok((key, self.inner.decode(value)?))
    }
}

impl<K: OwnedKey, V: Clone, C: Codec<V>> Iterator for Entries<K, V, C> {
    type Item = Result<(K, V), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next == self.page.keys.len() {
            if self.done {
                return None;
            }
            if let Err(error) = self.turn_page() {
                self.done = true;
                return Some(Err(error));
            }
        }
        self.next += 1;
        Some(self.entry(self.next - 1))
    }
}

impl<K, V, C> fmt::Debug for Entries<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("range", &self.range)
            .field("page_len", &self.page_len)
            .finish_non_exhaustive()
    }
}
