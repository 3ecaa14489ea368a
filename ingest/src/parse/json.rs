//! Our own protocol: one JSON hit or an array (docs/HIT.md), and the same names in a query.

use std::collections::BTreeMap;

use lake::hit::{Hit, HitId, Kind, Timings};
use lake::limits::{
    MAX_DIMENSION_BYTES, MAX_DIMENSIONS, MAX_HITS_PER_BODY, MAX_ID_BYTES, MAX_ITEMS_BYTES,
    MAX_TEXT_BYTES,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::draft::{Draft, Drop};
use crate::step::cut;

/// Why a body as a whole was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyError {
    /// Not JSON.
    #[error("the body is not JSON ({0}); send one hit or an array of hits")]
    NotJson(String),
    /// Too many hits.
    #[error("the body has {0} hits; the limit is {MAX_HITS_PER_BODY}: send them in several bodies")]
    TooMany(usize),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    v: u8,
    site: i64,
    kind: String,
    id: Option<String>,
    ts: Option<i64>,
    sent: Option<i64>,
    url: Option<String>,
    referrer: Option<String>,
    title: Option<String>,
    page_view: Option<String>,
    target: Option<String>,
    event: Event,
    search: Search,
    content: Content,
    goal: Goal,
    order: Order,
    dimensions: BTreeMap<String, String>,
    visitor: Option<String>,
    consent: bool,
    user_id: Option<String>,
    new_visit: bool,
    screen: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    timings: Timings,
    engaged_ms: Option<i64>,
    scroll_percent: Option<i32>,
    status: Option<i32>,
    ip: Option<String>,
    user_agent: Option<String>,
    country: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    category: Option<String>,
    action: Option<String>,
    name: Option<String>,
    value: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Search {
    term: Option<String>,
    category: Option<String>,
    results: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    name: Option<String>,
    piece: Option<String>,
    target: Option<String>,
    interaction: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Goal {
    id: Option<i32>,
    revenue: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Order {
    id: Option<String>,
    revenue: Option<f64>,
    items: Option<Value>,
}

/// Reads a body; each of its hits is a draft or invalid.
///
/// # Errors
///
/// [`BodyError`] when the body as a whole is not one.
pub fn parse(body: &[u8]) -> Result<Vec<Result<Draft, Drop>>, BodyError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| BodyError::NotJson(error.to_string()))?;
    match value {
        Value::Array(hits) if hits.len() > MAX_HITS_PER_BODY => Err(BodyError::TooMany(hits.len())),
        Value::Array(hits) => Ok(hits.into_iter().map(draft).collect()),
        hit => Ok(vec![draft(hit)]),
    }
}

/// Reads the same names out of a query, nested ones joined by `_`.
///
/// # Errors
///
/// [`Drop::Invalid`] when they are no hit.
pub fn parse_query(pairs: Vec<(String, String)>) -> Result<Draft, Drop> {
    const GROUPS: [&str; 7] =
        ["event", "search", "content", "goal", "order", "dimensions", "timings"];
    const TEXTS: [&str; 21] = [
        "kind",
        "id",
        "url",
        "referrer",
        "title",
        "page_view",
        "target",
        "visitor",
        "user_id",
        "screen",
        "language",
        "timezone",
        "ip",
        "user_agent",
        "country",
        "category",
        "action",
        "name",
        "term",
        "piece",
        "interaction",
    ];
    let mut hit = Map::new();
    for (name, text) in pairs {
        let group = GROUPS
            .iter()
            .find_map(|group| Some((*group, name.strip_prefix(group)?.strip_prefix('_')?)));
        let (group, key) = group.map_or((None, name.as_str()), |(group, key)| (Some(group), key));
        let is_text = TEXTS.contains(&key) || group == Some("dimensions");
        let value = match serde_json::from_str::<Value>(&text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) if !is_text => value,
            _ => Value::String(text),
        };
        let value = if matches!(key, "consent" | "new_visit") {
            Value::Bool(value == 1 || value == true)
        } else {
            value
        };
        match group {
            Some(group) => {
                let nested = hit.entry(group).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(nested) = nested {
                    nested.insert(key.to_owned(), value);
                }
            }
            None => {
                hit.insert(name, value);
            }
        }
    }
    draft(Value::Object(hit))
}

fn draft(value: Value) -> Result<Draft, Drop> {
    let wire: Wire = serde_json::from_value(value).map_err(|_| Drop::Invalid)?;
    let kind = Kind::parse(&wire.kind).filter(|_| wire.v == 1).ok_or(Drop::Invalid)?;
    let id = match wire.id.as_deref() {
        Some(text) => Some(HitId::parse(text).ok_or(Drop::Invalid)?),
        None => None,
    };
    let user_id = wire.user_id.clone();
    Ok(Draft {
        site: wire.site,
        id,
        ts: wire.ts,
        sent: wire.sent,
        url: wire.url.clone(),
        referrer: wire.referrer.clone(),
        visitor: wire.visitor.clone().filter(|_| wire.consent),
        ip: wire.ip.as_deref().and_then(|ip| ip.parse().ok()),
        user_agent: wire.user_agent.clone(),
        hit: Hit { kind, user_id, ..fields(wire)? },
        ..Draft::default()
    })
}

fn fields(wire: Wire) -> Result<Hit, Drop> {
    let text = |text: Option<String>| text.and_then(|text| cut(&text, MAX_TEXT_BYTES));
    let short = |text: Option<String>| text.and_then(|text| cut(&text, MAX_ID_BYTES));
    let mut dimensions = BTreeMap::new();
    for (number, value) in wire.dimensions {
        let number = number
            .parse()
            .ok()
            .filter(|number| (1..=MAX_DIMENSIONS).contains(number))
            .ok_or(Drop::Invalid)?;
        dimensions.extend(cut(&value, MAX_DIMENSION_BYTES).map(|value| (number, value)));
    }
    let items = wire.order.items.map(|items| items.to_string());
    if items.as_ref().is_some_and(|items| items.len() > MAX_ITEMS_BYTES) {
        return Err(Drop::Invalid);
    }
    Ok(Hit {
        title: wire.title,
        page_view: short(wire.page_view),
        target: text(wire.target).or_else(|| text(wire.content.target)),
        event_category: text(wire.event.category),
        event_action: text(wire.event.action),
        event_name: text(wire.event.name),
        event_value: wire.event.value,
        search_term: text(wire.search.term),
        search_category: short(wire.search.category),
        search_results: wire.search.results,
        content_name: text(wire.content.name),
        content_piece: text(wire.content.piece),
        content_interaction: text(wire.content.interaction),
        dimensions,
        goal_id: wire.goal.id,
        order_id: short(wire.order.id),
        order_items: items,
        revenue: wire.goal.revenue.or(wire.order.revenue),
        country: short(wire.country),
        language: short(wire.language),
        timezone: short(wire.timezone),
        screen: short(wire.screen),
        new_visit: wire.new_visit,
        timings: wire.timings,
        engaged_ms: wire.engaged_ms.filter(|ms| *ms >= 0),
        scroll_percent: wire.scroll_percent.map(|percent| percent.clamp(0, 100)),
        status: wire.status,
        ..Hit::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hits_per_body_are_limited() {
        let body = |count: usize| {
            serde_json::to_vec(&vec![serde_json::json!({"v":1,"site":1,"kind":"pageview"}); count])
                .unwrap()
        };
        assert!(parse(&body(MAX_HITS_PER_BODY - 1)).is_ok());
        assert!(parse(&body(MAX_HITS_PER_BODY)).is_ok());
        assert_eq!(
            parse(&body(MAX_HITS_PER_BODY + 1)).unwrap_err(),
            BodyError::TooMany(MAX_HITS_PER_BODY + 1)
        );
    }

    #[test]
    fn one_bad_hit_leaves_the_others() {
        let parsed = parse(br#"[{"v":1,"site":1,"kind":"pageview"},{"v":1,"site":1,"kind":"x"},7,{"v":2,"site":1,"kind":"event"}]"#).unwrap();
        assert_eq!(parsed.iter().filter(|hit| hit.is_ok()).count(), 1);
    }

    #[test]
    fn a_query_has_the_same_names() {
        let pairs = super::super::pairs::parse(
            "v=1&site=1&kind=event&event_category=Video&event_action=5&event_value=2.5&dimensions_3=x&url=http%3A%2F%2Fa.example%2F",
        );
        let draft = parse_query(pairs).unwrap();
        assert_eq!(
            (
                draft.hit.event_category.as_deref(),
                draft.hit.event_action.as_deref(),
                draft.hit.event_value
            ),
            (Some("Video"), Some("5"), Some(2.5))
        );
        assert_eq!(draft.hit.dimensions.get(&3).map(String::as_str), Some("x"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_hits_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
            let _ = parse(&bytes);
            let _ = parse_query(super::super::pairs::parse(&text));
        }
    }
}
