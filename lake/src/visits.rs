//! The visit rules (DESIGN section 5, matomo.md 3.2 to 3.5) as one pure function.
//!
//! Takes the hits of one site and one local date, in the order of time; knows no file and no
//! column. Merge and query both call it, so a visit is the same in the table and in an answer.

use std::collections::HashMap;

use crate::hit::Kind;
use crate::limits::{MAX_VISIT_ACTIONS, VISIT_GAP_MS};

const SECOND_US: i64 = 1_000_000;
const GAP_US: i64 = VISIT_GAP_MS * 1_000;

/// What a hit's own referrer and campaign say, as far as the rules need it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// No referrer, or one of the site's own pages.
    #[default]
    Direct,
    /// A campaign, by the hash of its lower-cased name and keyword.
    Campaign(u64),
    /// Any other referrer.
    Referred,
}

/// One hit, as far as the rules need it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VisitHit {
    /// When, microseconds UTC.
    pub ts_us: i64,
    /// The hit's id: breaks ties of time.
    pub hit_id: u128,
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
    /// The client asks for a new visit.
    pub new_visit: bool,
    /// What its own referrer and campaign say.
    pub source: Source,
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
    /// 0 for one request, else last - first + 1, in seconds.
    pub duration_s: i32,
    /// An earlier visit on that date is known.
    pub returning: bool,
    /// Time of its first hit, microseconds UTC.
    pub start_us: i64,
    source: Source,
    rank: IdRank,
    last_action_us: i64,
    last_action_hit: Option<usize>,
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
    /// By hit: seconds from a page to the visit's next action, at most 1800.
    pub time_on_page_s: Vec<Option<i32>>,
}

/// Works out the visits of one site and date.
///
/// `hits` must be sorted by time and then id; the result depends on nothing else.
#[must_use]
pub fn visits(site: i32, hits: &[VisitHit]) -> Visits {
    let mut state = State { site, ..State::default() };
    state.out.time_on_page_s = vec![None; hits.len()];
    for (index, hit) in hits.iter().enumerate() {
        let visit = state.place(index, hit);
        state.out.visit_of.push(visit.and_then(|visit| u32::try_from(visit).ok()));
    }
    state.out
}

#[derive(Default)]
struct State {
    site: i32,
    out: Visits,
    by_client: HashMap<u64, usize>,
    by_fingerprint: HashMap<u64, usize>,
}

impl State {
    fn place(&mut self, index: usize, hit: &VisitHit) -> Option<usize> {
        let known = self.recognise(hit);
        let open = known.filter(|&visit| self.continues(visit, hit));
        let visit = match open {
            Some(visit) => visit,
            None if hit.kind == Kind::Ping => return None,
            None => self.start(index, hit, known),
        };
        self.extend(visit, index, hit);
        self.by_fingerprint.insert(hit.fingerprint, visit);
        if let Some(client) = hit.client_id {
            self.by_client.insert(client, visit);
        }
        Some(visit)
    }

    /// The last visit of whoever sent this hit (matomo.md 3.2): by id at any age, else by
    /// fingerprint while that visit is still open.
    fn recognise(&self, hit: &VisitHit) -> Option<usize> {
        let by_client = hit.client_id.and_then(|client| self.by_client.get(&client).copied());
        if by_client.is_some() || (hit.client_id.is_some() && hit.client_id_forced) {
            return by_client;
        }
        let visit = self.by_fingerprint.get(&hit.fingerprint).copied()?;
        let last = self.out.visits.get(visit)?.last_action_us;
        (hit.ts_us - last < GAP_US || hit.client_id.is_none()).then_some(visit)
    }

    /// Whether the hit belongs to this visit of its visitor (matomo.md 3.3).
    fn continues(&self, visit: usize, hit: &VisitHit) -> bool {
        let Some(visit) = self.out.visits.get(visit) else { return false };
        let new_campaign = match (hit.source, visit.source) {
            (_, Source::Direct) => false,
            (Source::Campaign(ours), Source::Campaign(its)) => ours != its,
            (Source::Campaign(_), Source::Referred) => true,
            _ => false,
        };
        let full = visit.actions >= MAX_VISIT_ACTIONS;
        let restarts = hit.new_visit || new_campaign || full;
        hit.ts_us - visit.last_action_us < GAP_US && (hit.kind == Kind::Ping || !restarts)
    }

    fn start(&mut self, index: usize, hit: &VisitHit, known: Option<usize>) -> usize {
        let earlier = known.and_then(|visit| self.out.visits.get(visit));
        let (visitor, rank) = match hit.client_id {
            Some(id) if hit.is_user => (id, IdRank::User),
            Some(id) => (id, IdRank::Client),
            None => earlier.map_or((hit.fingerprint, IdRank::Fingerprint), |visit| {
                (visit.visitor, visit.rank)
            }),
        };
        let mut name = [0_u8; 20];
        for (to, from) in
            name.iter_mut().zip(self.site.to_be_bytes().into_iter().chain(hit.hit_id.to_be_bytes()))
        {
            *to = from;
        }
        self.out.visits.push(Visit {
            visitor,
            id: xxhash_rust::xxh3::xxh3_64(&name),
            first: index,
            last: index,
            attribution: index,
            entry: None,
            exit: None,
            hits: 0,
            pageviews: 0,
            actions: 0,
            duration_s: 0,
            returning: earlier.is_some(),
            start_us: hit.ts_us,
            source: hit.source,
            rank,
            last_action_us: hit.ts_us,
            last_action_hit: None,
        });
        self.out.visits.len() - 1
    }

    fn extend(&mut self, visit: usize, index: usize, hit: &VisitHit) {
        let Some(visit) = self.out.visits.get_mut(visit) else { return };
        visit.adopt_id(hit);
        if visit.source == Source::Direct && hit.source != Source::Direct {
            // A visit that began direct takes the first referrer that comes (matomo.md 3.3).
            visit.source = hit.source;
            visit.attribution = index;
        }
        visit.hits += 1;
        visit.last = index;
        if visit.hits > 1 {
            let seconds = hit.ts_us.div_euclid(SECOND_US) - visit.start_us.div_euclid(SECOND_US);
            visit.duration_s = i32::try_from(seconds + 1).unwrap_or(i32::MAX);
        }
        if hit.kind == Kind::Ping {
            return;
        }
        if hit.kind.is_action() {
            visit.actions += 1;
            visit.pageviews += u32::from(hit.kind == Kind::Pageview);
            let gap_s = (hit.ts_us.div_euclid(SECOND_US)
                - visit.last_action_us.div_euclid(SECOND_US))
            .clamp(0, GAP_US / SECOND_US);
            let spent =
                visit.last_action_hit.and_then(|page| self.out.time_on_page_s.get_mut(page));
            if let Some(spent) = spent {
                *spent = i32::try_from(gap_s).ok();
            }
            visit.last_action_hit = hit.kind.is_page().then_some(index);
            if hit.kind.is_page() {
                visit.entry = visit.entry.or(Some(index));
                visit.exit = Some(index);
            }
        }
        visit.last_action_us = hit.ts_us;
    }
}

impl Visit {
    /// A stronger id than the visit has so far becomes the visit's.
    fn adopt_id(&mut self, hit: &VisitHit) {
        let rank = if hit.is_user { IdRank::User } else { IdRank::Client };
        if let Some(id) = hit.client_id
            && rank > self.rank
        {
            self.visitor = id;
            self.rank = rank;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60 * SECOND_US;

    fn pageview(minute: i64, fingerprint: u64) -> VisitHit {
        VisitHit {
            ts_us: minute * MINUTE_US,
            hit_id: u128::from(minute.unsigned_abs()) << 64 | u128::from(fingerprint),
            fingerprint,
            ..VisitHit::default()
        }
    }

    fn by(client: u64, hit: VisitHit) -> VisitHit {
        VisitHit { client_id: Some(client), ..hit }
    }

    fn from(source: Source, hit: VisitHit) -> VisitHit {
        VisitHit { source, ..hit }
    }

    #[test]
    fn a_gap_of_exactly_thirty_minutes_is_a_new_visit() {
        assert_eq!(visits(1, &[pageview(0, 1), pageview(30, 1)]).visits.len(), 2);
        let just_below = VisitHit { ts_us: 30 * MINUTE_US - 1, ..pageview(30, 1) };
        assert_eq!(visits(1, &[pageview(0, 1), just_below]).visits.len(), 1);
    }

    #[test]
    fn duration_is_zero_for_one_request_and_has_its_second_for_more() {
        assert_eq!(visits(1, &[pageview(0, 1)]).visits[0].duration_s, 0);
        let two = visits(1, &[pageview(0, 1), pageview(2, 1)]);
        assert_eq!(two.visits[0].duration_s, 121);
        assert_eq!(two.time_on_page_s, [Some(120), None]);
    }

    #[test]
    fn an_id_that_changes_is_bridged_by_the_fingerprint() {
        let out = visits(1, &[pageview(0, 1), by(7, pageview(1, 1)), by(8, pageview(2, 1))]);
        assert_eq!(out.visits.len(), 1);
        assert_eq!(out.visits[0].visitor, 7);
    }

    #[test]
    fn a_forced_id_is_not_bridged() {
        let forced = VisitHit { client_id_forced: true, ..by(8, pageview(2, 1)) };
        assert_eq!(visits(1, &[by(7, pageview(1, 1)), forced]).visits.len(), 2);
    }

    #[test]
    fn a_user_owns_the_visit_in_which_he_logs_in() {
        let user = VisitHit { is_user: true, ..by(9, pageview(2, 1)) };
        assert_eq!(visits(1, &[by(7, pageview(1, 1)), user]).visits[0].visitor, 9);
    }

    #[test]
    fn another_campaign_cuts_and_a_direct_visit_is_upgraded() {
        let first = from(Source::Campaign(1), pageview(0, 1));
        let out = visits(1, &[first, from(Source::Campaign(2), pageview(1, 1))]);
        assert_eq!(out.visits.len(), 2);
        assert!(out.visits[1].returning);
        let out = visits(1, &[pageview(0, 1), from(Source::Campaign(2), pageview(1, 1))]);
        assert_eq!((out.visits.len(), out.visits[0].attribution), (1, 1));
        let out = visits(
            1,
            &[from(Source::Referred, pageview(0, 1)), from(Source::Referred, pageview(1, 1))],
        );
        assert_eq!((out.visits.len(), out.visits[0].attribution), (1, 0));
    }

    #[test]
    fn a_ping_extends_a_visit_and_starts_none() {
        let ping = |minute| VisitHit { kind: Kind::Ping, ..pageview(minute, 1) };
        assert!(visits(1, &[ping(0)]).visits.is_empty());
        let out = visits(1, &[pageview(0, 1), ping(1), ping(31)]);
        assert_eq!((out.visits.len(), out.visits[0].duration_s), (1, 61));
        assert_eq!(out.visit_of, [Some(0), Some(0), None]);
    }

    #[test]
    fn a_visit_ends_after_the_limit_of_actions() {
        let hits: Vec<VisitHit> = (0..=i64::from(MAX_VISIT_ACTIONS))
            .map(|n| VisitHit {
                ts_us: n,
                hit_id: n.unsigned_abs().into(),
                fingerprint: 1,
                ..VisitHit::default()
            })
            .collect();
        let counts: Vec<u32> = visits(1, &hits).visits.iter().map(|visit| visit.actions).collect();
        assert_eq!(counts, [MAX_VISIT_ACTIONS, 1]);
    }
}
