//! One file for each API: decode → call → encode. In comes a request whose version is served and whose shape is sound, out
//! goes its answer; a handler does no I/O but through the rooms it is given.
//!
//! # How an API is added
//!
//! 1. `api/<name>.rs` with `pub(crate) async fn handle(call: &Call, request: XRequest) -> XResponse`. What goes wrong is a
//!    code in the answer, by a table in `error.rs`; a handler never fails.
//! 2. A line in [`answer`] or [`administer`]: `ApiKey::X => call.encode(x::handle(call, call.decode()?).await)`.
//! 3. A line in `advertise.rs`: the versions that are implemented. Set only fields that the answer's version has: the codec
//!    refuses to encode others (`call.version()`).
//! 4. The request's layout in `shape/table.rs`: what is not described there is not decoded.
//! 5. Whoever waits (for records, for other members) also waits for `call.client.gone`, and then answers at once: it is
//!    cancelled when the client closes its connection and when the server stops.
//!
//! A handler that has begun runs to its end even when its client has gone; one that waits for room has not. Requests of one
//! connection run one after the other, but for Produce, whose requests overlap; requests of different connections run at the
//! same time.

mod api_versions;
mod cluster;
mod config;
mod fetch;
mod group;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod once;
mod operations;
mod produce;
mod security;
mod topic;
pub(crate) mod topics;
mod transaction;

pub(crate) use config::BrokerConfigs;
pub(crate) use fetch::Sessions;

use crate::advertise;
use crate::answer::Answer;
use crate::broker::Broker;
use crate::call::{Call, Client};
use crate::error::Fault;
use crate::header::Header;
use crate::shape;
use bytes::BytesMut;
use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_protocol::messages::ApiKey;
use std::sync::Arc;

/// What a request comes to, in time; `None` where the client wants no answer.
pub(crate) type Outcome = BoxFuture<'static, Result<Option<Answer>, Fault>>;

/// A request that has begun.
pub(crate) struct Started {
    /// What it comes to.
    pub(crate) outcome: Outcome,
    /// Bytes that it takes in memory from the first poll of `outcome` on, beyond those that came where it is more.
    pub(crate) room: usize,
}

/// Begins a request. When this returns, a Produce request is in the log's queue, so that the next may begin.
pub(crate) async fn start(
    broker: Arc<Broker>,
    client: Arc<Client>,
    header: Header,
    body: BytesMut,
) -> Result<Started, Fault> {
    let (min, max) = advertise::versions(header.key).ok_or(Fault::UnknownApi(header.key as i16))?;
    if !(min..=max).contains(&header.version) {
        let answer = api_versions::refuse_version(&header)?;
        return Ok(Started { outcome: futures::future::ready(Ok(Some(answer))).boxed(), room: 0 });
    }
    if header.key == ApiKey::Produce {
        return Ok(Started { outcome: produce::start(broker, header, body).await?, room: 0 });
    }
    let items = shape::check(header.key, header.version, &body)?;
    // what decoding makes of a request is held as room, too
    let room = body.len() + items * shape::ITEM_LEN;
    let call = Call { broker, client, header, body: body.freeze() };
    Ok(Started { outcome: async move { answer(&call).await.map(Some) }.boxed(), room })
}

/// Each API by its handler: records, groups and transactions.
async fn answer(call: &Call) -> Result<Answer, Fault> {
    match call.header.key {
        ApiKey::Fetch => fetch::handle(call, call.decode()?).await,
        ApiKey::ListOffsets => call.encode(list_offsets::handle(call, call.decode()?).await),
        ApiKey::OffsetForLeaderEpoch => call.encode(offset_for_leader_epoch::handle(call, call.decode()?)),
        ApiKey::Metadata => call.encode(metadata::handle(call, call.decode()?).await),
        ApiKey::OffsetCommit => call.encode(group::offset_commit::handle(call, call.decode()?).await),
        ApiKey::OffsetFetch => call.encode(group::offset_fetch::handle(call, call.decode()?).await),
        ApiKey::FindCoordinator => call.encode(group::find_coordinator::handle(call, call.decode()?)),
        ApiKey::JoinGroup => call.encode(group::join_group::handle(call, call.decode()?).await),
        ApiKey::Heartbeat => call.encode(group::heartbeat::handle(call, call.decode()?).await),
        ApiKey::LeaveGroup => call.encode(group::leave_group::handle(call, call.decode()?).await),
        ApiKey::SyncGroup => call.encode(group::sync_group::handle(call, call.decode()?).await),
        ApiKey::DescribeGroups => call.encode(group::describe_groups::handle(call, call.decode()?).await),
        ApiKey::ListGroups => call.encode(group::list_groups::handle(call, call.decode()?).await),
        ApiKey::ApiVersions => call.encode(api_versions::handle(call, &call.decode()?)),
        ApiKey::InitProducerId => {
            call.encode(transaction::init_producer_id::handle(call, call.decode()?).await)
        }
        ApiKey::AddPartitionsToTxn => {
            call.encode(transaction::add_partitions_to_txn::handle(call, call.decode()?).await)
        }
        ApiKey::AddOffsetsToTxn => {
            call.encode(transaction::add_offsets_to_txn::handle(call, call.decode()?).await)
        }
        ApiKey::EndTxn => call.encode(transaction::end_txn::handle(call, call.decode()?).await),
        ApiKey::TxnOffsetCommit => {
            call.encode(transaction::txn_offset_commit::handle(call, call.decode()?).await)
        }
        ApiKey::DeleteGroups => call.encode(group::delete_groups::handle(call, call.decode()?).await),
        ApiKey::OffsetDelete => call.encode(group::offset_delete::handle(call, call.decode()?).await),
        ApiKey::DescribeProducers => {
            call.encode(transaction::describe_producers::handle(call, call.decode()?))
        }
        ApiKey::DescribeTransactions => {
            call.encode(transaction::describe_transactions::handle(call, call.decode()?).await)
        }
        ApiKey::ListTransactions => {
            call.encode(transaction::list_transactions::handle(call, call.decode()?).await)
        }
        ApiKey::ConsumerGroupHeartbeat => {
            call.encode(group::consumer_group_heartbeat::handle(call, call.decode()?).await)
        }
        ApiKey::ConsumerGroupDescribe => {
            call.encode(group::consumer_group_describe::handle(call, call.decode()?).await)
        }
        _ => administer(call).await,
    }
}

/// Each API by its handler: topics, configs, the cluster, security.
async fn administer(call: &Call) -> Result<Answer, Fault> {
    match call.header.key {
        ApiKey::CreateTopics => call.encode(topic::create_topics::handle(call, call.decode()?).await),
        ApiKey::DeleteTopics => call.encode(topic::delete_topics::handle(call, call.decode()?).await),
        ApiKey::DeleteRecords => call.encode(topic::delete_records::handle(call, call.decode()?).await),
        ApiKey::CreatePartitions => call.encode(topic::create_partitions::handle(call, call.decode()?).await),
        ApiKey::DescribeConfigs => call.encode(config::describe::handle(call, call.decode()?)),
        ApiKey::AlterConfigs => call.encode(config::alter::all_anew(call, call.decode()?).await),
        ApiKey::IncrementalAlterConfigs => call.encode(config::alter::one_by_one(call, call.decode()?).await),
        ApiKey::ListConfigResources => call.encode(config::list::handle(call, &call.decode()?)),
        ApiKey::DescribeAcls => call.encode(security::acls::describe(&call.decode()?)),
        ApiKey::CreateAcls => call.encode(security::acls::create(&call.decode()?)),
        ApiKey::DeleteAcls => call.encode(security::acls::delete(&call.decode()?)),
        ApiKey::DescribeClientQuotas => call.encode(security::quotas::describe(&call.decode()?)),
        ApiKey::AlterClientQuotas => call.encode(security::quotas::alter(call.decode()?)),
        ApiKey::DescribeUserScramCredentials => call.encode(security::scram::describe(call.decode()?)),
        ApiKey::AlterUserScramCredentials => call.encode(security::scram::alter(call.decode()?)),
        ApiKey::AlterReplicaLogDirs => {
            call.encode(cluster::alter_replica_log_dirs::handle(call, call.decode()?))
        }
        ApiKey::DescribeLogDirs => {
            call.encode(cluster::describe_log_dirs::handle(call, call.decode()?).await)
        }
        ApiKey::ElectLeaders => call.encode(cluster::elect_leaders::handle(call, call.decode()?)),
        ApiKey::AlterPartitionReassignments => {
            call.encode(cluster::alter_partition_reassignments::handle(call, call.decode()?))
        }
        ApiKey::ListPartitionReassignments => {
            call.encode(cluster::list_partition_reassignments::handle(&call.decode()?))
        }
        ApiKey::DescribeQuorum => call.encode(cluster::describe_quorum::handle(call, call.decode()?)),
        ApiKey::UpdateFeatures => call.encode(cluster::update_features::handle(call, &call.decode()?)),
        ApiKey::DescribeCluster => call.encode(cluster::describe_cluster::handle(call, &call.decode()?)),
        ApiKey::DescribeTopicPartitions => {
            call.encode(cluster::describe_topic_partitions::handle(call, &call.decode()?))
        }
        other => Err(Fault::UnknownApi(other as i16)),
    }
}
