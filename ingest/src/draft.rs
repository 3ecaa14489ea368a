//! A hit on its way through the steps, and the closed set of reasons to drop it.

use std::net::IpAddr;

use lake::hit::{Hit, HitId};

/// Why a hit was dropped (CONTRACTS, `POST /hit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drop {
    /// There is no such site.
    UnknownSite,
    /// The page's origin may not send hits to this site.
    Origin,
    /// Its time is too long ago.
    Clock,
    /// The browser asks not to be tracked.
    DoNotTrack,
    /// The site's own rules.
    Excluded,
    /// The page was fetched ahead, not looked at.
    Prefetch,
    /// The referrer is one that the site excludes.
    SpamReferrer,
    /// Not a hit.
    Invalid,
}

impl Drop {
    /// Its name in headers and counts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownSite => "unknown_site",
            Self::Origin => "origin",
            Self::Clock => "clock",
            Self::DoNotTrack => "do_not_track",
            Self::Excluded => "excluded",
            Self::Prefetch => "prefetch",
            Self::SpamReferrer => "spam_referrer",
            Self::Invalid => "invalid",
        }
    }
}

/// What the client says of one hit. The steps turn it into a [`Hit`].
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Fields that need no step.
    pub hit: Hit,
    /// The site as sent; 0 or less is no site.
    pub site: i64,
    /// The hit's own id.
    pub id: Option<HitId>,
    /// Digest that stands for an id where the client sends none and says the request is one of a
    /// kind (a cache buster, a place in a bulk).
    pub digest: Option<u128>,
    /// Place in its request.
    pub position: u32,
    /// When it happened, Unix milliseconds on the client's clock.
    pub ts: Option<i64>,
    /// When it was sent, on the same clock.
    pub sent: Option<i64>,
    /// URL of the page.
    pub url: Option<String>,
    /// URL of the referrer.
    pub referrer: Option<String>,
    /// The client's own id, any text.
    pub visitor: Option<String>,
    /// Address to take instead of the connection's; needs a write token.
    pub ip: Option<IpAddr>,
    /// User agent to take instead of the header's.
    pub user_agent: Option<String>,
    /// Parts of the fingerprint besides address, user agent and language.
    pub features: String,
    /// Campaign parameters outside the URL.
    pub parameters: Vec<(String, String)>,
    /// Times are Matomo's: without a token a day at most, ahead of now is now.
    pub matomo: bool,
}

/// What is known of the request that carries the hits.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// When it was received, Unix milliseconds.
    pub received_ms: i64,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `Accept-Language`.
    pub language: Option<String>,
    /// `Origin`.
    pub origin: Option<String>,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// `DNT: 1`.
    pub dnt: bool,
    /// Headers that say the page was fetched ahead.
    pub prefetch: bool,
    /// Sites that the write token covers: none without one.
    pub writes: Option<lake::token::Token>,
    /// Country, region, city out of trusted headers.
    pub place: [Option<String>; 3],
}

impl Request {
    /// Whether the request may give this site's hits their own time, address and country.
    #[must_use]
    pub fn may_write(&self, site: i32) -> bool {
        self.writes.as_ref().is_some_and(|token| token.write && token.covers(site))
    }
}
