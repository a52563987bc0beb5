//! Idempotent and transactional producers, one file a request: wire words become those of the coordinator, and back.

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod describe_producers;
pub(crate) mod describe_transactions;
pub(crate) mod end_txn;
pub(crate) mod init_producer_id;
pub(crate) mod list_transactions;
pub(crate) mod txn_offset_commit;

use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::ProducerId as WireProducerId;
use potok_coordinator::{Identity, TransactionRefusal};
use potok_types::{ProducerEpoch, ProducerId};

/// Who asks, by its wire names.
fn identity(producer: WireProducerId, epoch: i16) -> Identity {
    Identity { producer: ProducerId(producer.0), epoch: ProducerEpoch(epoch) }
}

/// What older clients are told instead of codes that they do not know.
#[derive(Clone, Copy, Debug)]
struct Knows {
    /// `PRODUCER_FENCED` (KIP-588).
    fenced: bool,
    /// `TRANSACTION_ABORTABLE` (KIP-890).
    abortable: bool,
}

impl Knows {
    fn code(self, refusal: &TransactionRefusal) -> Code {
        match error::of_transaction(refusal) {
            Code::ProducerFenced if !self.fenced => Code::InvalidProducerEpoch,
            Code::TransactionAbortable if !self.abortable => Code::InvalidTxnState,
            code => code,
        }
    }
}
