//! The hit as it travels from ingest over the stream to append.
//!
//! One record holds one hit as JSON, versioned by `v`. Ingest fills it, append reads it;
//! nothing here knows where it came from or what becomes of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Version of the record that this program writes.
pub const RECORD_VERSION: u8 = 1;

/// What a hit is (DESIGN section 5).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A page was shown.
    #[default]
    Pageview,
    /// A file was fetched.
    Download,
    /// A link to another site was followed.
    Outlink,
    /// Something named happened.
    Event,
    /// The site was searched.
    Search,
    /// A piece of content was shown or used.
    Content,
    /// A goal was reached.
    Goal,
    /// Something was bought, or a cart changed.
    Order,
    /// The page is still open; extends a visit and never starts one.
    Ping,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Pageview,
        Self::Download,
        Self::Outlink,
        Self::Event,
        Self::Search,
        Self::Content,
        Self::Goal,
        Self::Order,
        Self::Ping,
    ];

    /// The name in the protocol and in the column `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pageview => "pageview",
            Self::Download => "download",
            Self::Outlink => "outlink",
            Self::Event => "event",
            Self::Search => "search",
            Self::Content => "content",
            Self::Goal => "goal",
            Self::Order => "order",
            Self::Ping => "ping",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it counts as an action of its visit (matomo.md 3.5): content, goals, orders and
    /// pings do not.
    #[must_use]
    pub const fn is_action(self) -> bool {
        matches!(self, Self::Pageview | Self::Download | Self::Outlink | Self::Event | Self::Search)
    }

    /// Whether it can be a visit's entry or exit page (matomo.md 3.5).
    #[must_use]
    pub const fn is_page(self) -> bool {
        matches!(self, Self::Pageview | Self::Search)
    }
}

/// The identity of a hit within its site: a UUID, sent by the client or derived from a digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HitId(pub u128);

impl fmt::Display for HitId {
    /// The canonical form of a UUID, lower case, with hyphens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl HitId {
    /// Reads a UUID in any usual form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(id.as_u128()))
    }

    /// The time inside a version 7 UUID, Unix milliseconds.
    #[must_use]
    pub fn time_ms(self) -> Option<i64> {
        let id = uuid::Uuid::from_u128(self.0);
        (id.get_version_num() == 7).then(|| i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

impl Serialize for HitId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = uuid::Uuid::encode_buffer();
        serializer.serialize_str(uuid::Uuid::from_u128(self.0).hyphenated().encode_lower(&mut text))
    }
}

impl<'de> Deserialize<'de> for HitId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("id is not a UUID"))
    }
}

/// A visitor, a fingerprint or a client's id: 64 bits, shown as 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id64(pub u64);

impl fmt::Display for Id64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Id64 {
    /// A client's own id: 16 hex digits as they are, any other text by its digest.
    #[must_use]
    pub fn of_visitor(visitor: &str) -> Option<Self> {
        let visitor = visitor.trim();
        if visitor.is_empty() {
            return None;
        }
        Some(Self::parse(visitor).unwrap_or_else(|| Self::of_digest(&Sha256::digest(visitor))))
    }

    /// The first bytes of a digest.
    #[must_use]
    pub fn of_digest(digest: &[u8]) -> Self {
        Self(digest.first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first)))
    }

    /// Reads exactly 16 hex digits, of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A quarter of the time of `from_str_radix`, which takes signs, too; a merge reads two for each row.
        let digits: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let number = digits.iter().try_fold(0, |number: u64, &digit| {
            let value = char::from(digit).to_digit(16)?;
            Some(number << 4 | u64::from(value))
        });
        number.map(Self)
    }
}

impl Serialize for Id64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 16 hex digits"))
    }
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
