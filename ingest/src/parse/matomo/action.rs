//! What a request is to Matomo: page view < search < content < event < outlink < download; a
//! goal or an order records no action (matomo.md 3.5).

use std::borrow::Cow;

use lake::hit::{Hit, Kind};
use lake::limits::{MAX_ID_BYTES, MAX_ITEMS_BYTES, MAX_TEXT_BYTES};

use super::super::parameters::{Parameters, integer, number, text};
use super::revenue;
use crate::draft::Drop;
use crate::text::cut;

type Value<'a> = Option<Cow<'a, str>>;

fn long(value: &Value<'_>) -> Option<String> {
    cut(value.as_deref()?, MAX_TEXT_BYTES)
}

fn short(value: &Value<'_>) -> Option<String> {
    cut(value.as_deref()?, MAX_ID_BYTES)
}

/// The kind, and the fields that belong to it.
pub(super) fn of(p: &Parameters<'_>) -> Result<(Kind, Hit), Drop> {
    if let Some(goal) = integer(p.idgoal.as_deref()).filter(|goal| *goal >= 0) {
        return conversion(p, goal);
    }
    if p.ping.as_deref() == Some("1") {
        return Ok((Kind::Ping, Hit::default()));
    }
    for (value, kind) in [(&p.download, Kind::Download), (&p.link, Kind::Outlink)] {
        if let Some(target) = long(value) {
            return Ok((kind, Hit { target: Some(target), ..Hit::default() }));
        }
    }
    if p.e_c.is_some() || p.e_a.is_some() {
        return event(p);
    }
    if p.c_n.is_some() {
        return content(p);
    }
    if let Some(term) = long(&p.search) {
        let hit = Hit {
            search_term: Some(term),
            search_category: short(&p.search_cat),
            // matomo.js sends `false` where the page does not say.
            search_results: integer(p.search_count.as_deref())
                .and_then(|count| i32::try_from(count).ok())
                .filter(|count| *count >= 0),
            ..Hit::default()
        };
        return Ok((Kind::Search, hit));
    }
    if p.ca.as_deref() == Some("1") {
        // An action of a plugin that we do not have; never a page view.
        return Err(Drop::Excluded);
    }
    Ok((Kind::Pageview, Hit::default()))
}

fn conversion(p: &Parameters<'_>, goal: i64) -> Result<(Kind, Hit), Drop> {
    if goal > 0 {
        let goal = i32::try_from(goal).map_err(|_| Drop::Invalid)?;
        let hit = Hit { goal_id: Some(goal), revenue: revenue(p), ..Hit::default() };
        return Ok((Kind::Goal, hit));
    }
    // A part of the items would be no JSON: too many are left out whole, and `extra` says so.
    let items = text(p.ec_items.as_deref()).filter(|items| items.len() <= MAX_ITEMS_BYTES);
    let hit = Hit {
        order_id: short(&p.ec_id),
        order_items: items.map(str::to_owned),
        revenue: revenue(p),
        ..Hit::default()
    };
    Ok((Kind::Order, hit))
}

fn event(p: &Parameters<'_>) -> Result<(Kind, Hit), Drop> {
    let hit = Hit {
        event_category: Some(long(&p.e_c).ok_or(Drop::Invalid)?),
        event_action: Some(long(&p.e_a).ok_or(Drop::Invalid)?),
        event_name: long(&p.e_n),
        event_value: number(p.e_v.as_deref()),
        ..Hit::default()
    };
    Ok((Kind::Event, hit))
}

fn content(p: &Parameters<'_>) -> Result<(Kind, Hit), Drop> {
    let hit = Hit {
        content_name: Some(long(&p.c_n).ok_or(Drop::Invalid)?),
        content_piece: long(&p.c_p),
        target: long(&p.c_t),
        content_interaction: long(&p.c_i),
        ..Hit::default()
    };
    Ok((Kind::Content, hit))
}
