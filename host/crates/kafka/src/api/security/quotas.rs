//! DescribeClientQuotas and AlterClientQuotas (keys 48 and 49): limits of users, clients and addresses, checked, kept and told as
//! Kafka does it. They slow nobody down: that the reference says.
//! An entity is what a limit is of: `user`, `client-id`, both, or `ip`, each by its name or for all that have none of their own.

use crate::call::Call;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData as AskedEntity, EntryData, OpData};
use kafka_protocol::messages::alter_client_quotas_response as altered;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response as described;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
};
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";
/// How a filter names what it looks for (`DescribeClientQuotasRequest`).
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// The largest value of a limit that is a whole number; none for one that may have a fraction.
type Whole = Option<f64>;
/// Limits of users and clients, and of addresses.
const OF_CLIENTS: &[(&str, Whole)] = &[
    ("consumer_byte_rate", Some(9.223_372_036_854_776e18)),
    ("controller_mutation_rate", None),
    ("producer_byte_rate", Some(9.223_372_036_854_776e18)),
    ("request_percentage", None),
];
const OF_ADDRESSES: &[(&str, Whole)] = &[("connection_creation_rate", Some(2_147_483_647.0))];

/// Names by type; none is the default of that type.
type Entity = BTreeMap<String, Option<String>>;
/// Limits by their names.
type Values = BTreeMap<String, f64>;

/// All limits. Kept as a list of `{"entity": {"user": "x", "client-id": null}, "values": {"producer_byte_rate": 1024.0}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Quota>", into = "Vec<Quota>")]
pub(crate) struct Quotas(BTreeMap<Entity, Values>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Quota {
    entity: Entity,
    values: Values,
}

impl From<Vec<Quota>> for Quotas {
    fn from(all: Vec<Quota>) -> Quotas {
        Quotas(all.into_iter().map(|one| (one.entity, one.values)).collect())
    }
}

impl From<Quotas> for Vec<Quota> {
    fn from(Quotas(all): Quotas) -> Vec<Quota> {
        all.into_iter().map(|(entity, values)| Quota { entity, values }).collect()
    }
}

pub(crate) fn describe(call: &Call, request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let response = DescribeClientQuotasResponse::default().with_error_message(None);
    let filter = match Filter::of(request) {
        Ok(filter) => filter,
        Err(refusal) => {
            let response = response.with_error_code(refusal.code.code()).with_error_message(refusal.text());
            return response.with_entries(None);
        }
    };
    let entries = call.broker.quotas.look(|Quotas(all)| {
        all.iter().filter(|(entity, _)| filter.passes(entity)).map(told).collect::<Vec<_>>()
    });
    response.with_entries(Some(entries))
}

pub(crate) async fn alter(call: &Call, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let change = |quotas: &mut Quotas| {
        let mut seen = HashSet::new();
        let one = |asked: &EntryData| {
            let entity = entity(&asked.entity)?;
            if !seen.insert(entity.clone()) {
                return wrong("the request names this entity more than once");
            }
            set(quotas, entity, &asked.ops)
        };
        request.entries.iter().map(one).collect::<Vec<_>>()
    };
    let kept = &call.broker.quotas;
    let results = if request.validate_only {
        Ok(change(&mut kept.look(Clone::clone)))
    } else {
        kept.change(&*call.broker.log, change).await
    };
    let results = results.unwrap_or_else(|refusal| vec![Err(refusal); request.entries.len()]);
    let entry = |(asked, result): (EntryData, Result<(), Refusal>)| {
        let entity = asked.entity.into_iter().map(|one| {
            let entity = altered::EntityData::default().with_entity_type(one.entity_type);
            entity.with_entity_name(one.entity_name)
        });
        let told = altered::EntryData::default().with_error_message(None).with_entity(entity.collect());
        match result {
            Ok(()) => told,
            Err(refusal) => told.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
        }
    };
    let entries = request.entries.into_iter().zip(results).map(entry).collect();
    AlterClientQuotasResponse::default().with_entries(entries)
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Code::InvalidRequest, message))
}

/// A part of what came, for a message.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// What a limit is of.
fn entity(asked: &[AskedEntity]) -> Result<Entity, Refusal> {
    let mut entity = Entity::new();
    for one in asked {
        if ![USER, CLIENT_ID, IP].contains(&one.entity_type.as_str()) {
            return wrong(format!("there is no entity type {:?}", shown(&one.entity_type)));
        }
        let name = one.entity_name.as_ref().map(StrBytes::to_string);
        if entity.insert(one.entity_type.to_string(), name).is_some() {
            return wrong(format!("the entity names its {} more than once", one.entity_type.as_str()));
        }
    }
    match entity.get(IP) {
        _ if entity.is_empty() => wrong("the entity is empty"),
        Some(_) if entity.len() > 1 => wrong("an ip is no entity together with a user or a client"),
        Some(Some(ip)) if ip.parse::<IpAddr>().is_err() => wrong(format!("{:?} is no address", shown(ip))),
        _ => Ok(entity),
    }
}

/// Sets and removes limits of one entity: all that the request has of it, or none.
fn set(Quotas(all): &mut Quotas, entity: Entity, ops: &[OpData]) -> Result<(), Refusal> {
    let known = if entity.contains_key(IP) { OF_ADDRESSES } else { OF_CLIENTS };
    let mut values = all.get(&entity).cloned().unwrap_or_default();
    let mut seen = HashSet::new();
    for op in ops {
        if !seen.insert(op.key.as_str()) {
            return wrong(format!("the request names {:?} more than once", shown(&op.key)));
        }
        if op.remove {
            values.remove(op.key.as_str());
            continue;
        }
        let Some((name, whole)) = known.iter().find(|(name, _)| *name == op.key.as_str()) else {
            return wrong(format!("there is no quota {:?} of such an entity", shown(&op.key)));
        };
        check(name, *whole, op.value)?;
        values.insert((*name).to_owned(), op.value);
    }
    if values.is_empty() {
        all.remove(&entity);
    } else {
        all.insert(entity, values);
    }
    Ok(())
}

fn check(name: &str, whole: Whole, value: f64) -> Result<(), Refusal> {
    if !value.is_finite() || value <= 0.0 {
        return wrong(format!("{name} must be greater than 0"));
    }
    match whole {
        Some(max) if value > max => wrong(format!("{name} must not be greater than {max}")),
        Some(_) if value.fract() > 1e-6 => wrong(format!("{name} must be a whole number")),
        _ => Ok(()),
    }
}

/// Which limits a request asks for.
#[derive(Debug, Default)]
struct Filter {
    exact: Entity,
    any: HashSet<String>,
    strict: bool,
}

impl Filter {
    fn of(request: &DescribeClientQuotasRequest) -> Result<Filter, Refusal> {
        let mut filter = Filter { strict: request.strict, ..Filter::default() };
        request.components.iter().try_for_each(|asked| filter.add(asked))?;
        let has = |kind: &str| filter.exact.contains_key(kind) || filter.any.contains(kind);
        if has(IP) && (has(USER) || has(CLIENT_ID)) {
            return wrong("an ip is no entity together with a user or a client");
        }
        Ok(filter)
    }
    fn add(&mut self, asked: &ComponentData) -> Result<(), Refusal> {
        let kind = asked.entity_type.to_string();
        if kind.is_empty() {
            return wrong("an entity type is empty");
        }
        if self.exact.contains_key(&kind) || self.any.contains(&kind) {
            return wrong(format!("the request names {:?} more than once", shown(&kind)));
        }
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            let message = format!("there is no entity type {:?}", shown(&kind));
            return Err(Refusal::new(Code::UnsupportedVersion, message));
        }
        match (asked.match_type, &asked._match) {
            (EXACT, Some(name)) => {
                self.exact.insert(kind, Some(name.to_string()));
            }
            (DEFAULT, None) => {
                self.exact.insert(kind, None);
            }
            (ANY, None) => {
                self.any.insert(kind);
            }
            (EXACT, None) => return wrong("a name is looked for, and none is given"),
            (DEFAULT | ANY, Some(_)) => return wrong("a name is given, and none is looked for"),
            (other, _) => return wrong(format!("there is no match type {other}")),
        }
        Ok(())
    }
    fn passes(&self, entity: &Entity) -> bool {
        (!self.strict || entity.len() == self.exact.len() + self.any.len())
            && self.exact.iter().all(|(kind, name)| entity.get(kind) == Some(name))
            && self.any.iter().all(|kind| entity.contains_key(kind))
    }
}

fn told((entity, values): (&Entity, &Values)) -> described::EntryData {
    let text = |text: &String| StrBytes::from_string(text.clone());
    let part = |(kind, name): (&String, &Option<String>)| {
        let part = described::EntityData::default().with_entity_type(text(kind));
        part.with_entity_name(name.as_ref().map(text))
    };
    let value = |(key, value): (&String, &f64)| {
        described::ValueData::default().with_key(text(key)).with_value(*value)
    };
    described::EntryData::default()
        .with_entity(entity.iter().map(part).collect())
        .with_values(values.iter().map(value).collect())
}
