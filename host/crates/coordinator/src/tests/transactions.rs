//! Transactions through the door: what readers see, who is fenced, and what a kill leaves.

use super::*;
use potok_log::AppendError;

impl World {
    async fn init(&self) -> Identity {
        self.room.init_producer(Some("x"), MINUTE, None).await.unwrap()
    }
    async fn write(&self, who: Identity, to: TopicPartition, sequence: i32, value: &str) {
        self.room.add_partitions("x", who, &[to]).await.unwrap();
        let guard = self.room.write_guard("x", who, &[to], false).await.unwrap();
        assert!(guard.allows(to));
        self.append(to, record(who, sequence, value)).await.unwrap();
    }
}
fn is_fenced<T>(result: Result<T, TransactionRefusal>) -> bool {
    matches!(result, Err(TransactionRefusal::Transaction(TransactionError::Fenced)))
}

#[tokio::test]
async fn a_transaction_shows_all_or_nothing_in_all_partitions() {
    let w = World::new();
    let t = w.topic("t", 2).await;
    let who = w.init().await;
    w.write(who, at(&t, 0), 0, "a").await;
    w.write(who, at(&t, 1), 0, "b").await;
    assert_eq!((w.seen(at(&t, 0), true).len(), w.seen(at(&t, 1), true).len()), (0, 0));
    let after = w.room.end_transaction("x", who, true, false).await.unwrap();
    assert_eq!(after, who);
    assert_eq!((w.seen(at(&t, 0), true), w.seen(at(&t, 1), true)), (vec!["a".into()], vec!["b".into()]));
    w.write(who, at(&t, 0), 1, "never").await;
    w.room.end_transaction("x", who, false, false).await.unwrap();
    assert_eq!((w.seen(at(&t, 0), true).len(), w.seen(at(&t, 0), false).len()), (1, 2));
    let again = w.room.end_transaction("x", who, false, false).await.unwrap();
    assert_eq!(again, who, "a retry is no error");
}

#[tokio::test]
async fn a_kill_before_the_end_leaves_it_open_and_one_behind_it_leaves_it_ended() {
    let mut w = World::new();
    let t = w.topic("t", 1).await;
    let who = w.init().await;
    w.write(who, at(&t, 0), 0, "a").await;
    w.restart();
    assert_eq!(w.room.describe_transaction("x").await.unwrap().state, "Ongoing");
    w.write(who, at(&t, 0), 1, "b").await;
    w.room.end_transaction("x", who, true, false).await.unwrap();
    w.restart();
    assert_eq!(w.room.describe_transaction("x").await.unwrap().state, "CompleteCommit");
    assert_eq!(w.room.end_transaction("x", who, true, false).await.unwrap(), who, "the client asks again");
    assert_eq!(w.seen(at(&t, 0), true), ["a", "b"]);
}

#[tokio::test]
async fn a_new_producer_aborts_what_is_open_and_fences_the_old_one() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let old = w.init().await;
    w.write(old, at(&t, 0), 0, "zombie").await;
    let new = w.init().await;
    assert!(new.producer == old.producer && new.epoch > old.epoch);
    assert!(is_fenced(w.room.write_guard("x", old, &[at(&t, 0)], false).await));
    assert!(is_fenced(w.room.end_transaction("x", old, true, false).await));
    let late = w.append(at(&t, 0), record(old, 1, "late")).await;
    assert!(matches!(late, Err(AppendError::Fenced { .. })), "the log knows it, too: {late:?}");
    w.write(new, at(&t, 0), 0, "new").await;
    w.room.end_transaction("x", new, true, false).await.unwrap();
    assert_eq!(w.seen(at(&t, 0), true), ["new"]);
}

#[tokio::test]
async fn time_ends_a_transaction_also_across_a_restart() {
    let mut w = World::new();
    let t = w.topic("t", 1).await;
    let who = w.init().await;
    w.write(who, at(&t, 0), 0, "slow").await;
    w.pass(MINUTE / 2).await;
    w.restart();
    w.pass(MINUTE / 4).await;
    assert_eq!(w.room.describe_transaction("x").await.unwrap().state, "Ongoing");
    w.pass(MINUTE / 4).await;
    assert_eq!(w.room.describe_transaction("x").await.unwrap().state, "CompleteAbort");
    assert!(is_fenced(w.room.end_transaction("x", who, true, false).await));
    assert_eq!((w.seen(at(&t, 0), true).len(), w.seen(at(&t, 0), false).len()), (0, 1));
    let timeout = w.room.init_producer(Some("x"), DAY, None).await;
    let refused = matches!(timeout, Err(TransactionRefusal::Transaction(TransactionError::InvalidTimeout)));
    assert!(refused, "{timeout:?}");
}

#[tokio::test]
async fn under_kip_890_writing_adds_and_each_end_moves_the_epoch_on() {
    let w = World::new();
    let t = w.topic("t", 2).await;
    let first = w.init().await;
    let both = [at(&t, 0), at(&t, 1)];
    let guard = w.room.write_guard("x", first, &both[..1], false).await.unwrap();
    assert!(!guard.allows(both[0]), "nobody added it");
    drop(guard);
    let guard = w.room.write_guard("x", first, &both, true).await.unwrap();
    assert!(guard.allows(both[0]) && guard.allows(both[1]));
    w.append(both[0], record(first, 0, "a")).await.unwrap();
    drop(guard);
    let second = w.room.end_transaction("x", first, true, true).await.unwrap();
    assert_eq!(second.epoch.0, first.epoch.0 + 1);
    assert_eq!(w.room.end_transaction("x", first, true, true).await.unwrap(), second, "a retry");
    let late = w.append(both[0], record(first, 1, "late")).await;
    assert!(matches!(late, Err(AppendError::Fenced { .. })), "{late:?}");
    assert!(is_fenced(w.room.write_guard("x", first, &both, true).await));
    assert_eq!(w.seen(both[0], true), ["a"]);
    assert_eq!(w.log.ends(both[1]).unwrap().log_end.get(), 1, "a marker also where nothing was written");
}

#[tokio::test]
async fn the_end_waits_for_records_that_were_let_through() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let who = w.init().await;
    w.write(who, at(&t, 0), 0, "a").await;
    let guard = w.room.write_guard("x", who, &[at(&t, 0)], false).await.unwrap();
    let room = w.room.clone();
    let ending = tokio::spawn(async move { room.end_transaction("x", who, true, false).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!ending.is_finished());
    w.append(at(&t, 0), record(who, 1, "b")).await.unwrap();
    drop(guard);
    ending.await.unwrap().unwrap();
    assert_eq!(w.seen(at(&t, 0), true), ["a", "b"]);
    assert_eq!(w.log.ends(at(&t, 0)).unwrap().last_stable.get(), 3, "nothing hangs behind the marker");
}

#[tokio::test]
async fn a_topic_that_is_deleted_holds_no_transaction_up() {
    let w = World::new();
    let (t, u) = (w.topic("t", 1).await, w.topic("u", 1).await);
    let who = w.init().await;
    w.write(who, at(&t, 0), 0, "a").await;
    w.write(who, at(&u, 0), 0, "b").await;
    w.log.delete_topic(&t.name).await.unwrap();
    w.room.end_transaction("x", who, true, false).await.unwrap();
    assert_eq!(w.seen(at(&u, 0), true), ["b"]);
}

#[tokio::test]
async fn an_end_that_was_not_written_has_not_happened_and_is_asked_for_again() {
    use potok_log::{FailingLog, Fault, Faults};
    for fault in [Fault::Refused, Fault::Lost] {
        let clock = ManualClock::at(START);
        let failing = FailingLog::new(MemoryLog::new(Arc::clone(&clock) as _), 1, Faults::NONE);
        let log: Arc<dyn Log> = Arc::clone(&failing) as _;
        let w = World { room: open(&clock, &log), clock, log };
        let t = w.topic("t", 1).await;
        let who = w.init().await;
        w.write(who, at(&t, 0), 0, "a").await;
        failing.fail_write(failing.writes(), fault);
        let refused = w.room.end_transaction("x", who, true, false).await;
        assert!(matches!(refused, Err(TransactionRefusal::Store(_))), "{refused:?}");
        w.room.end_transaction("x", who, true, false).await.unwrap();
        assert_eq!(w.seen(at(&t, 0), true), ["a"], "{fault:?}");
        assert_eq!(w.log.ends(at(&t, 0)).unwrap().last_stable, w.log.ends(at(&t, 0)).unwrap().log_end);
    }
}

#[tokio::test]
async fn where_there_is_no_room_the_longest_unused_id_makes_it() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let open = w.room.init_producer(Some("x"), MINUTE * 10, None).await.unwrap();
    w.write(open, at(&t, 0), 0, "open").await;
    for i in 0..=crate::settings::TRANSACTIONAL_IDS_MAX {
        w.clock.advance(Duration::from_millis(1));
        w.room.init_producer(Some(&i.to_string()), MINUTE, None).await.unwrap();
    }
    let known = async |id: &str| w.room.describe_transaction(id).await.is_ok();
    assert!(!known("0").await, "it was unused for longest");
    assert!(known("1000").await && known(&crate::settings::TRANSACTIONAL_IDS_MAX.to_string()).await);
    w.room.end_transaction("x", open, true, false).await.unwrap();
}

#[tokio::test]
async fn a_sweep_waits_for_nobody_and_forgets_nothing_that_is_in_use() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let busy = w.init().await;
    w.room.add_partitions("x", busy, &[at(&t, 0)]).await.unwrap();
    w.room.init_producer(Some("idle"), MINUTE, None).await.unwrap();
    let held = w.room.write_guard("x", busy, &[at(&t, 0)], false).await.unwrap();
    w.clock.advance(8 * DAY);
    let stopped = patient();
    stopped.cancel();
    w.room.inner.sweep(&stopped).await;
    assert_eq!(w.room.list_transactions(None).await.unwrap().len(), 2, "whoever stops begins nothing more");
    w.room.inner.sweep(&patient()).await;
    let left = w.room.list_transactions(None).await.unwrap();
    assert_eq!(left.iter().map(|t| t.transactional_id.as_str()).collect::<Vec<_>>(), ["x"]);
    drop(held);
}

#[tokio::test]
async fn ids_that_nobody_uses_are_forgotten_and_strangers_are_refused() {
    let mut w = World::new();
    let t = w.topic("t", 1).await;
    let who = w.init().await;
    w.clock.advance(8 * DAY);
    w.room.inner.sweep(&patient()).await;
    w.restart();
    assert!(w.room.list_transactions(None).await.unwrap().is_empty());
    let unknown = w.room.add_partitions("x", who, &[at(&t, 0)]).await;
    let refused = matches!(unknown, Err(TransactionRefusal::Transaction(TransactionError::InvalidMapping)));
    assert!(refused, "{unknown:?}");
    let again = w.room.init_producer(Some("x"), MINUTE, Some(who)).await.unwrap();
    assert!(again.producer != who.producer, "what it says of itself means nothing any more");
    assert!(matches!(
        w.room.init_producer(Some(""), MINUTE, None).await,
        Err(TransactionRefusal::IllegalName)
    ));
}
