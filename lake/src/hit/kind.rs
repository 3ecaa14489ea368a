//! What a hit is.

use serde::{Deserialize, Serialize};

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
