//! Keyed state of one task: typed, cached for one call, written back at its end.
//! In: keys and values of an author's types. Out: columns to and from the host, as few calls as can be. Invariant: what a call changes is
//! committed with its outcome or not at all; a call reads its own writes; between calls nothing is cached.

mod cache;
mod codec;
mod index;
mod key;
mod scan;

#[cfg(feature = "postcard")]
pub use codec::Postcard;
pub use codec::{Codec, Json, Raw};
pub use key::{Key, OwnedKey, Parts};
pub use scan::Entries;

use crate::column::Column;
use crate::host;
use crate::session::Session;
use cache::Cache;
use std::borrow::Borrow;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;

/// A store of the description, opened. Values are kept as JSON unless `C` says otherwise.
///
/// The first look at a key in a call asks the host; [`prefetch`](Store::prefetch) asks for all keys of a batch at once. Changes are handed
/// over together at the end of the call.
pub struct Store<K, V, C = Json> {
    inner: Rc<Inner<V, C>>,
    _keys: PhantomData<fn(K) -> K>,
}

pub(crate) struct Inner<V, C> {
    name: String,
    handle: host::StoreHandle,
    session: Rc<Session>,
    cache: RefCell<Cache<V>>,
    _codec: PhantomData<fn(C) -> C>,
}

/// Why a store did not do what it was asked to. With `?` in `process` it refuses the record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// The description names no store of this name.
    UnknownStore(String),
    /// A key is longer than the host's limit, in bytes.
    KeyTooLong(u32),
    /// A value is longer than the host's limit, in bytes.
    ValueTooLong(u32),
    /// What is stored is not of the type it was read as.
    Damaged {
        /// Of which store.
        store: String,
        /// What is wrong.
        reason: String,
    },
    /// A value cannot be written in the store's form.
    Unwritable {
        /// Of which store.
        store: String,
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::UnknownStore(name) => write!(f, "`describe` names no store {name:?}"),
            StateError::KeyTooLong(limit) => write!(f, "a key of the state is longer than {limit} bytes"),
            StateError::ValueTooLong(limit) => write!(f, "a value of the state is longer than {limit} bytes"),
            StateError::Damaged { store, reason } => {
                write!(f, "what store {store:?} holds cannot be read: {reason}")
            }
            StateError::Unwritable { store, reason } => {
                write!(f, "a value for store {store:?} cannot be written: {reason}")
            }
        }
    }
}
impl std::error::Error for StateError {}

impl<K, V, C> Store<K, V, C>
where
    K: OwnedKey,
    V: Clone + 'static,
    C: Codec<V> + 'static,
{
    /// Opens a store of the description. To be called in `open`, and kept.
    pub fn open(name: &str) -> Result<Store<K, V, C>, StateError> {
        let session = Session::current();
        let inner = Rc::new(Inner {
            name: name.to_owned(),
            handle: host::open_store(name)?,
            session: session.clone(),
            cache: RefCell::new(Cache::default()),
            _codec: PhantomData,
        });
        session.add(inner.clone());
        Ok(Store { inner, _keys: PhantomData })
    }
    /// Asks the host for the values of these keys in one call, so that what follows need not. Keys may repeat.
    pub fn prefetch<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> Result<(), StateError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized + 'k,
    {
        self.inner.cache.borrow_mut().prefetch(&self.inner, keys.into_iter().map(Some))
    }
    /// The same for a batch's own keys, when the store's are text or bytes: `prefetch_keys(batch.keys())`.
    pub fn prefetch_keys(&self, keys: &Column) -> Result<(), StateError> {
        self.inner.cache.borrow_mut().prefetch(&self.inner, keys.iter())
    }
    /// The value of a key.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, StateError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        let mut cache = self.inner.cache.borrow_mut();
        let slot = cache.find(key, self.inner.session.index());
        Ok(cache.load(&self.inner, slot)?.cloned())
    }
    /// Whether there is a value of this key.
    pub fn contains<Q>(&self, key: &Q) -> Result<bool, StateError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        let mut cache = self.inner.cache.borrow_mut();
        let slot = cache.find(key, self.inner.session.index());
        Ok(cache.load(&self.inner, slot)?.is_some())
    }
    /// Sets the value of a key.
    pub fn put<Q>(&self, key: &Q, value: V) -> Result<(), StateError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.set(key, Some(value));
        Ok(())
    }
    /// Deletes a key; no error when it is not there.
    pub fn delete<Q>(&self, key: &Q) -> Result<(), StateError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
    {
        self.set(key, None);
        Ok(())
    }
    fn set<Q: Key + ?Sized>(&self, key: &Q, value: Option<V>) {
        let record = self.inner.session.record();
        let mut cache = self.inner.cache.borrow_mut();
        let slot = cache.find(key, self.inner.session.index());
        cache.set(slot, value, record);
    }
    /// Changes the value of a key in its place, beginning with the default where there is none.
    pub fn update<Q, T>(&self, key: &Q, change: impl FnOnce(&mut V) -> T) -> Result<T, StateError>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized,
        V: Default,
    {
        let record = self.inner.session.record();
        let mut cache = self.inner.cache.borrow_mut();
        let slot = cache.find(key, self.inner.session.index());
        cache.load(&self.inner, slot)?;
        Ok(change(cache.edit(slot, record)))
    }
    /// All entries in the order of their keys' bytes, page by page as they are asked for.
    pub fn scan(&self) -> Entries<K, V, C> {
        Entries::new(self.inner.clone(), None, None)
    }
    /// Entries whose keys lie in a range: `range("a".."b")`, `range(&(origin, from)..=&(origin, to))` and the like.
    pub fn range<'q, Q>(&self, range: impl RangeBounds<&'q Q>) -> Entries<K, V, C>
    where
        K: Borrow<Q>,
        Q: Key + ?Sized + 'q,
    {
        // the byte string that follows another at once is the same with a zero byte behind it
        let start = match range.start_bound() {
            Bound::Unbounded => None,
            Bound::Included(key) => Some(key::bytes(*key)),
            Bound::Excluded(key) => Some(key::successor(*key)),
        };
        let end = match range.end_bound() {
            Bound::Unbounded => None,
            Bound::Included(key) => Some(key::successor(*key)),
            Bound::Excluded(key) => Some(key::bytes(*key)),
        };
        Entries::new(self.inner.clone(), start, end)
    }
    /// Entries whose key, a tuple, has this first part.
    pub fn under<Q>(&self, first: &Q) -> Entries<K, V, C>
    where
        K: Parts,
        K::First: Borrow<Q>,
        Q: Key + ?Sized,
    {
        let mut start = Vec::new();
        first.write(&mut start, false);
        let end = key::end_of_prefix(&start);
        Entries::new(self.inner.clone(), Some(start), end)
    }
}

impl<V, C: Codec<V>> Inner<V, C> {
    fn decode(&self, bytes: &[u8]) -> Result<V, StateError> {
        C::decode(bytes).map_err(|reason| self.damaged(reason))
    }
    fn damaged(&self, reason: String) -> StateError {
        StateError::Damaged { store: self.name.clone(), reason }
    }
}

impl<K, V, C> fmt::Debug for Store<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.inner.name)
    }
}
