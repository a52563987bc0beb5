//! Whoever runs the writer, what was put in is done: also what nobody waits for, and what waits behind its own caller.

use super::{batch, clock, keys, open, open_with, partition, settings};
use crate::api::{Acks, Append, Log};
use crate::rocks::Settings;

#[tokio::test]
async fn an_append_that_nobody_waits_for_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &clock());
    let at = partition(&log, "kept").await;
    let mut ends = log.watch(at).unwrap();
    drop(log.enqueue(vec![Append { to: at, batch: batch("dropped", 0) }], Acks::Written).await);
    drop(log.enqueue(vec![Append { to: at, batch: batch("unasked", 0) }], Acks::None).await);
    ends.wait_for(|ends| ends.log_end.get() == 2).await.unwrap();
    assert_eq!(keys(&log, at), ["dropped", "unasked"]);
}
#[tokio::test]
async fn a_caller_that_waits_for_room_behind_its_own_appends_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(Settings { queue_bytes_max: 4096, ..settings(folder.path()) }, &clock());
    let at = partition(&log, "kept").await;
    let mut waiting = Vec::new();
    for i in 0..20 {
        let append = Append { to: at, batch: batch(&i.to_string(), 1000) };
        waiting.push(log.enqueue(vec![append], Acks::Written).await);
    }
    for (offset, appending) in (0..).zip(waiting) {
        let appended = appending.await.pop().unwrap().unwrap();
        assert_eq!(appended.base_offset.unwrap().get(), offset);
    }
}
#[test]
fn callers_of_many_threads_keep_their_order_and_lose_nothing() {
    const CALLERS: u64 = 8;
    const EACH: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let log = open(folder.path(), &clock());
        let at = partition(&log, "kept").await;
        let callers = (0..CALLERS).map(|caller| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut waiting = Vec::new();
                for i in 0..EACH {
                    let append = Append { to: at, batch: batch(&format!("{caller} {i:03}"), 600) };
                    waiting.push(log.enqueue(vec![append], Acks::Written).await);
                    if i % 7 == 0 {
                        for appending in waiting.drain(..) {
                            appending.await.pop().unwrap().unwrap();
                        }
                    }
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        log.close().await.unwrap();
        let all = keys(&log, at);
        assert_eq!(all.len() as u64, CALLERS * EACH);
        for caller in 0..CALLERS {
            let own: Vec<_> = all.iter().filter(|key| key.starts_with(&format!("{caller} "))).collect();
            assert!(own.is_sorted() && own.len() as u64 == EACH, "caller {caller}");
        }
    });
}
