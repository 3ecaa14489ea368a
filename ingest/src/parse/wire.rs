//! The fields of our own protocol, and the draft that they make (docs/HIT.md).

use std::collections::BTreeMap;

use lake::hit::{Hit, HitId, Kind, Timings};
use lake::limits::{
    MAX_DIMENSION_BYTES, MAX_DIMENSIONS, MAX_ID_BYTES, MAX_ITEMS_BYTES, MAX_TEXT_BYTES,
    MAX_TIMING_MS,
};
use serde::Deserialize;
use serde_json::Value;

use crate::draft::{Draft, Drop};
use crate::text::cut_owned;

/// One hit as it is sent; unknown keys are ignored, and null is as good as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wire {
    pub(super) v: u8,
    pub(super) site: i64,
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) ts: Option<i64>,
    pub(super) sent: Option<i64>,
    pub(super) url: Option<String>,
    pub(super) referrer: Option<String>,
    pub(super) title: Option<String>,
    pub(super) page_view: Option<String>,
    pub(super) target: Option<String>,
    pub(super) event: Option<Event>,
    pub(super) search: Option<Search>,
    pub(super) content: Option<Content>,
    pub(super) goal: Option<Goal>,
    pub(super) order: Option<Order>,
    pub(super) dimensions: Option<BTreeMap<u8, Option<String>>>,
    pub(super) visitor: Option<String>,
    pub(super) consent: Option<bool>,
    pub(super) user_id: Option<String>,
    pub(super) new_visit: Option<bool>,
    pub(super) screen: Option<String>,
    pub(super) language: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) timings: Option<Timings>,
    pub(super) engaged_ms: Option<i64>,
    pub(super) scroll_percent: Option<i32>,
    pub(super) status: Option<i32>,
    pub(super) ip: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) country: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    category: Option<String>,
    action: Option<String>,
    name: Option<String>,
    value: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    term: Option<String>,
    category: Option<String>,
    results: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    name: Option<String>,
    piece: Option<String>,
    target: Option<String>,
    interaction: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Goal {
    id: Option<i32>,
    revenue: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Order {
    id: Option<String>,
    revenue: Option<f64>,
    items: Option<Value>,
}

fn text(text: Option<String>) -> Option<String> {
    cut_owned(text?, MAX_TEXT_BYTES)
}

fn short(text: Option<String>) -> Option<String> {
    cut_owned(text?, MAX_ID_BYTES)
}

impl Wire {
    /// The draft of this hit.
    pub(super) fn into_draft(mut self) -> Result<Draft, Drop> {
        let kind = Kind::parse(&self.kind).filter(|_| self.v == 1).ok_or(Drop::Invalid)?;
        let id = match self.id.as_deref() {
            Some(text) => Some(HitId::parse(text).ok_or(Drop::Invalid)?),
            None => None,
        };
        let visitor = self.visitor.take().filter(|_| self.consent == Some(true));
        Ok(Draft {
            site: self.site,
            id,
            ts: self.ts,
            sent: self.sent,
            url: self.url.take(),
            referrer: self.referrer.take(),
            visitor,
            ip: match self.ip.take() {
                // An address that is none must not become that of the machine that sends it.
                Some(ip) => Some(ip.parse().map_err(|_| Drop::Invalid)?),
                None => None,
            },
            user_agent: self.user_agent.take(),
            hit: Hit { kind, ..self.fields()? },
            ..Draft::default()
        })
    }

    fn fields(self) -> Result<Hit, Drop> {
        let event = self.event.unwrap_or_default();
        let search = self.search.unwrap_or_default();
        let content = self.content.unwrap_or_default();
        let goal = self.goal.unwrap_or_default();
        let order = self.order.unwrap_or_default();
        Ok(Hit {
            title: text(self.title),
            page_view: short(self.page_view),
            target: text(self.target).or_else(|| text(content.target)),
            event_category: text(event.category),
            event_action: text(event.action),
            event_name: text(event.name),
            event_value: event.value,
            search_term: text(search.term),
            search_category: short(search.category),
            search_results: search.results.filter(|results| *results >= 0),
            content_name: text(content.name),
            content_piece: text(content.piece),
            content_interaction: text(content.interaction),
            dimensions: dimensions(self.dimensions.unwrap_or_default())?,
            goal_id: goal.id,
            order_id: short(order.id),
            order_items: items(order.items)?,
            revenue: goal.revenue.or(order.revenue),
            user_id: short(self.user_id),
            country: short(self.country),
            language: short(self.language),
            timezone: short(self.timezone),
            screen: short(self.screen),
            new_visit: self.new_visit == Some(true),
            timings: within(self.timings.unwrap_or_default()),
            engaged_ms: self.engaged_ms.filter(|ms| *ms >= 0),
            scroll_percent: self.scroll_percent.map(|percent| percent.clamp(0, 100)),
            status: self.status,
            ..Hit::default()
        })
    }
}

fn dimensions(sent: BTreeMap<u8, Option<String>>) -> Result<BTreeMap<u8, String>, Drop> {
    if sent.keys().any(|number| !(1..=MAX_DIMENSIONS).contains(number)) {
        return Err(Drop::Invalid);
    }
    let cut = |(number, value): (u8, Option<String>)| {
        Some((number, cut_owned(value?, MAX_DIMENSION_BYTES)?))
    };
    Ok(sent.into_iter().filter_map(cut).collect())
}

/// Items as JSON; a part of them would be no JSON, so too many are refused.
fn items(items: Option<Value>) -> Result<Option<String>, Drop> {
    let text = items.filter(|items| !items.is_null()).map(|items| items.to_string());
    if text.as_ref().is_some_and(|text| text.len() > MAX_ITEMS_BYTES) {
        return Err(Drop::Invalid);
    }
    Ok(text)
}

/// Timings without those that cannot be.
fn within(timings: Timings) -> Timings {
    let of = |ms: Option<i32>| ms.filter(|ms| (0..=MAX_TIMING_MS).contains(ms));
    Timings {
        network_ms: of(timings.network_ms),
        server_ms: of(timings.server_ms),
        transfer_ms: of(timings.transfer_ms),
        dom_processing_ms: of(timings.dom_processing_ms),
        dom_completion_ms: of(timings.dom_completion_ms),
        on_load_ms: of(timings.on_load_ms),
    }
}
