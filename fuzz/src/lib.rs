//! What the fuzz targets share: a reader that cuts parts out of raw bytes, and the inputs that a corpus begins with:
//! real batches and columns by the product's own builders, so that none is kept in the repository.
//! No check lives here; each target in `targets/` holds its own.

mod kafka;
mod memory;

pub use kafka::kafka_seeds;

use potok_types::{
    BatchBuilder, BatchError, Column, Compression, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp,
};
use std::path::Path;

/// Where the variable of this name points, a target writes its seeds and ends instead of fuzzing.
const SEEDS_FOLDER: &str = "POTOK_FUZZ_SEEDS";

/// Writes `seeds` when asked for by the environment; every target calls it before anything else.
pub fn write_seeds_if_asked(seeds: impl FnOnce() -> Vec<Vec<u8>>) {
    let Some(folder) = std::env::var_os(SEEDS_FOLDER) else { return };
    let write =
        |(i, seed): (usize, Vec<u8>)| std::fs::write(Path::new(&folder).join(format!("seed-{i:03}")), seed);
    let written =
        std::fs::create_dir_all(&folder).and_then(|()| seeds().into_iter().enumerate().try_for_each(write));
    if let Err(error) = &written {
        eprintln!("the seeds cannot be written to {}: {error}", folder.display());
    }
    std::process::exit(i32::from(written.is_err()));
}

/// Every codec that a batch can have.
pub const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// Cuts parts off the front of an input; an input that is too short gives less.
#[derive(Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte; 0 when there is none.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    /// A length of two bytes, then as many bytes as that says or as there are.
    pub fn part(&mut self) -> &'a [u8] {
        let claimed = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (part, rest) = self.0.split_at(claimed.min(self.0.len()));
        self.0 = rest;
        part
    }
}

/// Appends `bytes` as [`Input::part`] reads it.
fn put_part(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    to.extend_from_slice(&len.to_le_bytes());
    to.extend_from_slice(&bytes[..usize::from(len)]);
}

/// Seeds of the target `batch`: each batch as it is, and once more with the byte that asks for its repair.
pub fn batch_seeds() -> Vec<Vec<u8>> {
    let batches = batches().unwrap_or_else(|error| panic!("the seeds do not build: {error}"));
    batches.into_iter().flat_map(|batch| [0, 1].map(|first| [&[first][..], &batch].concat())).collect()
}

/// Batches to begin with: every codec; one record and many; with and without keys, values, headers, a producer.
fn batches() -> Result<Vec<Vec<u8>>, BatchError> {
    let mut all = Vec::new();
    for codec in CODECS {
        for shape in 0..4 {
            let mut builder = BatchBuilder::new(codec);
            if shape == 2 {
                builder = builder.producer(ProducerId(77), ProducerEpoch(3), 12, true);
            }
            fill(&mut builder, shape);
            let batch = builder.build()?;
            all.extend(batch.map(|batch| batch.place(Offset::FIRST, LeaderEpoch(1)).bytes().to_vec()));
        }
    }
    Ok(all)
}

fn fill(builder: &mut BatchBuilder, shape: i64) {
    let headers: [(&[u8], Option<&[u8]>); 3] =
        [(b"trace", Some(b"0af7")), (b"trace", None), (b"", Some(b""))];
    let records = if shape == 0 { 1 } else { 20 };
    for i in 0..records {
        let key = (i % 3 != 1).then(|| format!("key-{i}"));
        let value = (i % 5 != 4).then(|| format!("{{\"carrier\":\"AA\",\"delay\":{i}}}"));
        let headers = &headers[..if shape == 3 { i as usize % 4 } else { 0 }];
        let timestamp = Timestamp(1_357_000_000_000 + i * 60_000 * (shape - 1));
        let (key, value) = (key.as_deref().map(str::as_bytes), value.as_deref().map(str::as_bytes));
        builder.push(timestamp, key, value, headers.iter().copied());
    }
}

/// Seeds of the target `codec`: one text in every codec, with room for all of it.
pub fn codec_seeds() -> Vec<Vec<u8>> {
    let text = b"to be or not to be, that is the question; ".repeat(20);
    let seed = |(i, codec): (u8, Compression)| {
        let packed = codec.pack(&text).unwrap_or_else(|error| panic!("the seeds do not pack: {error}"));
        [&[i, 20][..], &packed].concat()
    };
    (0..).zip(CODECS).map(seed).collect()
}

/// Seeds of the target `column`: two columns and the ends of headers over them.
pub fn column_seeds() -> Vec<Vec<u8>> {
    let same: [Option<&[u8]>; 17] = [Some(b"name"); 17];
    let items: [&[Option<&[u8]>]; 4] = [&[], &[None], &[Some(b"a"), None, Some(b""), Some(b"bcd")], &same];
    let mut seeds = Vec::new();
    for names in items {
        let mut seed = vec![2];
        for column in [names, names] {
            let (data, ends, nulls) = column.iter().copied().collect::<Column>().into_parts();
            [data, ends, nulls].iter().for_each(|part| put_part(&mut seed, part));
        }
        let count = u32::try_from(names.len()).unwrap_or(0);
        put_part(&mut seed, &[(count / 2).to_le_bytes(), count.to_le_bytes()].concat());
        seeds.push(seed);
    }
    seeds
}

/// Seeds of the target `http`: bodies of every form.
pub fn http_seeds() -> Vec<Vec<u8>> {
    let record = r#"{"key":"a\nb","key_encoding":"text","value":{"a":[1.5e3,null]},"headers":[{"name":"h","value":"AA==","encoding":"base64"}],"timestamp":7,"partition":1}"#;
    let all = format!("{{\"records\":[{record},{{\"value\":\"AP8=\",\"value_encoding\":\"base64\"}}]}}");
    let bodies: [(u8, &str); 8] = [
        (0, "[1, \"two\", {\"three\": [3]}, null, -0.5e-7]"),
        (0, " {\"a\": \"\\ud83d\\ude00\"} "),
        (0, "true"),
        (1, record),
        (1, &all),
        (2, "key\tvalue"),
        (3, "one\r\ntwo\n\nlast"),
        (3, "{\"a\":1}\n{\"b\":2}\n"),
    ];
    bodies.iter().map(|(form, body)| [&[*form, 4][..], body.as_bytes()].concat()).collect()
}
