//! A group on its way from one protocol to the other, as its members of both see it.

use super::room::{REBALANCE, Room, SESSION, coming, joining, partitions};
use super::*;
use crate::classic::GroupError;
use crate::consumer::ConsumerError;

#[test]
fn a_member_of_kip_848_takes_a_classic_group_over_and_the_eager_member_keeps_its_half() {
    let mut room = Room::alone();
    let came = room.beat(coming("new")).unwrap();
    assert_eq!((came.member_epoch, came.assignment), (2, Some(Assignment::new())), "all is still held");
    assert_eq!(room.lives("fresh", 1), Err(GroupError::RebalanceInProgress));
    let joined = room.join(joining("fresh", None, &[])).unwrap().unwrap();
    assert_eq!((joined.generation, joined.leader.as_str(), joined.protocol.as_str()), (2, "", "range"));
    assert_eq!((joined.member_id.as_str(), joined.members.len()), ("fresh", 0), "the server assigns");
    assert_eq!(room.sync("fresh", 2, &[]), Some(Ok(vec![0, 1])));
    assert_eq!(room.lives("fresh", 2), Ok(()));
    assert_eq!(room.lives("fresh", 1), Err(GroupError::IllegalGeneration));
    assert_eq!(room.go("new", 2, &[]).assignment, Some(partitions(&[2, 3])));
}

#[test]
fn a_cooperative_member_first_gives_up_what_goes_to_the_newcomer() {
    let mut room = Room::alone();
    room.beat(coming("new")).unwrap();
    let told = room.join(joining("fresh", None, &[0, 1, 2, 3])).unwrap().unwrap();
    assert_eq!(told.generation, 1, "it stays at its epoch until it has given up");
    assert_eq!(room.sync("fresh", 1, &[]), Some(Ok(vec![0, 1])));
    assert_eq!(room.lives("fresh", 1), Err(GroupError::RebalanceInProgress));
    assert_eq!(room.go("new", 2, &[]).assignment, None, "not yet");
    assert_eq!(room.join(joining("fresh", None, &[0, 1])).unwrap().unwrap().generation, 2);
    assert_eq!(room.sync("fresh", 2, &[]), Some(Ok(vec![0, 1])));
    assert_eq!(room.lives("fresh", 2), Ok(()));
    assert_eq!(room.go("new", 2, &[]).assignment, Some(partitions(&[2, 3])));
}

#[test]
fn a_classic_member_that_waited_for_partitions_joins_again_when_all_are_free() {
    let mut room = Room::new();
    room.beat(coming("new")).unwrap();
    let joined = room.join(joining("", None, &[])).unwrap().unwrap();
    assert_eq!(room.sync("fresh", joined.generation, &[]), Some(Ok(vec![])), "all is still held");
    assert_eq!(room.lives("fresh", 2), Ok(()), "there is nothing for it yet");
    let kept = room.go("new", 1, &[0, 1, 2, 3]).assignment.unwrap();
    assert_eq!(room.lives("fresh", 2), Ok(()), "told, and not given up");
    let kept: Vec<u32> = kept.into_values().flatten().collect();
    room.go("new", 1, &kept);
    assert_eq!(room.lives("fresh", 2), Err(GroupError::RebalanceInProgress));
    room.join(joining("fresh", None, &[])).unwrap().unwrap();
    assert_eq!(room.sync("fresh", 2, &[]).unwrap().unwrap().len(), 2);
}

#[test]
fn the_group_goes_back_when_the_last_member_of_kip_848_leaves_and_all_join_again() {
    for restarts in [false, true] {
        let mut room = Room::mixed();
        assert!(!room.is_classic());
        room.leave("new");
        assert!(room.is_classic());
        if restarts {
            room.restart();
        }
        let generation = 3;
        assert_eq!(room.lives("fresh", generation - 1), Err(GroupError::IllegalGeneration));
        let joined = room.join(joining("fresh", None, &[0, 1])).unwrap().unwrap();
        assert_eq!((joined.generation, joined.leader.as_str()), (generation + 1, "fresh"));
        assert_eq!(joined.members.len(), 1, "it assigns again");
        assert_eq!(
            room.sync("fresh", generation + 1, &[("fresh", &[0, 1, 2, 3])]),
            Some(Ok(vec![0, 1, 2, 3]))
        );
    }
}

#[test]
fn the_group_goes_back_also_when_the_last_one_falls_silent_or_is_taken_out() {
    let mut room = Room::mixed();
    for _ in 0..5 {
        room.after(SESSION - Duration::from_secs(1));
        let _ = room.lives("fresh", 2);
    }
    assert!(room.is_classic() && room.ids() == ["fresh"], "the session of KIP-848 is over: {:?}", room.ids());
    let mut room = Room::mixed();
    let who = [LeaveRequest { member_id: "new".to_owned(), instance_id: None }];
    let step = room.group.leave(room.now, &World, &who);
    assert_eq!(room.take(step), [Ok(())]);
    assert!(room.is_classic());
    let mut room = Room::mixed();
    let who = [LeaveRequest { member_id: "fresh".to_owned(), instance_id: None }];
    let step = room.group.leave(room.now, &World, &who);
    assert_eq!(room.take(step), [Ok(())]);
    assert!(!room.is_classic(), "the classic one left");
    assert_eq!(room.go("new", 2, &[2, 3]).assignment, Some(partitions(&[0, 1, 2, 3])));
}

#[test]
fn whoever_waits_in_the_classic_group_is_told_to_join_again() {
    let mut room = Room::alone();
    let late = JoinRequest { fresh_member_id: "late".to_owned(), ..joining("", None, &[]) };
    assert_eq!(room.join(late), None, "it waits for the other");
    room.beat(coming("new")).unwrap();
    assert_eq!(room.joined.last().unwrap().1, Err(GroupError::RebalanceInProgress));
    assert_eq!(room.ids(), ["fresh", "late", "new"]);
    assert!(room.join(joining("late", None, &[])).unwrap().is_ok());
    let mut room = Room::alone();
    room.join(JoinRequest { fresh_member_id: "late".to_owned(), ..joining("", None, &[]) });
    room.join(joining("fresh", None, &[]));
    assert_eq!(room.sync("late", 2, &[]), None, "it waits for the leader");
    room.beat(coming("new")).unwrap();
    assert_eq!(room.synced.last().unwrap().1, Err(GroupError::RebalanceInProgress));
}

#[test]
fn what_is_no_group_of_consumers_is_not_taken_over_and_stays_as_it_was() {
    let no_consumer = JoinRequest { protocol_type: "connect".to_owned(), ..joining("", None, &[]) };
    let unread = Protocol { name: "range".to_owned(), metadata: bytes::Bytes::from_static(b"?") };
    let unread = JoinRequest { protocols: vec![unread], ..joining("", None, &[]) };
    for request in [no_consumer, unread] {
        let mut room = Room::new();
        room.join(request).unwrap().unwrap();
        let before = room.group.clone();
        assert_eq!(room.beat(coming("new")), Err(ConsumerError::ClassicGroup));
        assert_eq!(room.group, before);
    }
    let mut room = Room::alone();
    let before = room.group.clone();
    let stranger = HeartbeatRequest { member_epoch: 1, ..coming("new") };
    assert_eq!(room.beat(stranger), Err(ConsumerError::ClassicGroup), "only one that joins takes over");
    let bad = HeartbeatRequest { assignor: Some("mine".to_owned()), ..coming("new") };
    assert_eq!(room.beat(bad), Err(ConsumerError::UnsupportedAssignor));
    assert_eq!(room.group, before);
}

#[test]
fn a_static_member_changes_its_protocol_and_back_without_waiting_for_its_former_self() {
    let mut room = Room::new();
    room.join(joining("", Some("i"), &[])).unwrap().unwrap();
    room.beat(HeartbeatRequest { instance_id: Some("i".to_owned()), ..coming("new") }).unwrap();
    assert_eq!((room.is_classic(), room.ids()), (false, vec!["new".to_owned()]));
    assert_eq!(room.group.heartbeat(room.now, "fresh", Some("i"), 1), Err(GroupError::FencedInstance));
    let other = JoinRequest { protocol_type: "connect".to_owned(), ..joining("", Some("i"), &[]) };
    assert_eq!(room.join(other), Some(Err(GroupError::InconsistentProtocol)));
    assert_eq!(room.ids(), ["new"]);
    let back = room.join(joining("", Some("i"), &[])).unwrap().unwrap();
    assert_eq!(
        (room.is_classic(), room.ids(), back.leader.as_str()),
        (true, vec!["fresh".to_owned()], "fresh")
    );
    let mut room = Room::mixed();
    room.beat(HeartbeatRequest { instance_id: Some("j".to_owned()), ..coming("fixed") }).unwrap();
    room.leave("new");
    assert!(!room.is_classic());
    let request = JoinRequest { fresh_member_id: "back".to_owned(), ..joining("", Some("j"), &[]) };
    assert_eq!(room.join(request), None, "all join again");
    assert_eq!((room.is_classic(), room.ids()), (true, vec!["back".to_owned(), "fresh".to_owned()]));
}

#[test]
fn classic_members_that_are_silent_or_do_not_join_or_sync_in_time_are_expelled() {
    let mut room = Room::mixed();
    room.after(SESSION);
    assert_eq!(room.ids(), ["new"], "silent");
    let mut room = Room::mixed();
    room.beat(coming("third")).unwrap();
    for _ in 0..4 {
        assert_eq!(room.lives("fresh", 2), Err(GroupError::RebalanceInProgress));
        room.after(REBALANCE / 4);
    }
    assert_eq!(room.ids(), ["new", "third"], "told to join, and did not");
    let mut room = Room::mixed();
    room.join(joining("fresh", None, &[])).unwrap().unwrap();
    for _ in 0..4 {
        assert_eq!(room.lives("fresh", 2), Ok(()));
        room.after(REBALANCE / 4);
    }
    assert_eq!(room.ids(), ["new"], "joined, and did not sync");
}

#[test]
fn classic_newcomers_are_checked_as_ever() {
    let mut room = Room::mixed();
    let first =
        JoinRequest { require_known_id: true, fresh_member_id: "x".to_owned(), ..joining("", None, &[]) };
    assert_eq!(room.join(first), Some(Err(GroupError::MemberIdRequired("x".to_owned()))));
    assert_eq!(room.join(joining("x", None, &[])).unwrap().unwrap().generation, 3);
    let odd = Protocol { name: "odd".to_owned(), ..range(&[]) };
    let odd = JoinRequest { protocols: vec![odd], ..joining("", None, &[]) };
    assert_eq!(room.join(odd), Some(Err(GroupError::InconsistentProtocol)));
    let short = JoinRequest { session_timeout: Duration::from_millis(1), ..joining("", None, &[]) };
    assert_eq!(room.join(short), Some(Err(GroupError::InvalidSessionTimeout)));
    assert_eq!(
        room.join(joining("new", None, &[])),
        Some(Err(GroupError::UnknownMember)),
        "it speaks KIP-848"
    );
    assert_eq!(room.lives("new", 2), Err(GroupError::UnknownMember));
    let as_other = HeartbeatRequest { member_epoch: 2, ..coming("fresh") };
    assert_eq!(room.beat(as_other), Err(ConsumerError::UnknownMember));
    assert_eq!(room.sync("fresh", 2, &[]), Some(Err(GroupError::RebalanceInProgress)), "the epoch moved on");
    let Some(Kind::Consumer(group)) = room.group.kind() else { panic!("not taken over") };
    assert_eq!(group.may_commit("fresh", 2, false), Ok(()));
    assert_eq!(group.may_commit("fresh", 1, false), Err(ConsumerError::IllegalGeneration));
    assert_eq!(group.may_commit("new", 1, false), Err(ConsumerError::StaleEpoch));
}

#[test]
fn a_group_that_is_restored_on_its_way_goes_on_with_members_of_both_protocols() {
    let mut room = Room::mixed();
    room.restart();
    assert_eq!((room.lives("fresh", 2), room.sync("fresh", 2, &[])), (Ok(()), Some(Ok(vec![0, 1]))));
    assert_eq!(room.go("new", 2, &[2, 3]).member_epoch, 2);
    room.leave("new");
    assert!(room.is_classic());
}
