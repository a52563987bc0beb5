//! What a batch must be to enter a topic: size, keys where compaction needs them, the broker's timestamp where the topic
//! has `LogAppendTime`. In comes a validated batch, out goes what the writer must know of it.
//! Pure, and apart from offsets and sequences, so that it runs on the caller's thread and not on the writer's.

use crate::api::Topic;
use crate::config::TimestampType;
use crate::error::AppendError;
use crate::transactions::Marker;
use potok_types::{Compression, NewBatch, Timestamp};

/// What compressed records may unpack to when their keys are looked at, in multiples of `max.message.bytes`, and at most
/// [`UNPACKED_LEN_MAX`]: the small multiple refuses bombs, real data rarely packs better than 1:20.
const UNPACKED_RATIO_MAX: usize = 100;
/// 1 GiB: above it, a batch is refused whatever its topic allows.
const UNPACKED_LEN_MAX: usize = 1 << 30;

/// What was found of a batch on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// What it says, when it is a control batch.
    pub(crate) marker: Option<Marker>,
    /// Set where the topic has `LogAppendTime`.
    pub(crate) append_time: Option<Timestamp>,
}

/// Checks `batch` against its topic's configs, and stamps it where they say so.
pub(crate) fn admit(topic: &Topic, batch: &mut NewBatch, now: Timestamp) -> Result<Admitted, AppendError> {
    let limit = topic.config.batch_len_max();
    if batch.len() > limit {
        return Err(AppendError::TooLarge { len: batch.len(), limit });
    }
    let marker = Marker::of(batch)?;
    if topic.config.cleanup_policy().compact && marker.is_none() {
        check_keys(batch, limit)?;
    }
    let append_time = (topic.config.timestamp_type() == TimestampType::LogAppendTime).then_some(now);
    if let Some(now) = append_time {
        batch.stamp(now);
    }
    Ok(Admitted { marker, append_time })
}

/// A compacted topic keeps the newest record of each key, so each record needs one.
fn check_keys(batch: &NewBatch, batch_len_max: usize) -> Result<(), AppendError> {
    let unpacked_len_max = match batch.header().compression {
        Compression::None => batch.len(),
        _ => batch_len_max.saturating_mul(UNPACKED_RATIO_MAX).min(UNPACKED_LEN_MAX),
    };
    let open = batch.open(unpacked_len_max)?;
    for (index, record) in (0..).zip(open.records()) {
        if record?.key.is_none() {
            return Err(AppendError::KeyMissing { index });
        }
    }
    Ok(())
}
