//! Cursors: the place in the order of rows after which the next page begins.
//!
//! A cursor holds the last row's own values of what rows are ordered by, not a number of rows, so
//! that rows which come or go before it move nothing; and the version of the data that the first
//! page was made of, so that a later one can say whether they are others by now.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use xxhash_rust::xxh3::xxh3_64;

use super::Question;
use super::parameters::Refused;
use crate::count::Value;

/// The row after which a page begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// Name of its bucket.
    pub time: String,
    /// Values of its dimensions.
    pub by: Vec<Value>,
    /// Values of its metrics.
    pub metrics: Vec<Option<f64>>,
    /// Version of the data of the first page, where it is known ([`Counted::data`]).
    ///
    /// [`Counted::data`]: crate::count::Counted::data
    pub data: Option<u64>,
}

impl Cursor {
    /// As text, for the same question alone.
    #[must_use]
    pub fn write(&self, question: &Question) -> String {
        let value = |value: &Value| match value {
            Value::Null => Json::Null,
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(text.as_ref()),
        };
        let by: Vec<Json> = self.by.iter().map(value).collect();
        // Bits, so that the very number comes back.
        let metrics: Vec<Option<u64>> =
            self.metrics.iter().map(|it| it.map(f64::to_bits)).collect();
        let whole = json!([question.digest(), self.time, by, metrics, self.data]);
        URL_SAFE_NO_PAD.encode(whole.to_string())
    }

    /// Reads a cursor of this question.
    pub(super) fn read(text: &str, question: &Question) -> Result<Self, Refused> {
        let refused = |why: &str| Refused::new("cursor", text, why);
        let (digest, cursor) =
            decode(text).ok_or_else(|| refused("this is no next_cursor of an answer"))?;
        if digest != question.digest() {
            return Err(refused(
                "this cursor belongs to another question; ask the same one, with from and to instead of dates that move",
            ));
        }
        Ok(cursor)
    }
}

fn decode(text: &str) -> Option<(u64, Cursor)> {
    let whole: Json = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let [digest, time, by, metrics, data] = whole.as_array()?.as_slice() else { return None };
    let value = |value: &Json| match value {
        Json::Null => Some(Value::Null),
        Json::String(text) => Some(Value::Text(text.as_str().into())),
        other => other.as_i64().map(Value::Number),
    };
    let metric = |metric: &Json| match metric {
        Json::Null => Some(None),
        other => other.as_u64().map(|bits| Some(f64::from_bits(bits))),
    };
    Some((
        digest.as_u64()?,
        Cursor {
            time: time.as_str()?.to_owned(),
            by: by.as_array()?.iter().map(value).collect::<Option<_>>()?,
            metrics: metrics.as_array()?.iter().map(metric).collect::<Option<_>>()?,
            data: data.as_u64(),
        },
    ))
}

impl Question {
    /// A number for everything that decides which rows there are and how they are ordered.
    pub(crate) fn digest(&self) -> u64 {
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.name).collect();
        let by: Vec<&str> = self.by.iter().map(|dimension| dimension.name).collect();
        let zone = self.tz.as_ref().and_then(|zone| zone.iana_name());
        let rows = (&self.sites, metrics, by, self.interval, self.from, self.to, zone);
        let selected = (&self.section, self.section_depth, &self.filters, self.bots, self.order);
        xxh3_64(format!("{rows:?} {selected:?}").as_bytes())
    }
}
