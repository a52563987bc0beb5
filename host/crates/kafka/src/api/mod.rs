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
//! 4. The request's layout in `shape/table.rs`: what is not described there is not decoded, and its items count as room.
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
pub(crate) use security::{Credentials, Quotas};

use crate::advertise;
use crate::answer::Answer;
use crate::broker::Broker;
use crate::call::{Body, Call, Client};
use crate::error::Fault;
use crate::gather::Gather;
use crate::header::Header;
use crate::room::{self, Held};
use crate::shape;
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
    /// Bytes that it takes in memory from the first poll of `outcome` on, with those that came.
    pub(crate) room: usize,
    /// Whether the next request may begin before this one is answered: what it has for the log was gathered.
    pub(crate) is_queued: bool,
}

/// Begins a request for which `held` is held. What it has for the log goes to `gather`, which the caller flushes.
pub(crate) async fn start(
    broker: Arc<Broker>,
    client: Arc<Client>,
    header: Header,
    body: Body,
    (held, gather): (&mut Held, &mut Gather),
) -> Result<Started, Fault> {
    let (min, max) = advertise::versions(header.key).ok_or(Fault::UnknownApi(header.key as i16))?;
    if !(min..=max).contains(&header.version) {
        let answer = api_versions::refuse_version(&header)?;
        let outcome = futures::future::ready(Ok(Some(answer))).boxed();
        return Ok(Started { outcome, room: 0, is_queued: false });
    }
    // what decoding makes of a request is held as room, too
    let decoded = shape::check(header.key, header.version, &body.bytes)? * shape::ITEM_LEN;
    let room = body.bytes.len() + decoded;
    if header.key == ApiKey::Produce {
        // few items are nothing beside the buffers of a connection
        let room = if decoded <= room::SMALL { 0 } else { room };
        return begin_produce(broker, header, body, (held, gather), room).await;
    }
    let call = Call { broker, client, header, body: body.bytes.freeze() };
    let outcome = async move { answer(&call).await.map(Some) }.boxed();
    Ok(Started { outcome, room, is_queued: false })
}

/// Begins a Produce request at once where there is room for it. Else it waits for room as any other request does, and nothing
/// begins behind it.
async fn begin_produce(
    broker: Arc<Broker>,
    header: Header,
    body: Body,
    (held, gather): (&mut Held, &mut Gather),
    room: usize,
) -> Result<Started, Fault> {
    if broker.room.widen(held, room).now_or_never().is_some() {
        let outcome = produce::start(broker, header, body, gather).await?;
        return Ok(Started { outcome, room: 0, is_queued: true });
    }
    let outcome = async move {
        let (log, mut alone) = (Arc::clone(&broker.log), Gather::default());
        let outcome = produce::start(broker, header, body, &mut alone).await?;
        alone.flush(&*log).await;
        outcome.await
    };
    Ok(Started { outcome: outcome.boxed(), room, is_queued: false })
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
        ApiKey::DescribeClientQuotas => call.encode(security::quotas::describe(call, &call.decode()?)),
        ApiKey::AlterClientQuotas => call.encode(security::quotas::alter(call, call.decode()?).await),
        ApiKey::DescribeUserScramCredentials => call.encode(security::scram::describe(call, call.decode()?)),
        ApiKey::AlterUserScramCredentials => call.encode(security::scram::alter(call, call.decode()?).await),
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
