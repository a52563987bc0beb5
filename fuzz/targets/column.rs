//! Columns as a guest hands them over: whatever the parts, checking ends; what is accepted never reads outside its arena
//! and reads the same by index, in order, and built again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use potok_fuzz::Input;
use potok_types::{Column, HeaderColumns};

fuzz_target!(init: potok_fuzz::write_seeds_if_asked(potok_fuzz::column_seeds), |data: &[u8]| {
    let mut input = Input(data);
    let records = usize::from(input.byte());
    let first = column(&mut input);
    let second = column(&mut input);
    for column in [&first, &second].into_iter().flatten() {
        check(column);
    }
    if let (Some(names), Some(values)) = (first, second)
        && let Ok(headers) = HeaderColumns::from_parts(input.part().to_vec(), names, values, records)
    {
        check_headers(&headers, records);
    }
});

fn column(input: &mut Input<'_>) -> Option<Column> {
    let (data, ends, nulls) = (input.part().to_vec(), input.part().to_vec(), input.part().to_vec());
    let parts = (data.clone(), ends.clone(), nulls.clone());
    let column = Column::from_parts(data, ends, nulls).ok()?;
    assert_eq!(column.clone().into_parts(), parts);
    Some(column)
}

fn check(column: &Column) {
    let items: Vec<_> = column.iter().collect();
    assert_eq!(items.len(), column.len());
    assert_eq!(items.is_empty(), column.is_empty());
    for (i, item) in items.iter().enumerate() {
        assert_eq!(column.get(i), *item);
        assert_eq!(column.is_null(i), item.is_none());
    }
    let bytes: usize = items.iter().flatten().map(|item| item.len()).sum();
    assert!(bytes <= column.byte_len());
    let again: Column = items.iter().copied().collect();
    assert!(again.iter().eq(items));
    let (data, ends, nulls) = again.clone().into_parts();
    assert_eq!(Column::from_parts(data, ends, nulls), Ok(again));
}

fn check_headers(headers: &HeaderColumns, records: usize) {
    let (ends, names, values) = headers.parts();
    assert_eq!((ends.len(), names.len()), (4 * records, values.len()));
    let mut again = HeaderColumns::default();
    for record in 0..records {
        again.push(headers.get(record));
    }
    for record in 0..records {
        assert!(again.get(record).eq(headers.get(record)));
    }
}
