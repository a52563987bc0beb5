//! A page of a scan: three sorted sources merged, the newest word on each key winning: the running call's writes, then
//! entries not committed yet, then the log. Deleted and expired entries are passed over.

use super::call::CallWrites;
use super::table::{SlotId, Table};
use super::{StateFault, value};
use bytes::Bytes;
use potok_log::{KeyRange, Log, StateEntry, StateStore};
use potok_plugin::{ScanPage, ScanRange};
use potok_types::Timestamp;
use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::Bound;

/// Entries of one page, whatever the guest asks for.
const PAGE_ENTRIES_MAX: u32 = 4_096;
/// Entries read from the log at once.
const LOG_PAGE: usize = 256;

/// What a scan asks for: at most `limit` entries, and no more once keys and values pass `bytes_max`.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) range: ScanRange,
    pub(crate) limit: u32,
    pub(crate) bytes_max: usize,
}

/// A key and its newest value there; none deletes.
type Entry<'a> = (&'a [u8], Option<&'a [u8]>);
type Entries<'a> = Peekable<Box<dyn Iterator<Item = Entry<'a>> + 'a>>;

pub(super) fn scan(
    log: &dyn Log,
    at: StateStore,
    table: &mut Table,
    writes: &mut CallWrites,
    ask: &Ask,
    now: Timestamp,
) -> Result<ScanPage, StateFault> {
    let mut page = ScanPage::default();
    let range = &ask.range;
    let limit = ask.limit.min(PAGE_ENTRIES_MAX) as usize;
    let is_empty = matches!((&range.start, &range.end), (Some(start), Some(end)) if start >= end);
    if is_empty || limit == 0 {
        return Ok(page);
    }
    let ids = table.uncommitted();
    writes.index();
    let (table, writes) = (&*table, &*writes);
    let mut head = head_entries(table, &ids, range, now);
    let mut call = call_entries(writes, range);
    let mut stored = LogPages::new(log, at, range, limit);
    let mut bytes = 0;
    loop {
        let lead = [call.peek().map(|e| e.0), head.peek().map(|e| e.0), stored.peek()?.map(|e| &*e.key)];
        let next = lead
            .into_iter()
            .flatten()
            .reduce(|a, b| if (b < a) != range.backwards && a != b { b } else { a });
        let Some(key) = next.map(Bytes::copy_from_slice) else { break };
        if page.keys.len() == limit || bytes > ask.bytes_max {
            page.more = true;
            break;
        }
        let newest = call.next_if(|e| e.0 == key).map(|e| e.1);
        let newer = head.next_if(|e| e.0 == key).map(|e| e.1);
        let old = stored.take(&key, table, now)?;
        if let Some(value) = newest.or(newer).or(old.as_ref().map(Option::as_deref)).flatten() {
            bytes += key.len() + value.len();
            page.keys.push(Some(&key));
            page.values.push(Some(value));
        }
    }
    Ok(page)
}

fn call_entries<'a>(writes: &'a CallWrites, range: &ScanRange) -> Entries<'a> {
    let bounds = (
        range.start.as_deref().map_or(Bound::Unbounded, Bound::Included),
        range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
    );
    let entries = writes.indexed().range::<[u8], _>(bounds).map(|(key, at)| (&**key, writes.value(*at)));
    directed(entries, range.backwards)
}

fn head_entries<'a>(table: &'a Table, ids: &'a [SlotId], range: &ScanRange, now: Timestamp) -> Entries<'a> {
    let before_start = |key: &[u8]| range.start.as_deref().is_some_and(|start| key < start);
    let before_end = |key: &[u8]| range.end.as_deref().is_none_or(|end| key < end);
    let from = ids.partition_point(|id| before_start(table.key(*id)));
    let to = ids.partition_point(|id| before_end(table.key(*id))).max(from);
    let entries = ids[from..to].iter().map(move |id| (table.key(*id), table.value(*id, now)));
    directed(entries, range.backwards)
}

fn directed<'a>(entries: impl DoubleEndedIterator<Item = Entry<'a>> + 'a, backwards: bool) -> Entries<'a> {
    let boxed: Box<dyn Iterator<Item = Entry<'a>> + 'a> =
        if backwards { Box::new(entries.rev()) } else { Box::new(entries) };
    boxed.peekable()
}

/// The log's entries of a range, read page by page.
struct LogPages<'a> {
    log: &'a dyn Log,
    at: StateStore,
    rest: KeyRange,
    page: VecDeque<StateEntry>,
    page_len: usize,
    more: bool,
}

impl<'a> LogPages<'a> {
    fn new(log: &'a dyn Log, at: StateStore, range: &ScanRange, limit: usize) -> LogPages<'a> {
        let bytes = |end: &Option<Vec<u8>>| end.as_deref().map(Bytes::copy_from_slice);
        let rest =
            KeyRange { start: bytes(&range.start), end: bytes(&range.end), backwards: range.backwards };
        LogPages { log, at, rest, page: VecDeque::new(), page_len: LOG_PAGE.min(limit + 1), more: true }
    }
    fn peek(&mut self) -> Result<Option<&StateEntry>, StateFault> {
        if self.page.is_empty() && self.more {
            let read = self.log.state_scan(self.at, &self.rest, self.page_len);
            let (entries, more) = read.map_err(|error| StateFault::Host(error.to_string()))?;
            self.more = more && !entries.is_empty();
            if let Some(last) = entries.last() {
                self.continue_after(&last.key.clone());
            }
            self.page = entries.into();
        }
        Ok(self.page.front())
    }
    fn continue_after(&mut self, last: &Bytes) {
        if self.rest.backwards {
            self.rest.end = Some(last.clone());
        } else {
            let mut next = last.to_vec();
            next.push(0);
            self.rest.start = Some(next.into());
        }
    }
    /// The value stored under `key` when that is the next one; none inside when it is expired.
    fn take(
        &mut self,
        key: &Bytes,
        table: &Table,
        now: Timestamp,
    ) -> Result<Option<Option<Bytes>>, StateFault> {
        if self.page.front().is_none_or(|entry| entry.key != *key) {
            return Ok(None);
        }
        let Some(entry) = self.page.pop_front() else { return Ok(None) };
        let (written_at, value) = value::decode(&entry.value).map_err(StateFault::Host)?;
        let live = !table.is_expired(written_at, now);
        Ok(Some(live.then(|| entry.value.slice_ref(value))))
    }
}
