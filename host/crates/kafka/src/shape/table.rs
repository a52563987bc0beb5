//! The layouts of the requests, by Kafka's message definitions.
//!
//! A field is `name@versions#tag:type`. Versions are `2`, `2-4` or `2+`, all when left out; a tag puts the field among the
//! tagged ones. Types: a number of bytes; `s` a string; `b` bytes; `{ … }` a struct; `?` before a struct that may be null; `[`
//! before the type of an array's items. From the flexible version on lengths are varints and structs end with tagged fields.

use kafka_protocol::messages::ApiKey;

/// For an API that has no flexible version.
pub(super) const NEVER: i16 = i16::MAX;

/// API, first flexible version, fields.
#[rustfmt::skip]
pub(super) const LAYOUTS: &[(ApiKey, i16, &str)] = &[
    (ApiKey::Produce, 9,
        "transactional_id@3+:s acks:2 timeout_ms:4 topic_data:[{ name@0-12:s topic_id@13+:16 \
        partition_data:[{ index:4 records:b } }"),
    (ApiKey::Fetch, 12,
        "cluster_id@12+#0:s replica_id@4-14:4 replica_state@15+#1:{ replica_id:4 replica_epoch:8 } max_wait_ms:4 \
        min_bytes:4 max_bytes:4 isolation_level:1 session_id@7+:4 session_epoch@7+:4 topics:[{ topic@4-12:s \
        topic_id@13+:16 partitions:[{ partition:4 current_leader_epoch@9+:4 fetch_offset:8 \
        last_fetched_epoch@12+:4 log_start_offset@5+:8 partition_max_bytes:4 replica_directory_id@17+#0:16 \
        high_watermark@18+#1:8 } } forgotten_topics_data@7+:[{ topic@7-12:s topic_id@13+:16 partitions:[4 } \
        rack_id@11+:s"),
    (ApiKey::ListOffsets, 6,
        "replica_id:4 isolation_level@2+:1 topics:[{ name:s partitions:[{ partition_index:4 \
        current_leader_epoch@4+:4 timestamp:8 } } timeout_ms@10+:4"),
    (ApiKey::Metadata, 9,
        "topics:[{ topic_id@10+:16 name:s } allow_auto_topic_creation@4+:1 \
        include_cluster_authorized_operations@8-10:1 include_topic_authorized_operations@8+:1"),
    (ApiKey::OffsetCommit, 8,
        "group_id:s generation_id_or_member_epoch:4 member_id:s group_instance_id@7+:s retention_time_ms@2-4:8 \
        topics:[{ name@2-9:s topic_id@10+:16 partitions:[{ partition_index:4 committed_offset:8 \
        committed_leader_epoch@6+:4 committed_metadata:s } }"),
    (ApiKey::OffsetFetch, 6,
        "group_id@1-7:s topics@1-7:[{ name:s partition_indexes:[4 } groups@8+:[{ group_id:s member_id@9+:s \
        member_epoch@9+:4 topics:[{ name@8-9:s topic_id@10+:16 partition_indexes:[4 } } require_stable@7+:1"),
    (ApiKey::FindCoordinator, 3, "key@0-3:s key_type@1+:1 coordinator_keys@4+:[s"),
    (ApiKey::JoinGroup, 6,
        "group_id:s session_timeout_ms:4 rebalance_timeout_ms@1+:4 member_id:s group_instance_id@5+:s \
        protocol_type:s protocols:[{ name:s metadata:b } reason@8+:s"),
    (ApiKey::Heartbeat, 4, "group_id:s generation_id:4 member_id:s group_instance_id@3+:s"),
    (ApiKey::LeaveGroup, 4, "group_id:s member_id@0-2:s members@3+:[{ member_id:s group_instance_id:s reason@5+:s }"),
    (ApiKey::SyncGroup, 4,
        "group_id:s generation_id:4 member_id:s group_instance_id@3+:s protocol_type@5+:s protocol_name@5+:s \
        assignments:[{ member_id:s assignment:b }"),
    (ApiKey::DescribeGroups, 5, "groups:[s include_authorized_operations@3+:1"),
    (ApiKey::ListGroups, 3, "states_filter@4+:[s types_filter@5+:[s"),
    (ApiKey::ApiVersions, 3, "client_software_name@3+:s client_software_version@3+:s"),
    (ApiKey::CreateTopics, 5,
        "topics:[{ name:s num_partitions:4 replication_factor:2 assignments:[{ partition_index:4 broker_ids:[4 } \
        configs:[{ name:s value:s } } timeout_ms:4 validate_only:1"),
    (ApiKey::DeleteTopics, 4, "topics@6+:[{ name:s topic_id:16 } topic_names@1-5:[s timeout_ms:4"),
    (ApiKey::DeleteRecords, 2, "topics:[{ name:s partitions:[{ partition_index:4 offset:8 } } timeout_ms:4"),
    (ApiKey::InitProducerId, 2,
        "transactional_id:s transaction_timeout_ms:4 producer_id@3+:8 producer_epoch@3+:2 enable2_pc@6+:1 \
        keep_prepared_txn@6+:1"),
    (ApiKey::OffsetForLeaderEpoch, 4,
        "replica_id@3+:4 topics:[{ topic:s partitions:[{ partition:4 current_leader_epoch:4 leader_epoch:4 } }"),
    (ApiKey::AddPartitionsToTxn, 3,
        "transactions@4+:[{ transactional_id:s producer_id:8 producer_epoch:2 verify_only:1 topics:[{ name:s \
        partitions:[4 } } v3_and_below_transactional_id@0-3:s v3_and_below_producer_id@0-3:8 \
        v3_and_below_producer_epoch@0-3:2 v3_and_below_topics@0-3:[{ name:s partitions:[4 }"),
    (ApiKey::AddOffsetsToTxn, 3, "transactional_id:s producer_id:8 producer_epoch:2 group_id:s"),
    (ApiKey::EndTxn, 3, "transactional_id:s producer_id:8 producer_epoch:2 committed:1"),
    (ApiKey::TxnOffsetCommit, 3,
        "transactional_id:s group_id:s producer_id:8 producer_epoch:2 generation_id@3+:4 member_id@3+:s \
        group_instance_id@3+:s topics:[{ name:s partitions:[{ partition_index:4 committed_offset:8 \
        committed_leader_epoch@2+:4 committed_metadata:s } }"),
    (ApiKey::DescribeAcls, 2,
        "resource_type_filter:1 resource_name_filter:s pattern_type_filter:1 principal_filter:s host_filter:s \
        operation:1 permission_type:1"),
    (ApiKey::CreateAcls, 2,
        "creations:[{ resource_type:1 resource_name:s resource_pattern_type:1 principal:s host:s operation:1 \
        permission_type:1 }"),
    (ApiKey::DeleteAcls, 2,
        "filters:[{ resource_type_filter:1 resource_name_filter:s pattern_type_filter:1 principal_filter:s \
        host_filter:s operation:1 permission_type:1 }"),
    (ApiKey::DescribeConfigs, 4,
        "resources:[{ resource_type:1 resource_name:s configuration_keys:[s } include_synonyms:1 \
        include_documentation@3+:1"),
    (ApiKey::AlterConfigs, 2,
        "resources:[{ resource_type:1 resource_name:s configs:[{ name:s value:s } } validate_only:1"),
    (ApiKey::AlterReplicaLogDirs, 2, "dirs:[{ path:s topics:[{ name:s partitions:[4 } }"),
    (ApiKey::DescribeLogDirs, 2, "topics:[{ topic:s partitions:[4 }"),
    (ApiKey::CreatePartitions, 2,
        "topics:[{ name:s count:4 assignments:[{ broker_ids:[4 } } timeout_ms:4 validate_only:1"),
    (ApiKey::DeleteGroups, 2, "groups_names:[s"),
    (ApiKey::ElectLeaders, 2, "election_type@1+:1 topic_partitions:[{ topic:s partitions:[4 } timeout_ms:4"),
    (ApiKey::IncrementalAlterConfigs, 1,
        "resources:[{ resource_type:1 resource_name:s configs:[{ name:s config_operation:1 value:s } } \
        validate_only:1"),
    (ApiKey::AlterPartitionReassignments, 0,
        "timeout_ms:4 allow_replication_factor_change@1+:1 topics:[{ name:s partitions:[{ partition_index:4 \
        replicas:[4 } }"),
    (ApiKey::ListPartitionReassignments, 0, "timeout_ms:4 topics:[{ name:s partition_indexes:[4 }"),
    (ApiKey::OffsetDelete, NEVER, "group_id:s topics:[{ name:s partitions:[{ partition_index:4 } }"),
    (ApiKey::DescribeClientQuotas, 1, "components:[{ entity_type:s match_type:1 match:s } strict:1"),
    (ApiKey::AlterClientQuotas, 1,
        "entries:[{ entity:[{ entity_type:s entity_name:s } ops:[{ key:s value:8 remove:1 } } validate_only:1"),
    (ApiKey::DescribeUserScramCredentials, 0, "users:[{ name:s }"),
    (ApiKey::AlterUserScramCredentials, 0,
        "deletions:[{ name:s mechanism:1 } upsertions:[{ name:s mechanism:1 iterations:4 salt:b salted_password:b \
        }"),
    (ApiKey::DescribeQuorum, 0, "topics:[{ topic_name:s partitions:[{ partition_index:4 } }"),
    (ApiKey::UpdateFeatures, 0,
        "timeout_ms:4 feature_updates:[{ feature:s max_version_level:2 allow_downgrade@0:1 upgrade_type@1+:1 } \
        validate_only@1+:1"),
    (ApiKey::DescribeCluster, 0,
        "include_cluster_authorized_operations:1 endpoint_type@1+:1 include_fenced_brokers@2+:1"),
    (ApiKey::DescribeProducers, 0, "topics:[{ name:s partition_indexes:[4 }"),
    (ApiKey::DescribeTransactions, 0, "transactional_ids:[s"),
    (ApiKey::ListTransactions, 0,
        "state_filters:[s producer_id_filters:[8 duration_filter@1+:8 transactional_id_pattern@2+:s"),
    (ApiKey::ConsumerGroupHeartbeat, 0,
        "group_id:s member_id:s member_epoch:4 instance_id:s rack_id:s rebalance_timeout_ms:4 \
        subscribed_topic_names:[s subscribed_topic_regex@1+:s server_assignor:s topic_partitions:[{ topic_id:16 \
        partitions:[4 }"),
    (ApiKey::ConsumerGroupDescribe, 0, "group_ids:[s include_authorized_operations:1"),
    (ApiKey::ListConfigResources, 0, "resource_types@1+:[1"),
    (ApiKey::DescribeTopicPartitions, 0,
        "topics:[{ name:s } response_partition_limit:4 cursor:?{ topic_name:s partition_index:4 }"),
];
