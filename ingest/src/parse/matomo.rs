//! Matomo's tracking protocol (matomo.md 1): parameters of one request, and bulk bodies.

use std::collections::HashMap;

use lake::hit::{Hit, Kind, Timings};
use lake::limits::{
    MAX_CLIENT_HINTS_BYTES, MAX_DIMENSION_BYTES, MAX_DIMENSIONS, MAX_ID_BYTES, MAX_ITEMS_BYTES,
    MAX_TEXT_BYTES,
};
use serde_json::Value;

use super::pairs;
use crate::draft::Draft;
use crate::step::cut;

/// Flags of the browser that are part of the fingerprint (matomo.md 3.2).
const FEATURES: [&str; 8] = ["pdf", "qt", "realp", "wma", "fla", "java", "ag", "cookie"];
/// Values of `pf_*` above this are ignored (matomo.md 1.2).
const MAX_TIMING_MS: i64 = 16_777_215;

/// What a request is to Matomo.
#[derive(Debug)]
pub enum Parsed {
    /// A hit, if the token allows what it sets.
    Hit(Box<Draft>),
    /// Excluded silently: answered like a hit.
    Ignored,
    /// Answered 400.
    Refused,
}

/// A bulk body.
#[derive(Debug, Default)]
pub struct Bulk {
    /// The requests, in order.
    pub requests: Vec<Vec<(String, String)>>,
    /// The token for all of them.
    pub token: Option<String>,
    /// `"send_image":0`.
    pub no_body: bool,
}

/// Reads a bulk body; one that is not JSON holds no request.
#[must_use]
pub fn parse_bulk(body: &[u8]) -> Bulk {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(body) else {
        return Bulk::default();
    };
    let requests =
        body.get("requests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Bulk {
        requests: requests.iter().map(request).collect(),
        token: body.get("token_auth").and_then(Value::as_str).map(str::to_owned),
        no_body: matches!(body.get("send_image"), Some(Value::Number(zero)) if zero.as_i64() == Some(0))
            || body.get("send_image") == Some(&Value::from("0")),
    }
}

fn request(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::String(text) => pairs::parse(text.split_once('?').map_or(text, |(_, query)| query)),
        Value::Object(fields) => {
            let text =
                |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
        }
        _ => Vec::new(),
    }
}

/// Reads the parameters of one request; `authenticated` says whether a token allows what needs one.
#[must_use]
pub fn parse(parameters: Vec<(String, String)>, authenticated: impl Fn(i64) -> bool) -> Parsed {
    let mut named: HashMap<&str, &str> = HashMap::new();
    for (name, value) in &parameters {
        named.entry(name).or_insert(value);
    }
    let p = Parameters(named);
    let site = p.integer("idsite").unwrap_or_default();
    if site <= 0 {
        return Parsed::Refused;
    }
    if p.integer("rec").unwrap_or_default() == 0 {
        return Parsed::Ignored;
    }
    if !authenticated(site)
        && ["cip", "country", "region", "city", "lat", "long"]
            .iter()
            .any(|name| p.text(name).is_some())
    {
        return Parsed::Refused;
    }
    let Some(hit) = hit(&p) else { return Parsed::Refused };
    let cid = p.0.get("cid").copied();
    if cid.is_some_and(|cid| lake::hit::Id64::parse(cid).is_none()) {
        return Parsed::Refused;
    }
    let id =
        p.text("_id").and_then(|id| id.get(..16)).filter(|id| lake::hit::Id64::parse(id).is_some());
    Parsed::Hit(Box::new(Draft {
        site,
        ts: p.time(),
        url: p.text("url").map(str::to_owned),
        referrer: p.text("urlref").map(str::to_owned),
        visitor: cid.or(id).map(str::to_owned),
        ip: p.text("cip").and_then(|ip| ip.parse().ok()),
        user_agent: p.text("ua").map(str::to_owned),
        features: FEATURES
            .iter()
            .map(|name| p.text(name).unwrap_or("0"))
            .collect::<Vec<_>>()
            .join(","),
        hit: Hit {
            client_id_forced: cid.is_some(),
            not_a_bot: p.text("bots") == Some("1") && authenticated(site),
            ..hit
        },
        parameters: parameters
            .iter()
            .filter(|(name, _)| {
                ["utm_", "mtm_", "pk_", "piwik_", "matomo_"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            })
            .cloned()
            .collect(),
        matomo: true,
        ..Draft::default()
    }))
}

struct Parameters<'a>(HashMap<&'a str, &'a str>);

impl Parameters<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).copied().filter(|value| !value.trim().is_empty())
    }

    fn cut(&self, name: &str, bytes: usize) -> Option<String> {
        self.text(name).and_then(|text| cut(text, bytes))
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.trim().parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// `cdt` (Unix seconds or a UTC date and time), less `cdo`.
    fn time(&self) -> Option<i64> {
        let text = self.text("cdt")?.trim();
        let seconds = text.parse::<i64>().ok().or_else(|| {
            let civil: jiff::civil::DateTime = text.replacen(' ', "T", 1).parse().ok()?;
            Some(civil.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
        })?;
        seconds.checked_sub(self.integer("cdo").unwrap_or_default())?.checked_mul(1_000)
    }
}

/// The fields of the hit; none when a value is refused.
fn hit(p: &Parameters<'_>) -> Option<Hit> {
    let (kind, mut hit) = action(p)?;
    hit.kind = kind;
    hit.title = p.cut("action_name", MAX_TEXT_BYTES);
    hit.page_view = p.cut("pv_id", 6);
    hit.user_id = p.cut("uid", MAX_ID_BYTES);
    hit.new_visit = p.text("new_visit") == Some("1");
    hit.screen = p.cut("res", 18);
    hit.language = p.cut("lang", 20);
    hit.country = p.cut("country", 2);
    hit.region = p.cut("region", MAX_ID_BYTES);
    hit.city = p.cut("city", MAX_ID_BYTES);
    hit.client_hints = p.cut("uadata", MAX_CLIENT_HINTS_BYTES).filter(|hints| hints != "{}");
    for number in 1..=MAX_DIMENSIONS {
        let value = p.cut(&format!("dimension{number}"), MAX_DIMENSION_BYTES);
        hit.dimensions.extend(value.map(|value| (number, value)));
    }
    hit.timings = timings(p)?;
    Some(hit)
}

/// What the request is: page view < search < content < event < outlink < download; a goal or an
/// order records no action (matomo.md 3.5).
fn action(p: &Parameters<'_>) -> Option<(Kind, Hit)> {
    let mut hit = Hit { revenue: p.number("revenue"), ..Hit::default() };
    let text = |name| p.cut(name, MAX_TEXT_BYTES);
    if let Some(goal) = p.integer("idgoal").filter(|goal| *goal >= 0) {
        if goal > 0 {
            hit.goal_id = Some(i32::try_from(goal).ok()?);
            return Some((Kind::Goal, hit));
        }
        hit.order_id = p.cut("ec_id", MAX_ID_BYTES);
        hit.order_items = p.cut("ec_items", MAX_ITEMS_BYTES);
        return Some((Kind::Order, hit));
    }
    if p.text("ping") == Some("1") {
        return Some((Kind::Ping, hit));
    }
    for (name, kind) in [("download", Kind::Download), ("link", Kind::Outlink)] {
        if let Some(target) = text(name) {
            hit.target = Some(target);
            return Some((kind, hit));
        }
    }
    if p.0.contains_key("e_c") || p.0.contains_key("e_a") {
        hit.event_category = Some(text("e_c")?);
        hit.event_action = Some(text("e_a")?);
        hit.event_name = text("e_n");
        hit.event_value = p.number("e_v");
        return Some((Kind::Event, hit));
    }
    if p.0.contains_key("c_n") {
        hit.content_name = Some(text("c_n")?);
        hit.content_piece = text("c_p");
        hit.target = text("c_t");
        hit.content_interaction = text("c_i");
        return Some((Kind::Content, hit));
    }
    if let Some(term) = text("search") {
        hit.search_term = Some(term);
        hit.search_category = p.cut("search_cat", MAX_ID_BYTES);
        hit.search_results = p.integer("search_count").and_then(|count| i32::try_from(count).ok());
        return Some((Kind::Search, hit));
    }
    Some((Kind::Pageview, hit))
}

fn timings(p: &Parameters<'_>) -> Option<Timings> {
    let of = |name| match p.integer(name) {
        Some(ms) if ms < 0 => None,
        Some(ms) if ms > MAX_TIMING_MS => Some(None),
        Some(ms) => Some(i32::try_from(ms).ok()),
        None => Some(None),
    };
    Some(Timings {
        network_ms: of("pf_net")?,
        server_ms: of("pf_srv")?,
        transfer_ms: of("pf_tfr")?,
        dom_processing_ms: of("pf_dm1")?,
        dom_completion_ms: of("pf_dm2")?,
        on_load_ms: of("pf_onl")?,
    })
}
