//! `potok:plugin/state`: keyed state of one task, as its guest sees it.
//! Granted: the stores that the module's description names. Limits: `STORES_OPEN_MAX`, `KEY_LEN_MAX`, `VALUE_LEN_MAX`,
//! `STATE_PUT_BYTES_MAX` a call, `STATE_GET_BYTES_MAX` an answer, `SCAN_ENTRIES_MAX` and `SCAN_BYTES_MAX` a page.
//! A handle is the store's number: there is nothing else to keep. Storage is the task's port.

use super::{Views, broken, checked, raw};
use crate::api::ScanRange;
use crate::bindings::records::ColumnResult;
use crate::bindings::state::{Error, Host as StateHost, HostStore, Page, Range, Store, add_to_linker as add};
use crate::host::Host;
use crate::limits::{
    KEY_LEN_MAX, SCAN_BYTES_MAX, SCAN_ENTRIES_MAX, STATE_GET_BYTES_MAX, STATE_PUT_BYTES_MAX, STORES_OPEN_MAX,
    VALUE_LEN_MAX, cut,
};
use potok_types::Column;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};

/// What a guest has of state: handles for as long as the instance lives, bytes put in this call.
#[derive(Debug, Default)]
pub(crate) struct StateUse {
    open: u32,
    put_bytes: usize,
}
impl StateUse {
    pub(crate) fn begin_call(&mut self) {
        self.put_bytes = 0;
    }
    fn put(&mut self, bytes: usize) -> Result<()> {
        self.put_bytes = self.put_bytes.saturating_add(bytes);
        if self.put_bytes > STATE_PUT_BYTES_MAX {
            return Err(broken(format!(
                "one call put more than {STATE_PUT_BYTES_MAX} bytes into its stores"
            )));
        }
        Ok(())
    }
}

impl StateHost for Host {}
impl HostStore for Host {
    fn open(&mut self, name: String) -> Result<Result<Resource<Store>, Error>> {
        let Some(number) = self.stores.iter().position(|store| store.name == name) else {
            return Ok(Err(Error::UnknownStore(cut(name, crate::limits::NAME_LEN_MAX))));
        };
        if self.state.open >= STORES_OPEN_MAX {
            return Err(broken(format!(
                "more than {STORES_OPEN_MAX} stores are open: open each one once, in `open`"
            )));
        }
        self.state.open += 1;
        Ok(Ok(Resource::new_own(u32::try_from(number)?)))
    }
    fn get_many(
        &mut self,
        store: Resource<Store>,
        keys: ColumnResult,
    ) -> Result<Result<ColumnResult, Error>> {
        let keys = checked(keys, "keys")?;
        if let Err(error) = fit(&keys) {
            return Ok(Err(error));
        }
        let values = self.port.state_get(store.rep(), &keys, STATE_GET_BYTES_MAX)?;
        if values.len() < keys.len() {
            return Err(broken(format!(
                "one get-many asked for more than {STATE_GET_BYTES_MAX} bytes of values"
            )));
        }
        Ok(Ok(raw(values)))
    }
    fn put_many(
        &mut self,
        store: Resource<Store>,
        keys: ColumnResult,
        values: ColumnResult,
    ) -> Result<Result<(), Error>> {
        let (keys, values) = (checked(keys, "keys")?, checked(values, "values")?);
        if keys.len() != values.len() {
            return Err(broken(format!("put-many has {} keys and {} values", keys.len(), values.len())));
        }
        if let Err(error) = fit(&keys).and_then(|()| fit_values(&values)) {
            return Ok(Err(error));
        }
        self.state.put(keys.byte_len() + values.byte_len())?;
        self.port.state_put(store.rep(), keys, values)?;
        Ok(Ok(()))
    }
    fn scan(&mut self, store: Resource<Store>, range: Range, limit: u32) -> Result<Result<Page, Error>> {
        if [&range.start, &range.end].into_iter().flatten().any(|key| key.len() > KEY_LEN_MAX) {
            return Ok(Err(key_too_long()));
        }
        let range = ScanRange { start: range.start, end: range.end, backwards: range.backwards };
        let page = self.port.state_scan(store.rep(), range, limit.min(SCAN_ENTRIES_MAX), SCAN_BYTES_MAX)?;
        Ok(Ok(Page { keys: raw(page.keys), values: raw(page.values), more: page.more }))
    }
    fn drop(&mut self, _: Resource<Store>) -> Result<()> {
        self.state.open = self.state.open.saturating_sub(1);
        Ok(())
    }
}

fn key_too_long() -> Error {
    Error::KeyTooLong(u32::try_from(KEY_LEN_MAX).unwrap_or(u32::MAX))
}
fn fit(keys: &Column) -> Result<(), Error> {
    for key in keys.iter() {
        match key {
            None => return Err(Error::NullKey),
            Some(key) if key.len() > KEY_LEN_MAX => return Err(key_too_long()),
            Some(_) => (),
        }
    }
    Ok(())
}
fn fit_values(values: &Column) -> Result<(), Error> {
    if values.iter().flatten().any(|value| value.len() > VALUE_LEN_MAX) {
        return Err(Error::ValueTooLong(u32::try_from(VALUE_LEN_MAX).unwrap_or(u32::MAX)));
    }
    Ok(())
}

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    add::<Host, Views>(linker, |host| host)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{column, host};
    use super::*;

    #[test]
    fn what_is_put_is_got_and_null_deletes() {
        let (_, mut host) = host();
        let store = || Resource::<Store>::new_own(1);
        let keys = || column(&[Some(b"k"), Some(b"l")]);
        host.put_many(store(), keys(), column(&[Some(b"1"), Some(b"2")])).unwrap().unwrap();
        host.put_many(store(), column(&[Some(b"k")]), column(&[None])).unwrap().unwrap();
        let got = checked(host.get_many(store(), keys()).unwrap().unwrap(), "got").unwrap();
        assert_eq!(got.iter().collect::<Vec<_>>(), [None, Some(&b"2"[..])]);
        let range = Range { start: None, end: None, backwards: false };
        let page = host.scan(store(), range, u32::MAX).unwrap().unwrap();
        assert_eq!((page.keys.data.as_slice(), page.more), (&b"l"[..], false));
    }
    #[test]
    fn only_stores_of_the_description_open_and_only_so_many() {
        let (_, mut host) = host();
        assert!(matches!(host.open("c".into()).unwrap(), Err(Error::UnknownStore(name)) if name == "c"));
        for _ in 0..STORES_OPEN_MAX {
            assert_eq!(host.open("b".into()).unwrap().unwrap().rep(), 1);
        }
        assert!(host.open("b".into()).unwrap_err().is::<super::super::Broken>());
        HostStore::drop(&mut host, Resource::new_own(1)).unwrap();
        assert!(host.open("b".into()).is_ok());
    }
    #[test]
    fn keys_and_values_past_their_limits_are_errors_the_guest_sees() {
        let (_, mut host) = host();
        let long = vec![0; KEY_LEN_MAX + 1];
        let got = host.get_many(Resource::new_own(0), column(&[Some(&long)])).unwrap();
        assert!(matches!(got, Err(Error::KeyTooLong(max)) if max as usize == KEY_LEN_MAX));
        assert!(matches!(host.get_many(Resource::new_own(0), column(&[None])).unwrap(), Err(Error::NullKey)));
        let long = vec![0; VALUE_LEN_MAX + 1];
        let put = host.put_many(Resource::new_own(0), column(&[Some(b"k")]), column(&[Some(&long)])).unwrap();
        assert!(matches!(put, Err(Error::ValueTooLong(max)) if max as usize == VALUE_LEN_MAX));
    }
    #[test]
    fn lies_end_the_call() {
        let (_, mut host) = host();
        let lie = ColumnResult { data: vec![], ends: vec![9, 0, 0, 0], nulls: vec![] };
        let error = host.get_many(Resource::new_own(0), lie).unwrap_err();
        assert!(error.is::<super::super::Broken>() && error.to_string().contains("ends at 9"), "{error}");
        let unequal = host.put_many(Resource::new_own(0), column(&[Some(b"k")]), column(&[]));
        assert!(unequal.unwrap_err().to_string().contains("1 keys and 0 values"));
    }
    #[test]
    fn one_call_reads_and_writes_only_so_many_bytes() {
        let (_, mut host) = host();
        let value = vec![7; VALUE_LEN_MAX];
        let put = |host: &mut Host| {
            host.put_many(Resource::new_own(0), column(&[Some(b"k")]), column(&[Some(&value)]))
        };
        let error = (0..1_000).find_map(|_| put(&mut host).err()).unwrap();
        assert!(error.to_string().contains("bytes into its stores"), "{error}");
        host.begin_call();
        put(&mut host).unwrap().unwrap();
        let same: Vec<Option<&[u8]>> = vec![Some(b"k"); 1_000];
        let error = host.get_many(Resource::new_own(0), column(&same)).unwrap_err();
        assert!(error.to_string().contains("bytes of values"), "{error}");
    }
    #[test]
    fn a_failing_port_is_not_the_guests_fault() {
        let (port, mut host) = host();
        port.fails.store(true, std::sync::atomic::Ordering::SeqCst);
        let error = host.get_many(Resource::new_own(0), column(&[Some(b"k")])).unwrap_err();
        assert!(error.is::<crate::api::PortError>());
    }
}
