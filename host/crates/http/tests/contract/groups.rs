//! The contract of `/v1/groups` where a group has members: they came through the coordinator, as Kafka's clients do.

use crate::common::{Host, body, expect, refused};
use bytes::Bytes;
use potok_coordinator::{
    Assignment, HeartbeatRequest, JoinRequest, LeaveRequest, Protocol, SyncRequest, embedded,
};
use potok_http::api::{Group, GroupAssignment, GroupList};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);

/// A classic member of group `g` that has both partitions of `t`; its id.
async fn classic_member(host: &Host) -> String {
    let metadata = embedded::subscription(&["t".to_owned()], &[]);
    let join = JoinRequest {
        member_id: String::new(),
        fresh_member_id: String::new(),
        instance_id: None,
        client_id: "billing-1".to_owned(),
        client_host: "/10.0.0.7".to_owned(),
        session_timeout: MINUTE,
        rebalance_timeout: MINUTE,
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata }],
        require_known_id: false,
        can_skip_assignment: true,
    };
    let joined = host.coordinator.join("g", join, &CancellationToken::new()).await.unwrap();
    let given: Bytes = embedded::assignment(&[("t".to_owned(), vec![1, 0])]);
    let sync = SyncRequest {
        member_id: joined.member_id.clone(),
        instance_id: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: vec![(joined.member_id.clone(), given)],
    };
    host.coordinator.sync("g", sync, &CancellationToken::new()).await.unwrap();
    joined.member_id
}

async fn leave(host: &Host, member_id: String) {
    let who = LeaveRequest { member_id, instance_id: None };
    assert_eq!(host.coordinator.leave("g", &[who]).await.unwrap(), [Ok(())]);
}

fn all_of_t() -> Vec<GroupAssignment> {
    vec![GroupAssignment { topic: "t".to_owned(), partitions: vec![0, 1] }]
}

#[tokio::test]
async fn a_group_of_kafkas_clients_is_listed_and_described_with_its_members() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    let id = classic_member(&host).await;
    let list: GroupList = body(host.get("/v1/groups"), 200).await;
    let [g] = &list.groups[..] else { panic!("{list:?}") };
    assert_eq!((g.name.as_str(), g.state.as_str(), g.protocol.as_str()), ("g", "Stable", "Classic"));
    assert_eq!((g.members, g.partitions), (1, 0), "it has committed nothing");

    let group: Group = body(host.get("/v1/groups/g"), 200).await;
    assert_eq!((group.state.as_str(), group.protocol.as_str()), ("Stable", "Classic"));
    let [member] = &group.members[..] else { panic!("{group:?}") };
    assert_eq!((&member.id, member.client_id.as_str()), (&id, "billing-1"));
    assert_eq!((member.host.as_str(), &member.assignment), ("10.0.0.7", &all_of_t()));
    leave(&host, id).await;
    let group: Group = body(host.get("/v1/groups/g"), 200).await;
    assert_eq!((group.state.as_str(), group.members.len()), ("Empty", 0));
}

#[tokio::test]
async fn a_group_of_the_newer_protocol_is_described_with_its_members() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    let join = HeartbeatRequest {
        member_id: "m".to_owned(),
        client_id: "billing-2".to_owned(),
        rebalance_timeout: Some(MINUTE),
        topics: Some(["t".to_owned()].into()),
        owned: Some(Assignment::new()),
        ..HeartbeatRequest::default()
    };
    host.coordinator.consumer_heartbeat("g", join).await.unwrap();
    let group: Group = body(host.get("/v1/groups/g"), 200).await;
    assert_eq!((group.protocol.as_str(), group.members.len()), ("Consumer", 1));
    assert_eq!((group.members[0].id.as_str(), &group.members[0].assignment), ("m", &all_of_t()));
    refused(host.ask(Method::DELETE, "/v1/groups/g"), 409, "group-in-use").await;
}

#[tokio::test]
async fn a_group_is_moved_and_forgotten_only_while_it_has_no_members() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    expect(host.produce("/v1/topics/t/records?partition=1", "application/json", "[1,2,3]"), 200).await;
    let put = || {
        let asked = json!({"offsets": [{"topic": "t", "to": "latest"}]});
        host.ask(Method::PUT, "/v1/groups/g/offsets").json(&asked)
    };
    let forget = || host.ask(Method::DELETE, "/v1/groups/g/offsets?topic=t&partition=0");
    let delete = || host.ask(Method::DELETE, "/v1/groups/g");
    refused(forget(), 404, "unknown-group").await;
    let id = classic_member(&host).await;
    for request in [put(), forget(), delete()] {
        let problem = refused(request, 409, "group-in-use").await;
        assert!(
            problem.detail.contains("\"g\"") && problem.remedy.contains("Stop its members"),
            "{problem:?}"
        );
    }
    leave(&host, id).await;
    let moved: Group = body(put(), 200).await;
    assert_eq!(moved.positions.iter().map(|at| at.offset).collect::<Vec<_>>(), [0, 3]);
    expect(forget(), 204).await;
    let left: Group = body(host.get("/v1/groups/g"), 200).await;
    assert_eq!(left.positions.iter().map(|at| (at.partition, at.offset)).collect::<Vec<_>>(), [(1, 3)]);
    expect(delete(), 204).await;
    refused(delete(), 404, "unknown-group").await;
}

#[tokio::test]
async fn a_move_can_be_looked_at_before_it_is_made() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    expect(host.produce("/v1/topics/t/records?partition=1", "application/json", "[1,2,3]"), 200).await;
    let put = |to: &str, dry_run: bool| {
        let asked = json!({"offsets": [{"topic": "t", "to": to}], "dry_run": dry_run});
        host.ask(Method::PUT, "/v1/groups/g/offsets").json(&asked)
    };
    let offsets = |group: &Group| group.positions.iter().map(|at| at.offset).collect::<Vec<_>>();
    let planned: Group = body(put("latest", true), 200).await;
    assert_eq!((planned.name.as_str(), planned.lag, offsets(&planned)), ("g", 0, vec![0, 3]));
    refused(host.get("/v1/groups/g"), 404, "unknown-group").await;
    let moved: Group = body(put("latest", false), 200).await;
    assert_eq!(offsets(&moved), [0, 3]);
    let planned: Group = body(put("earliest", true), 200).await;
    assert_eq!((planned.lag, offsets(&planned)), (3, vec![0, 0]));
    let kept: Group = body(host.get("/v1/groups/g"), 200).await;
    assert_eq!(offsets(&kept), [0, 3], "a look changes nothing");
    let id = classic_member(&host).await;
    refused(put("earliest", true), 409, "group-in-use").await;
    leave(&host, id).await;
}
