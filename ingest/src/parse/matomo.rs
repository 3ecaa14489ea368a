//! Matomo's tracking protocol (matomo.md 1.2): one request's parameters become a draft.

mod action;
mod extra;
mod time;

use std::borrow::Cow;

use lake::hit::{Attribution, Hit, Id64, Timings};
use lake::limits::{
    MAX_CLIENT_HINTS_BYTES, MAX_DIMENSION_BYTES, MAX_ID_BYTES, MAX_REFERRER_BYTES, MAX_TEXT_BYTES,
    MAX_TIMING_MS,
};

pub use super::parameters::Parameters;
use super::parameters::{integer, number, text};
use crate::draft::{Draft, Drop};
use crate::text::cut;

/// Letters of `pv_id` that count.
const PAGE_VIEW_BYTES: usize = 6;
/// Letters of `res`.
const SCREEN_BYTES: usize = 18;
/// Letters of `lang` in the fingerprint (matomo.md 3.2).
const LANGUAGE_BYTES: usize = 20;
/// Hex digits of a visitor id.
const VISITOR_DIGITS: usize = 16;

/// Reads one request.
///
/// `may_write` says whether its token covers a site; what needs one is refused without it.
///
/// # Errors
///
/// A [`Drop`]; where it [is a refusal](Drop::is_refusal) Matomo answers 400, else it says nothing.
pub fn parse(p: &Parameters<'_>, may_write: impl Fn(i32) -> bool) -> Result<Draft, Drop> {
    let site = integer(p.idsite.as_deref()).filter(|site| *site > 0).ok_or(Drop::UnknownSite)?;
    if integer(p.rec.as_deref()).unwrap_or_default() == 0 {
        return Err(Drop::Excluded);
    }
    let authenticated = i32::try_from(site).is_ok_and(&may_write);
    let private = [&p.cip, &p.country, &p.region, &p.city, &p.lat, &p.long];
    if !authenticated && private.iter().any(|value| text(value.as_deref()).is_some()) {
        return Err(Drop::Invalid);
    }
    let (kind, hit) = action::of(p)?;
    let cid = text(p.cid.as_deref());
    if cid.is_some_and(|cid| Id64::parse(cid).is_none()) {
        return Err(Drop::Invalid);
    }
    let own_id = p.id.as_deref().and_then(|id| id.get(..VISITOR_DIGITS));
    let visitor = cid.or(own_id.filter(|id| Id64::parse(id).is_some()));
    Ok(Draft {
        site,
        ts: time::of(p),
        url: text(p.url.as_deref()).map(str::to_owned),
        referrer: text(p.urlref.as_deref()).map(str::to_owned),
        visitor: visitor.map(str::to_owned),
        // An address that is none must not become that of the machine that sends it.
        ip: text(p.cip.as_deref())
            .map(|ip| ip.trim().parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into())),
        user_agent: text(p.ua.as_deref()).map(str::to_owned),
        features: features(p),
        charset: charset(p),
        hit: Hit {
            kind,
            client_id_forced: cid.is_some(),
            not_a_bot: authenticated && p.bots.as_deref() == Some("1"),
            ..fields(p, hit)?
        },
        parameters: p
            .campaign
            .iter()
            .map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned()))
            .collect(),
        matomo: true,
        ..Draft::default()
    })
}

/// Bits of the fingerprint: plugins and cookies (matomo.md 3.2).
fn features(p: &Parameters<'_>) -> u8 {
    [&p.pdf, &p.qt, &p.realp, &p.wma, &p.fla, &p.java, &p.ag, &p.cookie]
        .iter()
        .enumerate()
        .filter(|(_, value)| value.as_deref() == Some("1"))
        .fold(0, |bits, (bit, _)| bits | 1 << bit)
}

/// The page's encoding, where its URL's query needs it.
fn charset(p: &Parameters<'_>) -> Option<&'static encoding_rs::Encoding> {
    let encoding = encoding_rs::Encoding::for_label(p.cs.as_deref()?.as_bytes())?;
    (encoding != encoding_rs::UTF_8).then_some(encoding)
}

fn fields(p: &Parameters<'_>, of_action: Hit) -> Result<Hit, Drop> {
    let of = |value: &Option<Cow<'_, str>>, bytes| cut(value.as_deref()?, bytes);
    let dimension =
        |(number, value): &(u8, Cow<'_, str>)| Some((*number, cut(value, MAX_DIMENSION_BYTES)?));
    Ok(Hit {
        title: of(&p.action_name, MAX_TEXT_BYTES),
        page_view: of(&p.pv_id, PAGE_VIEW_BYTES),
        user_id: of(&p.uid, MAX_ID_BYTES),
        new_visit: p.new_visit.as_deref() == Some("1"),
        screen: of(&p.res, SCREEN_BYTES),
        language: of(&p.lang, LANGUAGE_BYTES),
        country: of(&p.country, MAX_ID_BYTES),
        region: of(&p.region, MAX_ID_BYTES),
        city: of(&p.city, MAX_ID_BYTES),
        client_hints: hints(p).filter(|hints| *hints != "{}").map(str::to_owned),
        dimensions: p.dimensions.iter().filter_map(dimension).collect(),
        timings: timings(p)?,
        attribution: attribution(p),
        local_time_s: time::of_day(p),
        extra: extra::of(p),
        ..of_action
    })
}

/// Client hints that are not too long; a part of them would be no JSON.
fn hints<'a>(p: &'a Parameters<'_>) -> Option<&'a str> {
    text(p.uadata.as_deref()).map(str::trim).filter(|hints| hints.len() <= MAX_CLIENT_HINTS_BYTES)
}

/// What a conversion is owed to; clients send it with every hit.
fn attribution(p: &Parameters<'_>) -> Option<Attribution> {
    let lower =
        |value: &Option<Cow<'_, str>>| cut(&value.as_deref()?.to_lowercase(), MAX_TEXT_BYTES);
    let found = Attribution {
        campaign: lower(&p.rcn),
        keyword: lower(&p.rck),
        referrer: cut(p.referrer.as_deref().unwrap_or_default(), MAX_REFERRER_BYTES),
        ts: integer(p.refts.as_deref())
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| seconds.checked_mul(1_000)),
    };
    (found.campaign.is_some() || found.referrer.is_some()).then_some(found)
}

/// A negative timing is refused, one that cannot be is ignored (matomo.md 1.2).
fn timings(p: &Parameters<'_>) -> Result<Timings, Drop> {
    let of = |value: &Option<Cow<'_, str>>| match integer(value.as_deref()) {
        Some(ms) if ms < 0 => Err(Drop::Invalid),
        ms => Ok(ms.and_then(|ms| i32::try_from(ms).ok()).filter(|ms| *ms <= MAX_TIMING_MS)),
    };
    Ok(Timings {
        network_ms: of(&p.pf_net)?,
        server_ms: of(&p.pf_srv)?,
        transfer_ms: of(&p.pf_tfr)?,
        dom_processing_ms: of(&p.pf_dm1)?,
        dom_completion_ms: of(&p.pf_dm2)?,
        on_load_ms: of(&p.pf_onl)?,
    })
}

/// Revenue as sent.
fn revenue(p: &Parameters<'_>) -> Option<f64> {
    number(p.revenue.as_deref())
}
