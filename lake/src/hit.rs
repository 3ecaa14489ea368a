//! The hit as it travels from ingest over the stream to append.
//!
//! One record holds one hit as JSON, versioned by `v`. Ingest fills it, append reads it;
//! nothing here knows where it came from or what becomes of it.

mod id;
mod kind;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use id::{HitId, Id64};
pub use kind::Kind;

/// Version of the record that this program writes.
pub const RECORD_VERSION: u8 = 1;

/// A rule of the site's own by which a hit is a bot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteBot {
    /// Its address (`bot_ips`).
    Ip,
    /// Its user agent (`bot_user_agents`).
    UserAgent,
}

/// What the page's URL (or the request) says of the campaign; names lower-cased (matomo.md 3.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Campaign {
    /// Name: the first non-empty of the campaign parameters.
    pub name: String,
    /// `utm_source` and its like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `utm_medium` and its like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// `utm_term` and its like: the keyword.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// `utm_content` and its like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// What the client says a conversion is owed to (Matomo's `_rcn`, `_rck`, `_ref`, `_refts`;
/// matomo.md 3.4). Counts for conversions only, those that a page view reaches by a pattern
/// included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attribution {
    /// Campaign, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// Keyword of the campaign, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
    /// URL of the referrer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// When the client came from there, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
}

/// How long the parts of a page took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// Connection and name look-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_ms: Option<i32>,
    /// From request to first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_ms: Option<i32>,
    /// From first to last byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_ms: Option<i32>,
    /// Until the document is interactive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dom_processing_ms: Option<i32>,
    /// Until the document is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dom_completion_ms: Option<i32>,
    /// The load handlers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_load_ms: Option<i32>,
}

/// One hit, cleaned and with its visitor, as it lies on the stream.
///
/// Texts are cut to their limits, times are Unix milliseconds UTC, and the client's address is
/// not in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Version of this record.
    pub v: u8,
    /// The site.
    pub site: i32,
    /// The hit's identity within the site.
    pub id: HitId,
    /// When it happened.
    pub ts: i64,
    /// When ingest received it.
    pub received: i64,
    /// The date of `ts` in the site's time zone: the partition.
    pub dt: jiff::civil::Date,
    /// Place in its request, where the client gave no id: hits of one moment then go by arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// What it is.
    pub kind: Kind,
    /// Keyed hash of address and browser: recognises a visitor without an id.
    pub fingerprint: Id64,
    /// The client's own id, where it sent one that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Id64>,
    /// The client says that its id must not be bridged (Matomo's `cid`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub client_id_forced: bool,
    /// The site's own id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The client asks for a new visit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub new_visit: bool,
    /// The site's setting `new_visit_on_referrer` when the hit was received.
    #[serde(default, skip_serializing_if = "is_false")]
    pub referrer_cuts: bool,
    /// An authenticated client says that this is no bot (Matomo's `bots=1`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_a_bot: bool,
    /// The rule of the site's own that makes it a bot's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_bot: Option<SiteBot>,
    /// Host of the page, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path of the page, with its leading slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Query of the page after clean-up, without the question mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Title of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Id that the hits of one page view share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_view: Option<String>,
    /// URL of the download or outlink, or the target of content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Event: category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_category: Option<String>,
    /// Event: action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_action: Option<String>,
    /// Event: name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_name: Option<String>,
    /// Event: value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_value: Option<f64>,
    /// Site search: what was searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_term: Option<String>,
    /// Site search: category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_category: Option<String>,
    /// Site search: number of results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_results: Option<i32>,
    /// Content: name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_name: Option<String>,
    /// Content: piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_piece: Option<String>,
    /// Content: interaction; absent for an impression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_interaction: Option<String>,
    /// Custom dimensions by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<u8, String>,
    /// The goal reached by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal_id: Option<i32>,
    /// The order; an order without one is a cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The order's items, as the JSON that the client sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_items: Option<String>,
    /// Revenue of goal or order, in the site's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<f64>,
    /// The referrer as sent, cut; the channel is worked out by append.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// The referrer is one of the site's own hosts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub referrer_internal: bool,
    /// The campaign that the page's URL or the request names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Campaign>,
    /// Name of the advertiser's click parameter (`gclid`, ...), where the URL had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_id: Option<String>,
    /// Country, ISO 3166 two letters, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Region, as the header or the client gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// City, as the header or the client gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The browser's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The browser's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Screen, width x height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<String>,
    /// User agent, cut to 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Client hints as JSON, in the form of Matomo's `uadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_hints: Option<String>,
    /// Page timings.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timings: Timings,
    /// Time that the page was looked at, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engaged_ms: Option<i64>,
    /// How far the page was scrolled, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scroll_percent: Option<i32>,
    /// HTTP status of the page, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// What the client says a conversion is owed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Attribution>,
    /// The client's local time of day, seconds since its midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time_s: Option<i32>,
    /// What the client sent besides: a JSON object of texts (custom variables, the product looked
    /// at, the parts of an order's revenue), by the names of its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
}

/// Where a record's buffer starts; most records fit.
const USUAL_RECORD_BYTES: usize = 1024;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn is_default(value: &Timings) -> bool {
    *value == Timings::default()
}

/// Why the bytes of a record are no hit.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not the fields of a hit.
    #[error("record is not a hit: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A version that this program does not know.
    #[error(
        "record has version {0}; this program reads version {RECORD_VERSION}: deploy a newer one and replay"
    )]
    Version(u8),
}

impl DecodeError {
    /// The reason's short name, for counting and for `rejected/`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Version(_) => "version",
        }
    }
}

impl Hit {
    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> bytes::Bytes {
        let mut bytes = Vec::with_capacity(USUAL_RECORD_BYTES);
        // Every field is JSON: texts, numbers and maps with keys of numbers.
        if serde_json::to_writer(&mut bytes, self).is_err() {
            bytes.clear();
        }
        bytes.into()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not a hit of a known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Version {
            v: u8,
        }
        match serde_json::from_slice::<Self>(bytes) {
            Ok(hit) if hit.v == RECORD_VERSION => Ok(hit),
            Ok(hit) => Err(DecodeError::Version(hit.v)),
            Err(error) => match serde_json::from_slice::<Version>(bytes) {
                Ok(Version { v }) if v != RECORD_VERSION => Err(DecodeError::Version(v)),
                _ => Err(error.into()),
            },
        }
    }
}
