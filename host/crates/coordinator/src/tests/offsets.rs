//! Offsets: who may commit, what a reader of stable ones waits for, and what is forgotten when.

use super::*;

#[tokio::test]
async fn a_client_without_a_group_commits_and_each_offset_is_answered_by_itself() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let nowhere = TopicPartition { partition: PartitionIndex(9), ..at(&t, 0) };
    let long = NewOffset { metadata: "x".repeat(5000), ..new_offset(at(&t, 0), 1) };
    let offsets = vec![new_offset(at(&t, 0), 3), new_offset(nowhere, 3), long];
    let request = CommitRequest { group: "g".to_owned(), epoch: -1, offsets, ..CommitRequest::default() };
    let answers = w.room.commit_offsets(request).await.unwrap();
    use OffsetRefusal::{MetadataTooLong, UnknownPartition};
    assert_eq!(answers, [Ok(()), Err(UnknownPartition), Err(MetadataTooLong)]);
    assert_eq!(w.committed("g", at(&t, 0)), Some(3));
    assert!(w.room.inner.group_names().is_empty(), "offsets alone take no memory");
    let listed = w.room.list_groups().await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].state, listed.len()), ("g", "Empty", 1));
    let claims = w.commit("other", "m", 3, at(&t, 0), 1).await;
    assert!(matches!(claims, Err(GroupRefusal::Unknown(_))), "{claims:?}");
    let owned = w.commit("processor.p", "", -1, at(&t, 0), 1).await;
    assert!(matches!(owned, Err(GroupRefusal::OfProcessor(_))), "{owned:?}");
}

#[tokio::test]
async fn a_member_of_a_group_that_is_not_there_finds_no_offsets_and_no_error() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let found = w.room.fetch_offsets("g", Some(("m", 3)), Some(&[at(&t, 0)]), false).await.unwrap();
    assert_eq!((found.len(), &found[0].committed), (1, &None));
}

#[tokio::test]
async fn offsets_are_forgotten_a_week_after_the_last_commit_but_not_a_processors() {
    let w = World::new();
    let t = w.topic("t", 2).await;
    w.commit("g", "", -1, at(&t, 0), 3).await.unwrap();
    let processors = potok_log::OffsetCommit {
        group: "processor.p".to_owned(),
        at: at(&t, 0),
        change: potok_log::OffsetChange::Set(w.log.committed("g", at(&t, 0)).unwrap().unwrap()),
    };
    let unit = potok_log::Unit { offsets: vec![processors], ..potok_log::Unit::default() };
    w.log.commit(unit, Acks::Written).await.unwrap();
    w.clock.advance(5 * DAY);
    w.commit("g", "", -1, at(&t, 1), 4).await.unwrap();
    w.clock.advance(3 * DAY);
    w.room.inner.sweep(&patient()).await;
    assert_eq!((w.committed("g", at(&t, 0)), w.committed("g", at(&t, 1))), (None, Some(4)));
    assert_eq!(w.committed("processor.p", at(&t, 0)), Some(3));
    w.clock.advance(5 * DAY);
    w.room.inner.sweep(&patient()).await;
    assert_eq!(w.committed("g", at(&t, 1)), None);
}

#[tokio::test]
async fn what_an_open_transaction_has_pending_is_unstable_and_not_forgotten() {
    let mut w = World::new();
    let t = w.topic("t", 2).await;
    w.commit("g", "", -1, at(&t, 0), 1).await.unwrap();
    w.clock.advance(8 * DAY);
    let who = w.room.init_producer(Some("x"), MINUTE, None).await.unwrap();
    w.room.add_offsets("x", who, "g").await.unwrap();
    let commit = CommitRequest {
        group: "g".to_owned(),
        epoch: -1,
        offsets: vec![new_offset(at(&t, 0), 7)],
        ..CommitRequest::default()
    };
    let request = TxnCommitRequest { transactional_id: "x".to_owned(), who, commit, implicit: false };
    w.room.txn_commit_offsets(request).await.unwrap();
    w.restart();
    w.room.inner.sweep(&patient()).await;
    let asked = [at(&t, 0), at(&t, 1)];
    let found = w.room.fetch_offsets("g", None, Some(&asked), true).await.unwrap();
    assert_eq!(found.iter().map(|f| f.pending).collect::<Vec<_>>(), [true, false]);
    let found = w.room.fetch_offsets("g", None, None, false).await.unwrap();
    assert_eq!((found.len(), found[0].pending, w.committed("g", at(&t, 0))), (1, false, Some(1)));
    assert!(matches!(w.room.delete_group("g").await, Err(GroupRefusal::Unstable(_))));
    w.room.end_transaction("x", who, true, false).await.unwrap();
    let found = w.room.fetch_offsets("g", None, Some(&asked), true).await.unwrap();
    assert!(!found[0].pending);
    assert_eq!(w.committed("g", at(&t, 0)), Some(7));
}
