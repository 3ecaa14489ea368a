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
    /// The site's own rules, or the client's.
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

    /// Whether Matomo answers 400 where this is the reason; else it excludes silently
    /// (matomo.md 1.1).
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::UnknownSite | Self::Clock | Self::Invalid)
    }
}

/// What the client says of one hit. The steps complete its [`Hit`].
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Fields that need no step; texts cut to their limits.
    pub hit: Hit,
    /// The site as sent; 0 or less is no site.
    pub site: i64,
    /// The hit's own id.
    pub id: Option<HitId>,
    /// Digest that stands for an id where the client sends none and says the request is one of a
    /// kind (a cache buster, a place in a body of many).
    pub digest: Option<u128>,
    /// Place in its request.
    pub position: u32,
    /// When it happened, Unix milliseconds on the client's clock.
    pub ts: Option<i64>,
    /// When it was sent, on the same clock.
    pub sent: Option<i64>,
    /// URL of the page, as sent.
    pub url: Option<String>,
    /// URL of the referrer, as sent.
    pub referrer: Option<String>,
    /// The client's own id, any text.
    pub visitor: Option<String>,
    /// Address to take instead of the connection's; counts with a write token.
    pub ip: Option<IpAddr>,
    /// User agent to take instead of the header's; counts with a write token or in Matomo's
    /// protocol.
    pub user_agent: Option<String>,
    /// Features of the browser that are part of the fingerprint, one bit each.
    pub features: u8,
    /// Campaign parameters outside the URL.
    pub parameters: Vec<(String, String)>,
    /// Encoding of the page, where it is another than UTF-8: that of its URL's query.
    pub charset: Option<&'static encoding_rs::Encoding>,
    /// Matomo's rules hold: times without a token are a day old at most and ahead of now is now,
    /// a search needs the site's site search.
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
    /// `Sec-CH-UA-*`, in the form of Matomo's `uadata`.
    pub client_hints: Option<String>,
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
