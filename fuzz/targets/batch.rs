//! Record batches from outside: whatever the bytes, decoding ends, takes no more memory than allowed, and what is
//! accepted reads the same wherever it is read. The first byte chooses whether length and checksum are made right, so
//! that changed bytes reach what lies behind them.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use potok_fuzz::Input;
use potok_types::{
    BATCH_HEADER_LEN, BatchBuilder, BatchLimits, LeaderEpoch, NewBatch, Offset, Record, RecordBatch,
    RecordColumns, batch_len,
};

/// Bytes that records may unpack to here.
const UNPACKED_LEN_MAX: usize = 1 << 20;
const LIMITS: BatchLimits = BatchLimits { batch_len_max: 1 << 20 };
const AT: Offset = Offset::FIRST;

type Parts = (u64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fuzz_target!(init: potok_fuzz::write_seeds_if_asked(potok_fuzz::batch_seeds), |data: &[u8]| {
    let mut input = Input(data);
    let repair = input.byte() & 1 == 1;
    let mut bytes = input.0.to_vec();
    if repair {
        make_right(&mut bytes);
    }
    let _ = batch_len(&bytes);
    if let Ok(stored) = RecordBatch::from_stored(Bytes::from(bytes.clone())) {
        read_as_stored(&stored);
    }
    if let Ok(sent) = NewBatch::from_producer(BytesMut::from(&bytes[..]), LIMITS) {
        accept(sent);
    }
});

/// Length, magic and checksum as they should be.
fn make_right(bytes: &mut [u8]) {
    if bytes.len() < BATCH_HEADER_LEN {
        return;
    }
    let len = u32::try_from(bytes.len() - 12).unwrap_or(0);
    bytes[8..12].copy_from_slice(&len.to_be_bytes());
    bytes[16] = 2;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A stored batch may have holes and may be damaged inside: reading ends, and says so at most once.
fn read_as_stored(batch: &RecordBatch) {
    let Ok(open) = batch.open(UNPACKED_LEN_MAX) else { return };
    let mut errors = 0;
    let mut records = 0u32;
    for record in open.records() {
        assert_eq!(errors, 0, "records follow an error");
        match record {
            Ok(record) => {
                records += 1;
                assert!(
                    record.offset >= batch.header().base_offset
                        && record.offset <= batch.header().last_offset()
                );
                let _ = record.headers().count();
            }
            Err(_) => errors += 1,
        }
    }
    assert!(records <= batch.header().count);
    let mut columns = RecordColumns::default();
    let whole = open.read_into(batch.header().base_offset, &mut columns, usize::MAX, usize::MAX);
    assert_eq!(whole.is_ok(), errors == 0);
    let _ = batch.retain(UNPACKED_LEN_MAX, |record| record.offset.get() % 2 == 0);
}

/// A batch that every check lets pass keeps its records on every way through the product.
fn accept(mut sent: NewBatch) {
    if sent.check_records(UNPACKED_LEN_MAX).is_err() {
        return;
    }
    let base = Offset::new(1_000_000).unwrap_or(AT);
    let placed = sent.place(base, LeaderEpoch(7));
    let Ok(stored) = RecordBatch::from_stored(placed.bytes().clone()) else {
        panic!("an accepted batch is not read")
    };
    assert_eq!(stored, placed);
    let before = records(&stored, |_| true);
    assert_eq!(before.len(), stored.header().count as usize);
    assert!((base.get()..).zip(&before).all(|(offset, record)| record.0 == offset), "offsets have a gap");
    assert_eq!(as_columns(&stored), before);
    assert_eq!(built_again(&before, &stored), before);
    let odd = |record: &Record<'_>| record.offset.get() % 2 == 1;
    let kept = stored.retain(UNPACKED_LEN_MAX, odd).unwrap_or_else(|error| panic!("retain: {error}"));
    let after = kept.map(|kept| {
        let Ok(kept) = RecordBatch::from_stored(kept.bytes().clone()) else {
            panic!("a compacted batch is not read")
        };
        assert_eq!(kept.header().next_offset(), stored.header().next_offset());
        records(&kept, |_| true)
    });
    assert_eq!(after.unwrap_or_default(), records(&stored, odd));
}

fn parts(record: &Record<'_>) -> Parts {
    let headers = record.headers().map(|h| (h.name.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
    (
        record.offset.get(),
        record.timestamp.0,
        record.key.map(<[u8]>::to_vec),
        record.value.map(<[u8]>::to_vec),
        headers,
    )
}
fn records(batch: &RecordBatch, keep: impl Fn(&Record<'_>) -> bool) -> Vec<Parts> {
    let open = batch.open(UNPACKED_LEN_MAX).unwrap_or_else(|error| panic!("open: {error}"));
    let kept = open
        .records()
        .map(|record| record.unwrap_or_else(|error| panic!("record: {error}")))
        .filter(|r| keep(r));
    kept.map(|record| parts(&record)).collect()
}
fn as_columns(batch: &RecordBatch) -> Vec<Parts> {
    let mut columns = RecordColumns::default();
    let open = batch.open(UNPACKED_LEN_MAX).unwrap_or_else(|error| panic!("open: {error}"));
    let whole = open.read_into(batch.header().base_offset, &mut columns, usize::MAX, usize::MAX);
    assert_eq!(whole, Ok(true));
    let headers = |i: usize| match &columns.headers {
        Some(headers) => {
            headers.get(i).map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect()
        }
        None => Vec::new(),
    };
    let owned = |item: Option<&[u8]>| item.map(<[u8]>::to_vec);
    let record = |i| {
        let (key, value) = (owned(columns.keys.get(i)), owned(columns.values.get(i)));
        (columns.offset(i).get(), columns.timestamp(i).0, key, value, headers(i))
    };
    (0..columns.len()).map(record).collect()
}
fn built_again(records: &[Parts], like: &RecordBatch) -> Vec<Parts> {
    let mut builder = BatchBuilder::new(like.header().compression);
    for (_, timestamp, key, value, headers) in records {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
        builder.push(
            potok_types::Timestamp(*timestamp),
            key.as_deref(),
            value.as_deref(),
            headers.into_iter(),
        );
    }
    let built = builder.build().unwrap_or_else(|error| panic!("build: {error}"));
    let placed = built.map(|built| built.place(like.header().base_offset, LeaderEpoch(0)));
    placed.map(|placed| self::records(&placed, |_| true)).unwrap_or_default()
}
