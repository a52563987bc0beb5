//! Quotas and credentials as Kafka keeps them without an authorizer: what is set is told, also after a start, and what is wrong is
//! refused by itself.

use crate::admin::text;
use crate::common::Door;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::*;
use std::sync::Arc;

/// An entity as `type=name` and `type` for the default, with limits; none is taken back.
fn entry(entity: &[&str], limits: &[(&str, Option<f64>)]) -> EntryData {
    let part = |one: &&str| {
        let (kind, named) = one.split_once('=').map_or((*one, None), |(kind, named)| (kind, Some(named)));
        EntityData::default().with_entity_type(text(kind)).with_entity_name(named.map(text))
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        let op = OpData::default().with_key(text(key)).with_remove(value.is_none());
        op.with_value(value.unwrap_or_default())
    };
    let entity = entity.iter().map(part).collect();
    EntryData::default().with_entity(entity).with_ops(limits.iter().map(op).collect())
}

async fn set(door: &Door, entries: Vec<EntryData>, validate_only: bool) -> Vec<i16> {
    let request = AlterClientQuotasRequest::default().with_entries(entries).with_validate_only(validate_only);
    let response = door.connect().await.ask(1, &request).await;
    response.entries.iter().map(|one| one.error_code).collect()
}

/// Code and limits, as `type=name,… key=value`, that a filter of (type, match type, name) finds.
async fn find(door: &Door, filter: &[(&str, i8, Option<&str>)], strict: bool) -> (i16, Vec<String>) {
    let component = |(kind, how, named): &(&str, i8, Option<&str>)| {
        let one = ComponentData::default().with_entity_type(text(kind)).with_match_type(*how);
        one.with_match(named.map(text))
    };
    let components = filter.iter().map(component).collect();
    let request = DescribeClientQuotasRequest::default().with_components(components).with_strict(strict);
    let response = door.connect().await.ask(1, &request).await;
    let one = |one: &describe_client_quotas_response::EntryData| {
        let part = |one: &describe_client_quotas_response::EntityData| match &one.entity_name {
            Some(named) => format!("{}={}", &*one.entity_type, &**named),
            None => one.entity_type.to_string(),
        };
        let entity: Vec<_> = one.entity.iter().map(part).collect();
        let values = one.values.iter().map(|value| format!(" {}={}", &*value.key, value.value));
        entity.join(",") + &values.collect::<String>()
    };
    (response.error_code, response.entries.iter().flatten().map(one).collect())
}

#[tokio::test]
async fn quotas_are_kept_and_found_by_what_they_are_of() {
    let door = Door::open().await;
    let entries = vec![
        entry(&["client-id=c"], &[("producer_byte_rate", Some(500_000.0))]),
        entry(&["user"], &[("consumer_byte_rate", Some(1.0)), ("request_percentage", Some(0.5))]),
        entry(&["user=u", "client-id=c"], &[("producer_byte_rate", Some(7.0))]),
        entry(&["ip=127.0.0.1"], &[("connection_creation_rate", Some(3.0))]),
    ];
    assert_eq!(set(&door, entries.clone(), true).await, [0; 4]);
    assert_eq!(find(&door, &[], false).await, (0, vec![]), "it was only asked whether they could be");
    assert_eq!(set(&door, entries, false).await, [0; 4]);
    let of_client = "client-id=c producer_byte_rate=500000".to_owned();
    let of_users = "user consumer_byte_rate=1 request_percentage=0.5".to_owned();
    let of_both = "client-id=c,user=u producer_byte_rate=7".to_owned();
    let of_address = "ip=127.0.0.1 connection_creation_rate=3".to_owned();
    // as it was, and after a start
    let again = Door::over(Arc::clone(&door.log), |_| {}).await;
    for door in [&door, &again] {
        let (code, mut all) = find(door, &[], false).await;
        all.sort();
        let mut expected = [&of_client, &of_users, &of_both, &of_address];
        expected.sort();
        assert_eq!((code, all.iter().collect::<Vec<_>>()), (0, expected.to_vec()));
    }
    let exactly = [("client-id", 0, Some("c"))];
    assert_eq!(find(&door, &exactly, true).await, (0, vec![of_client.clone()]));
    let (_, both) = find(&door, &exactly, false).await;
    assert_eq!(both.len(), 2, "{both:?}");
    assert_eq!(find(&door, &[("user", 1, None)], false).await, (0, vec![of_users]));
    assert_eq!(find(&door, &[("user", 2, None)], false).await.1.len(), 2);
    assert_eq!(find(&door, &[("ip", 2, None)], true).await, (0, vec![of_address]));
    let gone = vec![entry(&["client-id=c"], &[("producer_byte_rate", None), ("request_percentage", None)])];
    assert_eq!(set(&door, gone, false).await, [0]);
    assert_eq!(find(&door, &exactly, true).await, (0, vec![]));
    again.ended().await;
    door.ended().await;
}

#[tokio::test]
async fn quotas_that_cannot_be_are_refused_one_by_one() {
    let door = Door::open().await;
    let rate = |value| [("producer_byte_rate", Some(value))];
    let wrong = vec![
        entry(&[], &rate(1.0)),
        entry(&["group=g"], &rate(1.0)),
        entry(&["user=a", "user=b"], &rate(1.0)),
        entry(&["user=a", "ip=127.0.0.1"], &[("connection_creation_rate", Some(1.0))]),
        entry(&["ip=nowhere in particular"], &[("connection_creation_rate", Some(1.0))]),
        entry(&["ip=::1"], &rate(1.0)),
        entry(&["user=a"], &[("consumer_rate", Some(1.0))]),
        entry(&["user=b"], &rate(0.0)),
        entry(&["user=c"], &rate(1.5)),
        entry(&["user=d"], &rate(1e20)),
        entry(&["user=e"], &[("request_percentage", Some(f64::INFINITY))]),
        entry(&["user=f"], &[("request_percentage", Some(f64::NAN))]),
        entry(&["user=g"], &[rate(1.0), rate(2.0)].concat()),
    ];
    let mut expected = vec![Code::InvalidRequest.code(); wrong.len()];
    expected.push(0);
    let entries = [wrong, vec![entry(&["user=good"], &rate(1.0))]].concat();
    assert_eq!(set(&door, entries, false).await, expected);
    assert_eq!(find(&door, &[], false).await.1, ["user=good producer_byte_rate=1"]);
    let twice = vec![entry(&["user=h"], &rate(1.0)); 2];
    assert_eq!(set(&door, twice, false).await, [0, Code::InvalidRequest.code()]);
    for (filter, code) in [
        (vec![("", 2, None)], Code::InvalidRequest),
        (vec![("group", 2, None)], Code::UnsupportedVersion),
        (vec![("user", 2, None), ("user", 1, None)], Code::InvalidRequest),
        (vec![("user", 2, None), ("ip", 2, None)], Code::InvalidRequest),
        (vec![("user", 0, None)], Code::InvalidRequest),
        (vec![("user", 1, Some("u"))], Code::InvalidRequest),
        (vec![("user", 3, None)], Code::InvalidRequest),
    ] {
        assert_eq!(find(&door, &filter, false).await, (code.code(), vec![]), "{filter:?}");
    }
    door.ended().await;
}

async fn alter(door: &Door, deletions: &[(&str, i8)], upsertions: &[(&str, i8, i32)]) -> Vec<(String, i16)> {
    let deleted = |(user, mechanism): &(&str, i8)| {
        ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(*mechanism)
    };
    let set = |(user, mechanism, iterations): &(&str, i8, i32)| {
        let one = ScramCredentialUpsertion::default().with_name(text(user)).with_mechanism(*mechanism);
        let one = one.with_iterations(*iterations).with_salt(b"salt"[..].into());
        one.with_salted_password(b"salted"[..].into())
    };
    let request = AlterUserScramCredentialsRequest::default()
        .with_deletions(deletions.iter().map(deleted).collect())
        .with_upsertions(upsertions.iter().map(set).collect());
    let response = door.connect().await.ask(0, &request).await;
    response.results.iter().map(|one| (one.user.to_string(), one.error_code)).collect()
}

/// Of each user: code, and mechanisms with their iterations.
async fn credentials(door: &Door, users: &[&str]) -> Vec<(String, i16, Vec<(i8, i32)>)> {
    let users = users.iter().map(|user| UserName::default().with_name(text(user))).collect();
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(users));
    let response = door.connect().await.ask(0, &request).await;
    assert_eq!(response.error_code, 0);
    let infos = |one: &describe_user_scram_credentials_response::DescribeUserScramCredentialsResult| {
        one.credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect()
    };
    response.results.iter().map(|one| (one.user.to_string(), one.error_code, infos(one))).collect()
}

#[tokio::test]
async fn credentials_are_kept_shown_without_what_they_prove_and_deleted() {
    let door = Door::open().await;
    let of = |user: &str, code: i16| (user.to_owned(), code);
    let told = |user: &str, infos: &[(i8, i32)]| (user.to_owned(), 0, infos.to_vec());
    let unknown = Code::ResourceNotFound.code();
    assert_eq!(credentials(&door, &["a"]).await, [("a".to_owned(), unknown, vec![])]);
    assert_eq!(alter(&door, &[], &[("a", 1, 4096), ("b", 2, 15_000)]).await, [of("a", 0), of("b", 0)]);
    assert_eq!(alter(&door, &[], &[("a", 2, 8192)]).await, [of("a", 0)]);
    let both = [told("a", &[(1, 4096), (2, 8192)]), told("b", &[(2, 15_000)])];
    assert_eq!(credentials(&door, &[]).await, both);
    let again = Door::over(Arc::clone(&door.log), |_| {}).await;
    assert_eq!(credentials(&again, &[]).await, both);
    again.ended().await;
    let twice = Code::DuplicateResource.code();
    assert_eq!(
        credentials(&door, &["b", "a", "b"]).await,
        [both[0].clone(), ("b".to_owned(), twice, vec![])]
    );
    assert_eq!(alter(&door, &[("a", 1)], &[]).await, [of("a", 0)]);
    assert_eq!(alter(&door, &[("a", 1), ("c", 1)], &[]).await, [of("a", unknown), of("c", unknown)]);
    assert_eq!(alter(&door, &[("a", 2), ("b", 2)], &[]).await, [of("a", 0), of("b", 0)]);
    assert!(credentials(&door, &[]).await.is_empty());
    door.ended().await;
}

#[tokio::test]
async fn credentials_that_cannot_be_are_refused_one_by_one() {
    let door = Door::open().await;
    let wrong = [("", 1, 4096), ("few", 1, 4095), ("many", 2, 16_385), ("how", 3, 4096), ("ok", 1, 16_384)];
    let unacceptable = Code::UnacceptableCredential.code();
    let expected = [
        ("", unacceptable),
        ("few", unacceptable),
        ("how", Code::UnsupportedSaslMechanism.code()),
        ("many", unacceptable),
        ("ok", 0),
    ];
    let expected = expected.map(|(user, code)| (user.to_owned(), code));
    assert_eq!(alter(&door, &[], &wrong).await, expected);
    let twice = alter(&door, &[("ok", 1)], &[("ok", 2, 4096)]).await;
    assert_eq!(twice, [("ok".to_owned(), Code::DuplicateResource.code())]);
    assert_eq!(credentials(&door, &[]).await, [("ok".to_owned(), 0, vec![(1, 16_384)])]);
    door.ended().await;
}
