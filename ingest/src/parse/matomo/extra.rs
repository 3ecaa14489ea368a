//! What a request says besides what has a column of its own, so that it is not lost.

use lake::limits::{MAX_EXTRA_BYTES, MAX_ITEMS_BYTES};
use serde_json::{Map, Value};

use super::super::parameters::{Parameters, text};

/// One JSON object of texts by the names of the protocol. What does not fit within
/// [`MAX_EXTRA_BYTES`] is left out, name by name, and so are items of an order above
/// [`MAX_ITEMS_BYTES`], client hints that are too long (a part of either would be no JSON), and
/// dimensions without a column beyond [`lake::limits::MAX_FURTHER_DIMENSIONS`]: `truncated` names
/// them.
pub(super) fn of(p: &Parameters<'_>) -> Option<String> {
    let mut extra = Extra { kept: Map::new(), room: MAX_EXTRA_BYTES, truncated: Vec::new() };
    if p.ec_items.as_ref().is_some_and(|items| items.len() > MAX_ITEMS_BYTES) {
        extra.truncated.push("ec_items".to_owned());
    }
    if text(p.uadata.as_deref()).is_some() && super::hints(p).is_none() {
        extra.truncated.push("uadata".to_owned());
    }
    for (name, value) in [
        ("_pks", &p.pks),
        ("_pkn", &p.pkn),
        ("_pkc", &p.pkc),
        ("_pkp", &p.pkp),
        ("ec_st", &p.ec_st),
        ("ec_tx", &p.ec_tx),
        ("ec_sh", &p.ec_sh),
        ("ec_dt", &p.ec_dt),
        ("cvar", &p.cvar),
        ("_cvar", &p.visit_cvar),
        ("e_cvar", &p.event_cvar),
        ("lat", &p.lat),
        ("long", &p.long),
        ("bw_bytes", &p.bw_bytes),
        ("data", &p.data),
    ] {
        extra.keep(name.to_owned(), value.as_deref());
    }
    for (number, value) in &p.further_dimensions {
        extra.keep(format!("dimension{number}"), Some(value));
    }
    if p.more_dimensions {
        extra.truncated.push("dimensionN".to_owned());
    }
    extra.into_json()
}

struct Extra {
    kept: Map<String, Value>,
    room: usize,
    truncated: Vec<String>,
}

impl Extra {
    fn keep(&mut self, name: String, value: Option<&str>) {
        let value = text(value).filter(|value| !matches!(*value, "{}" | "[]"));
        let Some(value) = value else { return };
        match self.room.checked_sub(name.len() + value.len()) {
            Some(room) => {
                self.room = room;
                self.kept.insert(name, value.into());
            }
            None => self.truncated.push(name),
        }
    }

    fn into_json(mut self) -> Option<String> {
        if !self.truncated.is_empty() {
            self.kept.insert("truncated".to_owned(), self.truncated.join(" ").into());
        }
        (!self.kept.is_empty()).then(|| Value::Object(self.kept).to_string())
    }
}
