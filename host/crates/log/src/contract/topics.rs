//! Promises about topics: made, found, changed, deleted.

use super::*;
use crate::error::{AlterTopicError, CreateTopicError, DeleteTopicError, UnknownPartition};
use crate::topics::PARTITIONS_MAX;
use potok_types::{Ends, TopicName};

fn wanted(name: &str, partitions: u32, config: &[(&str, &str)]) -> NewTopic {
    let config = config.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    NewTopic { name: name.parse().unwrap(), partitions, config }
}

pub async fn a_created_topic_is_found_by_name_and_by_number(harness: &impl Harness) {
    let log = harness.open().await;
    let one = topic(&log, "one", 3, &[("retention.ms", "1000")]).await;
    let two = topic(&log, "two", 1, &[]).await;
    assert_eq!(log.topic(&one.name), Some(one.clone()));
    assert_eq!(log.topic_numbered(one.number), Some(one.clone()));
    assert_eq!((one.partitions, one.config.retention()), (3, Some(Duration::from_secs(1))));
    assert_ne!(one.number, two.number);
    assert_ne!(one.id, two.id);
    assert!(one.id != [0; 16] && two.id != [0; 16], "a topic id is never 0");
    for at in one.all_partitions() {
        assert_eq!(log.ends(at).unwrap(), Ends::default());
    }
    let beyond = TopicPartition { topic: one.number, partition: PartitionIndex(3) };
    assert_eq!(log.ends(beyond), Err(UnknownPartition(beyond)));
    assert_eq!(log.topic(&"three".parse().unwrap()), None);
}

pub async fn topics_are_listed_by_name(harness: &impl Harness) {
    let log = harness.open().await;
    for name in ["b", "a.z", "c", "a"] {
        topic(&log, name, 1, &[]).await;
    }
    let names: Vec<_> = log.topics().iter().map(|topic| topic.name.to_string()).collect();
    assert_eq!(names, ["a", "a.z", "b", "c"]);
}

pub async fn a_name_that_is_taken_is_refused(harness: &impl Harness) {
    let log = harness.open().await;
    let first = topic(&log, "taken", 1, &[]).await;
    let again = log.create_topic(wanted("taken", 2, &[])).await;
    assert!(matches!(again, Err(CreateTopicError::Exists(name)) if name == first.name));
    assert_eq!(log.topic(&first.name).unwrap().partitions, 1);
}

pub async fn names_that_differ_only_in_dot_and_underscore_collide(harness: &impl Harness) {
    let log = harness.open().await;
    let first = topic(&log, "a.b_c", 1, &[]).await;
    let clash = log.create_topic(wanted("a_b.c", 1, &[])).await;
    assert!(matches!(clash, Err(CreateTopicError::Collides { existing, .. }) if existing == first.name));
    log.delete_topic(&first.name).await.unwrap();
    topic(&log, "a_b.c", 1, &[]).await;
}

pub async fn a_topic_has_one_to_ten_thousand_partitions(harness: &impl Harness) {
    let log = harness.open().await;
    for asked in [0, PARTITIONS_MAX + 1, u32::MAX] {
        let refused = log.create_topic(wanted("many", asked, &[])).await;
        let Err(error @ CreateTopicError::Partitions { .. }) = refused else {
            panic!("{asked}: {refused:?}")
        };
        assert_eq!(error.to_string(), format!("a topic has 1 to {PARTITIONS_MAX} partitions, not {asked}"));
    }
    assert!(log.topics().is_empty());
}

pub async fn a_config_that_is_unknown_or_illegal_is_refused_in_a_sentence(harness: &impl Harness) {
    let log = harness.open().await;
    let refused = |config: (&str, &str)| log.create_topic(wanted("odd", 1, &[config]));
    let unknown = refused(("retention.days", "1")).await.unwrap_err().to_string();
    assert!(
        unknown.starts_with("unknown topic config \"retention.days\"; known are cleanup.policy, "),
        "{unknown}"
    );
    let illegal = refused(("retention.ms", "soon")).await.unwrap_err().to_string();
    assert_eq!(illegal, "retention.ms=\"soon\" is not legal: a whole number, -1 for no limit");
    assert!(log.topics().is_empty());
}

pub async fn a_topic_only_grows_and_a_refused_change_changes_nothing(harness: &impl Harness) {
    let log = harness.open().await;
    let before = topic(&log, "grows", 2, &[]).await;
    add(&log, at(&before, 1), batch(&["kept"])).await;
    for asked in [0, 1, 2, PARTITIONS_MAX + 1] {
        let change = TopicChange { partitions: Some(asked), config: Vec::new() };
        let refused = log.alter_topic(&before.name, change).await;
        assert!(matches!(refused, Err(AlterTopicError::Partitions { have: 2, .. })), "{asked}: {refused:?}");
    }
    let mut half = change("retention.ms", Some("nonsense"));
    half.partitions = Some(5);
    assert!(matches!(log.alter_topic(&before.name, half).await, Err(AlterTopicError::Config(_))));
    assert_eq!(log.topic(&before.name), Some(before.clone()));

    let more = TopicChange { partitions: Some(4), config: Vec::new() };
    let after = log.alter_topic(&before.name, more).await.unwrap();
    assert_eq!((after.partitions, after.number, after.id), (4, before.number, before.id));
    assert_eq!(add(&log, at(&after, 3), batch(&["new"])).await, 0);
    assert_eq!(all(&log, at(&after, 1)), ["0 kept"]);
    let missing: TopicName = "missing".parse().unwrap();
    let refused = log.alter_topic(&missing, change("retention.ms", None)).await;
    assert!(matches!(refused, Err(AlterTopicError::Unknown(name)) if name == missing));
}

pub async fn configs_are_set_and_unset(harness: &impl Harness) {
    let log = harness.open().await;
    let name = topic(&log, "set", 1, &[("retention.ms", "5")]).await.name.clone();
    log.alter_topic(&name, change("retention.bytes", Some("77"))).await.unwrap();
    let both = log.alter_topic(&name, change("retention.ms", None)).await.unwrap();
    assert_eq!(both.config.retention_bytes(), Some(77));
    assert_eq!(both.config.retention(), Some(Duration::from_secs(7 * 24 * 3600)));
    assert_eq!(log.topic(&name), Some(both));
}

pub async fn a_deleted_topic_is_gone_and_its_watches_close(harness: &impl Harness) {
    let log = harness.open().await;
    let gone = topic(&log, "gone", 2, &[]).await;
    let stays = topic(&log, "stays", 1, &[]).await;
    let partition = at(&gone, 1);
    add(&log, partition, batch(&["a"])).await;
    add(&log, at(&stays, 0), batch(&["b"])).await;
    let mut watch = log.watch(partition).unwrap();
    watch.mark_unchanged();
    log.delete_topic(&gone.name).await.unwrap();

    let closed = tokio::time::timeout(PATIENCE, async { while watch.changed().await.is_ok() {} }).await;
    assert!(closed.is_ok(), "the watch of a deleted topic stays open");
    assert_eq!(log.topic(&gone.name), None);
    assert_eq!(log.topic_numbered(gone.number), None);
    assert_eq!(log.ends(partition), Err(UnknownPartition(partition)));
    assert_eq!(log.size(partition), Err(UnknownPartition(partition)));
    assert!(log.watch(partition).is_err());
    let request =
        ReadRequest { at: partition, offset: Offset::FIRST, bytes_max: PLENTY, committed_only: false };
    assert!(matches!(log.read(request), Err(crate::ReadError::UnknownPartition(_))));
    let refused = append(&log, partition, batch(&["c"])).await;
    assert!(matches!(refused, Err(AppendError::UnknownPartition(_))), "{refused:?}");
    assert!(
        matches!(log.delete_topic(&gone.name).await, Err(DeleteTopicError::Unknown(name)) if name == gone.name)
    );
    assert_eq!(all(&log, at(&stays, 0)), ["0 b"]);
}

pub async fn a_topic_number_is_never_used_again(harness: &impl Harness) {
    let log = harness.open().await;
    let mut numbers = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let made = topic(&log, "phoenix", 1, &[]).await;
        assert!(numbers.insert(made.number), "number {:?} was given twice", made.number);
        assert!(all(&log, at(&made, 0)).is_empty());
        add(&log, at(&made, 0), batch(&["ash"])).await;
        log.delete_topic(&made.name).await.unwrap();
    }
}
