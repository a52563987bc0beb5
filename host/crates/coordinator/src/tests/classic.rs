//! The classic protocol through the door: who waits, who is answered, and what a restart leaves as it was.

use super::*;
use bytes::Bytes;

pub(super) fn joining(id: &str, instance: Option<&str>) -> JoinRequest {
    let metadata = embedded::subscription(&["t".to_owned()], &[]);
    JoinRequest {
        member_id: id.to_owned(),
        fresh_member_id: String::new(),
        instance_id: instance.map(str::to_owned),
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: MINUTE,
        protocol_type: "consumer".to_owned(),
        protocols: vec![Protocol { name: "range".to_owned(), metadata }],
        require_known_id: false,
        can_skip_assignment: true,
    }
}
pub(super) fn syncing(reply: &JoinReply, assignments: &[(&str, &'static str)]) -> SyncRequest {
    let given = |(id, bytes): &(&str, &'static str)| (id.to_string(), Bytes::from_static(bytes.as_bytes()));
    SyncRequest {
        member_id: reply.member_id.clone(),
        instance_id: None,
        generation: reply.generation,
        protocol_type: None,
        protocol: None,
        assignments: assignments.iter().map(given).collect(),
    }
}

impl World {
    pub(super) async fn join(&self, request: JoinRequest) -> Result<JoinReply, GroupRefusal> {
        self.room.join("g", request, &patient()).await
    }
    /// One member, stable.
    pub(super) async fn alone(&self) -> JoinReply {
        let reply = self.join(joining("", None)).await.unwrap();
        let sync = syncing(&reply, &[(&reply.member_id, "all")]);
        assert_eq!(self.room.sync("g", sync, &patient()).await.unwrap().assignment, "all");
        reply
    }
    async fn state(&self) -> &'static str {
        match self.room.describe_group("g").await {
            Ok(Description::Classic(group)) => group.state,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn two_members_share_a_generation_and_the_leaders_assignment() {
    let w = World::new();
    let first = w.alone().await;
    let (room, gone) = (w.room.clone(), patient());
    let second = tokio::spawn(async move { room.join("g", joining("", None), &gone).await });
    loop {
        let beat = w.room.heartbeat("g", &first.member_id, None, first.generation).await;
        match beat {
            Ok(()) => tokio::task::yield_now().await,
            Err(refusal) => {
                assert!(matches!(refusal, GroupRefusal::Classic(GroupError::RebalanceInProgress)));
                break;
            }
        }
    }
    let first = w.join(joining(&first.member_id, None)).await.unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!((first.members.len(), second.members.len()), (2, 0), "the leader alone is told of all");
    let (room, gone, ask) = (w.room.clone(), patient(), syncing(&second, &[]));
    let waiting = tokio::spawn(async move { room.sync("g", ask, &gone).await });
    let lead = syncing(&first, &[(&first.member_id, "left"), (&second.member_id, "right")]);
    assert_eq!(w.room.sync("g", lead, &patient()).await.unwrap().assignment, "left");
    assert_eq!(waiting.await.unwrap().unwrap().assignment, "right");
    assert_eq!(w.state().await, "Stable");
}

#[tokio::test]
async fn a_restart_expels_nobody_and_sessions_begin_anew() {
    let mut w = World::new();
    let member = w.alone().await;
    w.clock.advance(DAY);
    w.restart();
    assert_eq!(w.state().await, "Stable");
    w.room.heartbeat("g", &member.member_id, None, member.generation).await.unwrap();
    let t = w.topic("t", 1).await;
    assert!(w.commit("g", &member.member_id, member.generation, at(&t, 0), 5).await.is_ok());
    w.pass(Duration::from_secs(11)).await;
    let beat = w.room.heartbeat("g", &member.member_id, None, member.generation).await;
    assert!(matches!(beat, Err(GroupRefusal::Classic(GroupError::UnknownMember))), "{beat:?}");
    assert_eq!(w.state().await, "Empty");
    w.restart();
    assert_eq!(w.state().await, "Empty", "that it is empty is kept, too");
}

#[tokio::test]
async fn a_static_member_comes_back_within_its_session_and_nobody_rebalances() {
    let mut w = World::new();
    let first = w.join(joining("", Some("one"))).await.unwrap();
    let mut sync = syncing(&first, &[(&first.member_id, "all")]);
    sync.instance_id = Some("one".to_owned());
    w.room.sync("g", sync, &patient()).await.unwrap();
    w.restart();
    let again = w.join(joining("", Some("one"))).await.unwrap();
    assert_eq!((again.generation, again.skip_assignment), (1, true));
    let fenced = w.room.heartbeat("g", &first.member_id, Some("one"), 1).await;
    assert!(matches!(fenced, Err(GroupRefusal::Classic(GroupError::FencedInstance))), "{fenced:?}");
}

#[tokio::test]
async fn a_host_that_stops_expels_nobody_more() {
    let w = World::new();
    w.alone().await;
    w.clock.advance(MINUTE);
    let stopped = patient();
    stopped.cancel();
    w.room.run(stopped).await;
    assert_eq!(w.state().await, "Stable");
    w.pass(Duration::ZERO).await;
    assert_eq!(w.state().await, "Empty");
}

#[tokio::test]
async fn whoever_has_gone_waits_no_longer_and_the_others_go_on() {
    let w = World::new();
    let first = w.alone().await;
    let (room, gone) = (w.room.clone(), patient());
    let left = gone.clone();
    let second = tokio::spawn(async move { room.join("g", joining("", None), &left).await });
    while w.state().await == "Stable" {
        tokio::task::yield_now().await;
    }
    gone.cancel();
    assert!(matches!(second.await.unwrap(), Err(GroupRefusal::Stopping)));
    assert_eq!(w.join(joining(&first.member_id, None)).await.unwrap().generation, 2);
}

#[tokio::test]
async fn what_is_refused_leaves_no_group_behind() {
    let w = World::new();
    let short = JoinRequest { session_timeout: Duration::from_millis(1), ..joining("", None) };
    assert!(matches!(w.join(short).await, Err(GroupRefusal::Classic(GroupError::InvalidSessionTimeout))));
    let large = Protocol { name: "range".to_owned(), metadata: Bytes::from(vec![0; 2 << 20]) };
    let large = JoinRequest { protocols: vec![large], ..joining("", None) };
    assert!(matches!(w.join(large).await, Err(GroupRefusal::MemberTooLarge { .. })));
    assert!(matches!(
        w.join(joining("stranger", None)).await,
        Err(GroupRefusal::Classic(GroupError::UnknownMember))
    ));
    assert!(matches!(w.room.join("", joining("", None), &patient()).await, Err(GroupRefusal::IllegalName)));
    let owned = w.room.join("processor.p", joining("", None), &patient()).await;
    assert!(matches!(owned, Err(GroupRefusal::OfProcessor(_))), "{owned:?}");
    assert_eq!(w.room.list_groups().await.unwrap(), []);
    assert!(w.room.inner.group_names().is_empty());
}

#[tokio::test]
async fn a_group_with_members_is_not_deleted_and_one_without_goes_with_its_offsets() {
    let w = World::new();
    let t = w.topic("t", 2).await;
    let member = w.alone().await;
    w.commit("g", &member.member_id, 1, at(&t, 0), 5).await.unwrap();
    assert!(matches!(w.room.delete_group("g").await, Err(GroupRefusal::Classic(GroupError::NotEmpty))));
    let gone = w.room.delete_offsets("g", &[at(&t, 0)]).await.unwrap();
    assert_eq!(gone, [false], "a member reads the topic");
    let who = LeaveRequest { member_id: member.member_id, instance_id: None };
    assert_eq!(w.room.leave("g", &[who]).await.unwrap(), [Ok(())]);
    w.room.delete_group("g").await.unwrap();
    assert_eq!(w.committed("g", at(&t, 0)), None);
    assert!(matches!(w.room.delete_group("g").await, Err(GroupRefusal::Unknown(_))));
    assert!(w.room.inner.group_names().is_empty());
}
