//! The codecs of record batches: whatever the bytes, unpacking ends at its limit, and what is packed unpacks as it was.
//! The first byte chooses the codec, the second the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use potok_fuzz::{CODECS, Input};
use potok_types::CodecError;

fuzz_target!(init: potok_fuzz::write_seeds_if_asked(potok_fuzz::codec_seeds), |data: &[u8]| {
    let mut input = Input(data);
    let codec = CODECS[usize::from(input.byte()) % CODECS.len()];
    let limit = 1 << (input.byte() % 21);
    match codec.unpack(input.0, limit) {
        Ok(plain) => {
            assert!(plain.len() <= limit);
            // to just as much, but to no byte less
            assert_eq!(codec.unpack(input.0, plain.len()).as_ref(), Ok(&plain));
            if let Some(less) = plain.len().checked_sub(1) {
                assert_eq!(codec.unpack(input.0, less), Err(CodecError::TooLarge { limit: less }));
            }
            pack(codec, &plain);
        }
        Err(CodecError::TooLarge { limit: said }) => assert_eq!(said, limit),
        Err(_) => {}
    }
    pack(codec, input.0);
});

fn pack(codec: potok_types::Compression, plain: &[u8]) {
    let packed = codec.pack(plain).unwrap_or_else(|error| panic!("{codec:?}: {error}"));
    assert_eq!(codec.unpack(&packed, plain.len()).as_deref(), Ok(plain), "{codec:?}");
}
