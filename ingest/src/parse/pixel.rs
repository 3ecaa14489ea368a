//! Our own protocol in a query: the names of the JSON, nested ones joined by `_`.

use serde_json::{Map, Value};

use super::pairs;
use super::wire::Wire;
use crate::draft::{Draft, Drop};

/// Groups whose members a query names `group_member`.
const GROUPS: [&str; 7] = ["event", "search", "content", "goal", "order", "dimensions", "timings"];
/// Texts, at the top or in a group, that stay texts even where they look like numbers.
const TEXTS: [&str; 24] = [
    "kind",
    "id",
    "url",
    "referrer",
    "title",
    "page_view",
    "target",
    "category",
    "action",
    "name",
    "term",
    "piece",
    "interaction",
    "visitor",
    "user_id",
    "screen",
    "language",
    "timezone",
    "ip",
    "user_agent",
    "country",
    "content",
    "event",
    "search",
];

/// Reads one hit out of the query of `/hit.gif`.
///
/// # Errors
///
/// [`Drop::Invalid`] when it is none.
pub fn parse(query: &str) -> Result<Draft, Drop> {
    let mut hit = Map::new();
    for (name, text) in pairs::parse(query) {
        let group = GROUPS
            .iter()
            .find_map(|group| Some((*group, name.strip_prefix(group)?.strip_prefix('_')?)));
        let (group, key) = group.map_or((None, &*name), |(group, key)| (Some(group), key));
        let value = value(group, key, &text);
        match group {
            Some(group) => {
                let nested = hit.entry(group).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(nested) = nested {
                    nested.insert(key.to_owned(), value);
                }
            }
            None => {
                hit.insert(key.to_owned(), value);
            }
        }
    }
    let wire: Wire = serde_json::from_value(Value::Object(hit)).map_err(|_| Drop::Invalid)?;
    wire.into_draft()
}

fn value(group: Option<&str>, key: &str, text: &str) -> Value {
    // An order's id is a text, a goal's a number.
    let is_text = group == Some("dimensions") || (TEXTS.contains(&key) && group != Some("goal"));
    let parsed = match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) if !is_text => value,
        Ok(value @ Value::Array(_)) if key == "items" => value,
        _ => Value::String(text.to_owned()),
    };
    if matches!(key, "consent" | "new_visit") {
        Value::Bool(parsed == 1 || parsed == true)
    } else {
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_has_the_same_names() {
        let draft = parse("v=1&site=1&kind=event&event_category=Video&event_action=5&event_value=2.5&dimensions_3=7&url=http%3A%2F%2Fa.example%2F&new_visit=1").unwrap();
        let hit = draft.hit;
        assert_eq!(
            (hit.event_category.as_deref(), hit.event_action.as_deref(), hit.event_value),
            (Some("Video"), Some("5"), Some(2.5))
        );
        assert_eq!(hit.dimensions.get(&3).map(String::as_str), Some("7"));
        assert!(hit.new_visit);
        let goal = parse("v=1&site=1&kind=goal&goal_id=7&goal_revenue=9").unwrap().hit;
        assert_eq!((goal.goal_id, goal.revenue), (Some(7), Some(9.0)));
        let order =
            parse("v=1&site=1&kind=order&order_id=7&order_items=%5B%5B%22a%22%5D%5D").unwrap().hit;
        assert_eq!(order.order_id.as_deref(), Some("7"));
        assert_eq!(order.order_items.as_deref(), Some(r#"[["a"]]"#));
    }

    proptest! {
        #[test]
        fn any_query_is_a_hit_or_invalid(text in ".{0,200}") {
            let _ = parse(&text);
        }
    }
}
