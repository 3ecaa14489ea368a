//! Our own protocol: one JSON hit or an array (docs/HIT.md).

use lake::limits::MAX_HITS_PER_BODY;
use serde_json::Value;
use serde_json::error::Category;

use super::halves::mended;
use super::wire::Wire;
use crate::draft::{Draft, Drop};

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

/// Reads a body; each of its hits is a draft or invalid.
///
/// # Errors
///
/// [`BodyError`] when the body as a whole is not one.
pub fn parse(body: &[u8]) -> Result<Vec<Result<Draft, Drop>>, BodyError> {
    let body = &*mended(body);
    if is_array(body) {
        return many(body);
    }
    match serde_json::from_slice::<Wire>(body) {
        Ok(wire) => Ok(vec![wire.into_draft()]),
        Err(error) if error.classify() == Category::Data => {
            // JSON so far; whether to its end is still to be seen.
            serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(not_json)?;
            Ok(vec![Err(Drop::Invalid)])
        }
        Err(error) => Err(not_json(error)),
    }
}

/// Whether a body has hits in an array, be it one: then each has its place for an id.
pub(crate) fn is_array(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

fn many(body: &[u8]) -> Result<Vec<Result<Draft, Drop>>, BodyError> {
    let within_limit = |count: usize| {
        if count > MAX_HITS_PER_BODY { Err(BodyError::TooMany(count)) } else { Ok(()) }
    };
    let hits = match serde_json::from_slice::<Vec<Wire>>(body) {
        Ok(hits) => {
            within_limit(hits.len())?;
            hits.into_iter().map(Wire::into_draft).collect()
        }
        // One bad hit must not take the others along: each is read by itself.
        Err(error) if error.classify() == Category::Data => {
            let each: Vec<Value> = serde_json::from_slice(body).map_err(not_json)?;
            within_limit(each.len())?;
            let wire = |value| serde_json::from_value::<Wire>(value).map_err(|_| Drop::Invalid);
            each.into_iter().map(|value| wire(value)?.into_draft()).collect()
        }
        Err(error) => return Err(not_json(error)),
    };
    Ok(hits)
}

fn not_json(error: serde_json::Error) -> BodyError {
    BodyError::NotJson(error.to_string())
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
        let parsed = parse(br#"[{"v":1,"site":1,"kind":"pageview"},{"v":1,"site":1,"kind":"x"},7,{"v":2,"site":1,"kind":"event"},{"v":1,"site":1,"kind":"pageview","url":7}]"#).unwrap();
        let good: Vec<bool> = parsed.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, false, false, false]);
    }

    #[test]
    fn no_json_is_an_error_and_no_hit_is_invalid() {
        for body in ["", "{", "[", "x", r#"{"v":1"#, "[1,", r#"{"site":"x""#, r#"{"site":"x"} x"#] {
            assert!(matches!(parse(body.as_bytes()), Err(BodyError::NotJson(_))), "{body}");
        }
        for body in ["1", "null", "{}", r#""x""#, "[[]]", r#"{"v":1,"site":1,"kind":1}"#] {
            assert!(parse(body.as_bytes()).unwrap().iter().all(Result::is_err), "{body}");
        }
        assert_eq!(parse(b"[]").unwrap().len(), 0);
    }

    #[test]
    fn a_title_that_ends_in_half_a_character_is_a_title() {
        let title = |body: &str| {
            let mut drafts = parse(body.as_bytes()).unwrap();
            drafts.pop().unwrap().unwrap().hit.title.unwrap()
        };
        let hit = r#"{"v":1,"site":1,"kind":"pageview","title":"Shoes \ud83d"}"#;
        assert_eq!(title(hit), "Shoes \u{fffd}");
        assert_eq!(title(&format!("[7,{hit}]")), "Shoes \u{fffd}");
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let body = br#"{"v":1,"site":1,"kind":"pageview","id":null,"url":null,"referrer":null,"event":null,
            "consent":null,"dimensions":{"1":null},"timings":null,"new_visit":null,"order":{"items":null}}"#;
        let draft = parse(body).unwrap().pop().unwrap().unwrap();
        assert!(draft.hit.dimensions.is_empty() && draft.hit.order_items.is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_hits_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
