//! `potok:plugin/text`: UTF-8 in and out, for guests whose engine has no codec of its own. Nothing to grant.
//! What comes in is bounded as every call's is; a column's strings take no more than its bytes and a string's header each.

use super::{Views, broken, checked, raw};
use crate::bindings::records::ColumnResult;
use crate::bindings::text::{Decoded, Host as TextHost, add_to_linker as add};
use crate::host::Host;
use potok_types::Column;
use wasmtime::Result;
use wasmtime::component::Linker;

impl TextHost for Host {
    fn decode(&mut self, bytes: Vec<u8>) -> Result<Result<String, u32>> {
        let at = |error: std::string::FromUtf8Error| u32::try_from(error.utf8_error().valid_up_to());
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Ok(text)),
            Err(error) => Ok(Err(at(error)?)),
        }
    }
    fn encode(&mut self, text: String) -> Result<Vec<u8>> {
        Ok(text.into_bytes())
    }
    fn decode_column(&mut self, items: ColumnResult) -> Result<Decoded> {
        let column = checked(items, "items")?;
        let (mut items, mut invalid) = (Vec::with_capacity(column.len()), Vec::new());
        for (i, item) in column.iter().enumerate() {
            let text = std::str::from_utf8(item.unwrap_or_default()).unwrap_or_else(|_| {
                invalid.extend_from_slice(&u32::try_from(i).unwrap_or(u32::MAX).to_le_bytes());
                ""
            });
            items.push(text.to_owned());
        }
        Ok(Decoded { items, invalid })
    }
    fn encode_column(&mut self, items: Vec<String>) -> Result<ColumnResult> {
        let bytes: usize = items.iter().map(String::len).sum();
        if u32::try_from(bytes).is_err() {
            return Err(broken("a column holds less than 4 GiB"));
        }
        Ok(raw(items.iter().map(|item| Some(item.as_bytes())).collect::<Column>()))
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    add::<Host, Views>(linker, |host| host)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{column, host};
    use super::*;

    #[test]
    fn bad_utf8_is_named_by_its_first_byte() {
        let (_, mut host) = host();
        assert_eq!(host.decode("zażółć".into()).unwrap(), Ok("zażółć".to_owned()));
        assert_eq!(host.decode(b"ab\xffc".to_vec()).unwrap(), Err(2));
        assert_eq!(host.encode("ć".into()).unwrap(), [0xc4, 0x87]);
    }
    #[test]
    fn a_column_names_its_bad_items_and_keeps_the_others() {
        let (_, mut host) = host();
        let decoded =
            host.decode_column(column(&[Some("ż".as_bytes()), None, Some(b"\xff"), Some(b"c")])).unwrap();
        assert_eq!(decoded.items, ["ż", "", "", "c"]);
        assert_eq!(decoded.invalid, [2, 0, 0, 0]);
        let encoded = host.encode_column(vec!["ż".into(), String::new()]).unwrap();
        assert_eq!(encoded.ends, [2, 0, 0, 0, 2, 0, 0, 0]);
    }
}
