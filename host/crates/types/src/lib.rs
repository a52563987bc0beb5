//! The vocabulary every room speaks: names, offsets, time, record batches and columns.
//! No I/O, no async, nothing heavy; whoever reads a word here needs no other crate to understand it.

mod batch;
mod codec;
mod column;
mod digest;
mod murmur2;
mod name;
mod offset;
mod time;
mod varint;

pub use batch::{
    BATCH_HEADER_LEN, BatchBuilder, BatchError, BatchHeader, BatchLimits, NewBatch, OpenBatch, Record,
    RecordBatch, RecordHeader, RecordPlace, Records, batch_len,
};
pub use codec::{CodecError, Compression};
pub use column::{Column, ColumnError, HeaderColumns, RecordColumns};
pub use digest::{Digest, DigestError};
pub use murmur2::{murmur2, partition_for_key};
pub use name::{
    ModuleName, NAME_LEN_MAX, NameError, PartitionIndex, ProcessorName, TopicName, TopicNumber,
    TopicPartition,
};
pub use offset::{Ends, LeaderEpoch, Offset, ProducerEpoch, ProducerId};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
