//! The visit rules (DESIGN section 5, matomo.md 3.2 to 3.5) as one pure function.
//!
//! Takes the hits of one site and one local date, in order; knows no file and no column. Merge
//! and query both call it, so a visit is the same in the table and in an answer. Hits that share
//! no client's id and no fingerprint, directly or through others, never touch each other's visits.

mod conversions;
mod rules;
#[cfg(test)]
mod tests;

use crate::goals::Reached;
use crate::hit::Kind;

pub use conversions::Conversion;

/// What a hit's own referrer and campaign say, as far as the rules need it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// No referrer, or one of the site's own pages.
    #[default]
    Direct,
    /// A campaign, by the hash of its lower-cased name and keyword.
    Campaign(u64),
    /// Another website, by the hash of its lower-cased name.
    Website(u64),
    /// A search engine or a social network.
    Other,
}

/// One hit, as far as the rules need it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VisitHit {
    /// When, microseconds UTC.
    pub ts_us: i64,
    /// When it was received, microseconds UTC.
    pub received_us: i64,
    /// The hit's id: breaks ties of time.
    pub hit_id: u128,
    /// Place in its request, where the client gave no id: ties of time are broken by arrival.
    pub position: Option<u32>,
    /// What it is.
    pub kind: Kind,
    /// Recognises a visitor without an id.
    pub fingerprint: u64,
    /// The client's or the user's id.
    pub client_id: Option<u64>,
    /// The id must not be bridged.
    pub client_id_forced: bool,
    /// The id is that of a user whom the site knows.
    pub is_user: bool,
    /// A bot's: it has visits of its own.
    pub is_bot: bool,
    /// The client asks for a new visit.
    pub new_visit: bool,
    /// Another website as referrer begins a new visit.
    pub referrer_cuts: bool,
    /// What its own referrer and campaign say.
    pub source: Source,
    /// Kind goal: the goal.
    pub goal: Option<i32>,
    /// Kind order: the hash of the order's id; none for a cart.
    pub order: Option<u64>,
    /// Goals that it reaches by pattern, or that say how its own goal counts: index of a set.
    pub goals: u32,
}

impl VisitHit {
    /// The order of hits: time; where that is the same, arrival for hits to which ingest gave
    /// their id (Matomo's clients tell only seconds), else the id.
    #[must_use]
    pub const fn order(&self) -> (i64, i64, u32, u128) {
        match self.position {
            Some(position) => (self.ts_us, self.received_us, position, self.hit_id),
            None => (self.ts_us, 0, 0, self.hit_id),
        }
    }
}

/// One visit. Hits are named by their index in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Whose it is: the first user's id in it, else the first client's id, else the fingerprint.
    pub visitor: u64,
    /// Its own id, from site and first hit.
    pub id: u64,
    /// Its first hit.
    pub first: usize,
    /// Its last hit.
    pub last: usize,
    /// The hit whose referrer and campaign are the visit's.
    pub attribution: usize,
    /// First page view or search.
    pub entry: Option<usize>,
    /// Last page view or search.
    pub exit: Option<usize>,
    /// Hits, pings included.
    pub hits: u32,
    /// Page views.
    pub pageviews: u32,
    /// Page views, downloads, outlinks, events, searches.
    pub actions: u32,
    /// 0 for one request, else last - first + 1, in seconds; and what a conversion adds.
    pub duration_s: i32,
    /// An earlier visit on that date is known.
    pub returning: bool,
    /// Time of its first hit, microseconds UTC.
    pub start_us: i64,
    fingerprint: u64,
    is_bot: bool,
    source: Source,
    rank: IdRank,
    /// The visitor is known by an earlier visit of this fingerprint.
    bridged: bool,
    last_action_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum IdRank {
    Fingerprint,
    Client,
    User,
}

/// The visits of one site and date.
#[derive(Debug, Default)]
pub struct Visits {
    /// In the order of their first hits.
    pub visits: Vec<Visit>,
    /// By hit: its visit. A ping that extends no visit has none.
    pub visit_of: Vec<Option<u32>>,
    /// By hit: of a page view or search, the seconds that its visit spent there, where any.
    pub time_on_page_s: Vec<Option<i32>>,
    /// What counts as a conversion, in the order of the hits.
    pub conversions: Vec<Conversion>,
}

/// Works out the visits of one site and date.
///
/// `hits` must be sorted by [`VisitHit::order`]; `goals` are the sets that [`VisitHit::goals`]
/// names. The result depends on nothing else.
#[must_use]
pub fn visits(site: i32, hits: &[VisitHit], goals: &[Vec<Reached>]) -> Visits {
    let mut out = rules::visits(site, hits, goals);
    out.conversions = conversions::conversions(hits, &out, goals);
    out
}
