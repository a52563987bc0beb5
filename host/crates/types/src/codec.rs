//! The compression of record batches: gzip, snappy (raw and Xerial-framed), lz4 frames, zstd.
//! Whatever a batch claims, unpacking stops at the caller's limit: memory follows what was allowed, not what was said.

use std::io::{Read, Write};

/// Codec in the low three bits of a batch's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Raw snappy, or chunks of it in Xerial's framing, as the Java client writes.
    Snappy,
    /// LZ4 frame with independent blocks.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// Why records could not be unpacked or packed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Attributes name a codec that Kafka does not have.
    #[error("compression codec {0} does not exist")]
    Unknown(u8),
    /// The bytes are not what the codec writes.
    #[error("{codec:?} data is damaged: {reason}")]
    Damaged {
        /// The codec.
        codec: Compression,
        /// What it said.
        reason: String,
    },
    /// Unpacked, the records are larger than allowed.
    #[error("records unpack to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version and compatible version.
const XERIAL_HEADER_LEN: usize = 16;
/// Xerial's default block: 32 KiB of plain bytes a chunk.
const XERIAL_BLOCK_LEN: usize = 32 * 1024;

impl Compression {
    /// From the attributes' low bits.
    pub fn from_bits(bits: u8) -> Result<Compression, CodecError> {
        Ok(match bits {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            other => return Err(CodecError::Unknown(other)),
        })
    }
    /// The attributes' low bits.
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Packs `plain`.
    pub fn pack(self, plain: &[u8]) -> Result<Vec<u8>, CodecError> {
        let wrong = |e: &dyn std::fmt::Display| CodecError::Damaged { codec: self, reason: e.to_string() };
        match self {
            Compression::None => Ok(plain.to_vec()),
            Compression::Gzip => {
                let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                to.write_all(plain).and_then(|()| to.finish()).map_err(|e| wrong(&e))
            }
            Compression::Snappy => pack_xerial(plain).map_err(|e| wrong(&e)),
            Compression::Lz4 => {
                let mut to = lz4_flex::frame::FrameEncoder::new(Vec::new());
                to.write_all(plain).map_err(|e| wrong(&e))?;
                to.finish().map_err(|e| wrong(&e))
            }
            Compression::Zstd => {
                zstd::bulk::compress(plain, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(|e| wrong(&e))
            }
        }
    }

    /// Unpacks `packed` to at most `limit` bytes.
    pub fn unpack(self, packed: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
        match self {
            Compression::None if packed.len() > limit => Err(CodecError::TooLarge { limit }),
            Compression::None => Ok(packed.to_vec()),
            Compression::Gzip => {
                self.read_all(flate2::read::MultiGzDecoder::new(packed), packed.len(), limit)
            }
            Compression::Snappy => self.unpack_snappy(packed, limit),
            Compression::Lz4 => {
                self.read_all(lz4_flex::frame::FrameDecoder::new(packed), packed.len(), limit)
            }
            Compression::Zstd => {
                let reader = zstd::Decoder::with_buffer(packed).map_err(|e| self.damaged(&e))?;
                self.read_all(reader, packed.len(), limit)
            }
        }
    }

    fn damaged(self, reason: &dyn std::fmt::Display) -> CodecError {
        CodecError::Damaged { codec: self, reason: reason.to_string() }
    }

    fn read_all(self, from: impl Read, packed_len: usize, limit: usize) -> Result<Vec<u8>, CodecError> {
        let mut plain = Vec::with_capacity(packed_len.saturating_mul(3).min(limit));
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        from.take(most).read_to_end(&mut plain).map_err(|e| self.damaged(&e))?;
        if plain.len() > limit { Err(CodecError::TooLarge { limit }) } else { Ok(plain) }
    }

    fn unpack_snappy(self, packed: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
        let mut plain = Vec::new();
        if !packed.starts_with(XERIAL_MAGIC) {
            self.unpack_block(packed, limit, &mut plain)?;
            return Ok(plain);
        }
        let mut rest = packed.get(XERIAL_HEADER_LEN..).ok_or_else(|| self.damaged(&"header is cut off"))?;
        while let Some((len, tail)) = rest.split_first_chunk::<4>() {
            let len = u32::from_be_bytes(*len) as usize;
            let block = tail.get(..len).ok_or_else(|| self.damaged(&"a chunk is cut off"))?;
            self.unpack_block(block, limit, &mut plain)?;
            rest = &tail[len..];
        }
        if rest.is_empty() { Ok(plain) } else { Err(self.damaged(&"a chunk's length is cut off")) }
    }

    fn unpack_block(self, block: &[u8], limit: usize, to: &mut Vec<u8>) -> Result<(), CodecError> {
        // the length is a claim, so it is checked against what snappy can reach from these bytes before memory is taken
        let claimed = snap::raw::decompress_len(block).map_err(|e| self.damaged(&e))?;
        if to.len().saturating_add(claimed) > limit {
            return Err(CodecError::TooLarge { limit });
        }
        if claimed > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
            return Err(self.damaged(&"the block claims more than snappy can hold in it"));
        }
        let start = to.len();
        to.resize(start + claimed, 0);
        let written =
            snap::raw::Decoder::new().decompress(block, &mut to[start..]).map_err(|e| self.damaged(&e))?;
        to.truncate(start + written);
        Ok(())
    }
}

/// A snappy copy element of two bytes yields at most 64: no block unpacks to more than this many times its size.
const SNAPPY_RATIO_MAX: usize = 64;

fn pack_xerial(plain: &[u8]) -> Result<Vec<u8>, snap::Error> {
    let mut to = Vec::with_capacity(XERIAL_HEADER_LEN + plain.len() / 2);
    to.extend_from_slice(XERIAL_MAGIC);
    to.extend_from_slice(&1u32.to_be_bytes());
    to.extend_from_slice(&1u32.to_be_bytes());
    for block in plain.chunks(XERIAL_BLOCK_LEN) {
        let packed = snap::raw::Encoder::new().compress_vec(block)?;
        #[expect(clippy::cast_possible_truncation, reason = "a block of 32 KiB packs to less than 4 GiB")]
        to.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        to.extend_from_slice(&packed);
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    #[test]
    fn what_is_packed_unpacks_and_bombs_stop_at_the_limit() {
        let plain = b"to be or not to be, ".repeat(5_000);
        for codec in ALL {
            let packed = codec.pack(&plain).unwrap();
            assert_eq!(codec.unpack(&packed, plain.len()).unwrap(), plain, "{codec:?}");
            assert_eq!(
                codec.unpack(&packed, plain.len() - 1),
                Err(CodecError::TooLarge { limit: plain.len() - 1 }),
                "{codec:?}"
            );
        }
    }
    #[test]
    fn raw_snappy_is_read_too_and_damage_is_named() {
        let packed = snap::raw::Encoder::new().compress_vec(b"raw raw raw raw raw").unwrap();
        assert_eq!(Compression::Snappy.unpack(&packed, 100).unwrap(), b"raw raw raw raw raw");
        for codec in ALL.into_iter().skip(1) {
            assert!(
                matches!(
                    codec.unpack(&[0xff; 40], 1 << 20),
                    Err(CodecError::Damaged { .. } | CodecError::TooLarge { .. })
                ),
                "{codec:?}"
            );
        }
    }
}
