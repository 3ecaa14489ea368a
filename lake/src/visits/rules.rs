//! Who sent a hit, whether it begins a visit, and what it adds to one.

use std::collections::HashMap;

use super::{IdRank, Source, Visit, VisitHit, Visits};
use crate::goals::Reached;
use crate::hit::Kind;
use crate::limits::{MAX_CONVERSION_EXTRA_S, MAX_VISIT_ACTIONS, VISIT_GAP_MS};

pub(super) const SECOND_US: i64 = 1_000_000;
const GAP_US: i64 = VISIT_GAP_MS * 1_000;

pub(super) fn visits(site: i32, hits: &[VisitHit], goals: &[Vec<Reached>]) -> Visits {
    let mut state = State {
        site,
        goals,
        out: Visits { time_on_page_s: vec![None; hits.len()], ..Visits::default() },
        by_client: HashMap::new(),
        by_fingerprint: HashMap::new(),
    };
    state.out.visit_of.reserve_exact(hits.len());
    for (index, hit) in hits.iter().enumerate() {
        let visit = state.place(index, hit);
        state.out.visit_of.push(visit.and_then(|visit| u32::try_from(visit).ok()));
    }
    state.out
}

/// The last visit of whoever sent a hit.
#[derive(Clone, Copy)]
struct Known {
    visit: usize,
    /// Found by the hit's own id.
    by_id: bool,
}

struct State<'a> {
    site: i32,
    goals: &'a [Vec<Reached>],
    out: Visits,
    /// The last visit of a visitor with an id. People and bots are kept apart.
    by_client: HashMap<(u64, bool), usize>,
    /// The last visit that began with a fingerprint.
    by_fingerprint: HashMap<(u64, bool), usize>,
}

impl State<'_> {
    fn place(&mut self, index: usize, hit: &VisitHit) -> Option<usize> {
        let known = self.recognise(hit);
        let open = known.filter(|known| self.continues(known.visit, hit));
        let visit = match open {
            Some(known) => known.visit,
            None if hit.kind == Kind::Ping => return None,
            None => self.start(index, hit, known),
        };
        self.extend(visit, index, hit);
        if hit.kind != Kind::Ping {
            self.remember(visit);
        }
        Some(visit)
    }

    /// By id at any age; else by fingerprint while that visit is still open (matomo.md 3.2). Who
    /// sends no id is his fingerprint: the same visitor all day.
    fn recognise(&self, hit: &VisitHit) -> Option<Known> {
        let by_client =
            hit.client_id.and_then(|client| self.by_client.get(&(client, hit.is_bot)).copied());
        if let Some(visit) = by_client {
            return Some(Known { visit, by_id: true });
        }
        if hit.client_id.is_some() && hit.client_id_forced {
            return None;
        }
        let visit = self.by_fingerprint.get(&(hit.fingerprint, hit.is_bot)).copied()?;
        let found = self.out.visits.get(visit)?;
        let another_user = hit.is_user && found.rank == IdRank::User;
        let in_reach = hit.ts_us - found.last_action_us <= GAP_US || hit.client_id.is_none();
        (in_reach && !another_user).then_some(Known { visit, by_id: false })
    }

    /// Whether the hit belongs to this visit of its visitor (matomo.md 3.3).
    fn continues(&self, visit: usize, hit: &VisitHit) -> bool {
        let Some(visit) = self.out.visits.get(visit) else { return false };
        let cuts = match (hit.source, visit.source) {
            (Source::Campaign(_), Source::Direct) => false,
            (Source::Campaign(ours), Source::Campaign(its)) => ours != its,
            (Source::Campaign(_), _) => true,
            (Source::Website(ours), Source::Website(its)) => hit.referrer_cuts && ours != its,
            (Source::Website(_), _) => hit.referrer_cuts,
            _ => false,
        };
        let full = visit.actions >= MAX_VISIT_ACTIONS;
        let restarts = hit.new_visit || cuts || full;
        hit.ts_us - visit.last_action_us < GAP_US && (hit.kind == Kind::Ping || !restarts)
    }

    fn start(&mut self, index: usize, hit: &VisitHit, known: Option<Known>) -> usize {
        let earlier = known.and_then(|known| self.out.visits.get(known.visit));
        let bridged = known.is_some_and(|known| !known.by_id) && !hit.is_user;
        let own = hit.client_id.map(|id| (id, IdRank::of(hit)));
        let before =
            earlier.filter(|visit| bridged && (visit.rank > IdRank::Fingerprint || own.is_none()));
        let (visitor, rank) = match before {
            Some(visit) => (visit.visitor, visit.rank),
            None => own.unwrap_or((hit.fingerprint, IdRank::Fingerprint)),
        };
        let bridged = before.is_some();
        let returning = earlier.is_some();
        self.out.visits.push(Visit {
            visitor,
            id: visit_id(self.site, hit.hit_id),
            first: index,
            last: index,
            attribution: index,
            entry: None,
            exit: None,
            hits: 0,
            pageviews: 0,
            actions: 0,
            duration_s: 0,
            returning,
            start_us: hit.ts_us,
            fingerprint: hit.fingerprint,
            is_bot: hit.is_bot,
            source: hit.source,
            rank,
            bridged,
            last_action_us: hit.ts_us,
        });
        self.out.visits.len() - 1
    }

    fn extend(&mut self, visit: usize, index: usize, hit: &VisitHit) {
        let extra_s = self.conversion_extra_s(hit);
        let Some(visit) = self.out.visits.get_mut(visit) else { return };
        visit.adopt_id(hit);
        if visit.source == Source::Direct && hit.source != Source::Direct {
            // A visit that began direct takes the first referrer that comes (matomo.md 3.3).
            visit.source = hit.source;
            visit.attribution = index;
        }
        visit.hits += 1;
        visit.last = index;
        visit.duration_s = if visit.hits > 1 {
            whole_seconds(visit.start_us, hit.ts_us).saturating_add(1).saturating_add(extra_s)
        } else if visit.returning {
            extra_s
        } else {
            0
        };
        if hit.kind == Kind::Ping {
            return;
        }
        let spent =
            visit.exit.filter(|_| !matches!(hit.kind, Kind::Event | Kind::Goal | Kind::Order));
        if let Some(spent) = spent.and_then(|page| self.out.time_on_page_s.get_mut(page)) {
            let gap_s = whole_seconds(visit.last_action_us, hit.ts_us);
            *spent = Some(spent.unwrap_or_default().saturating_add(gap_s));
        }
        visit.actions += u32::from(hit.kind.is_action());
        visit.pageviews += u32::from(hit.kind == Kind::Pageview);
        if hit.kind.is_page() {
            visit.entry = visit.entry.or(Some(index));
            visit.exit = Some(index);
        }
        visit.last_action_us = hit.ts_us;
    }

    fn remember(&mut self, index: usize) {
        let Some(visit) = self.out.visits.get(index) else { return };
        self.by_fingerprint.insert((visit.fingerprint, visit.is_bot), index);
        if visit.rank > IdRank::Fingerprint && !self.yields(visit) {
            self.by_client.insert((visit.visitor, visit.is_bot), index);
        }
    }

    /// Whether a visit that only the fingerprint gives to its visitor was last active in the same
    /// instant as one that was sent with his id: his own is the one that he goes on with.
    fn yields(&self, visit: &Visit) -> bool {
        let known = self.by_client.get(&(visit.visitor, visit.is_bot));
        known.and_then(|index| self.out.visits.get(*index)).is_some_and(|own| {
            visit.bridged && !own.bridged && own.last_action_us == visit.last_action_us
        })
    }

    /// What a request that converts adds to the duration of its visit until the next request
    /// comes (matomo.md 3.5): visible in Matomo's numbers, and so in ours.
    fn conversion_extra_s(&self, hit: &VisitHit) -> i32 {
        let extra_s = match hit.kind {
            Kind::Goal => hit.goal.map_or(0, |goal| goal.saturating_add(2)),
            Kind::Order => 2,
            _ => {
                let reached = self.goals.get(hit.goals as usize);
                i32::from(reached.is_some_and(|reached| !reached.is_empty()))
            }
        };
        extra_s.clamp(0, MAX_CONVERSION_EXTRA_S)
    }
}

impl IdRank {
    const fn of(hit: &VisitHit) -> Self {
        if hit.is_user { Self::User } else { Self::Client }
    }
}

impl Visit {
    /// A stronger id than the visit has so far becomes the visit's. One that is sent with the
    /// visitor's own is no longer only bridged.
    fn adopt_id(&mut self, hit: &VisitHit) {
        let rank = IdRank::of(hit);
        if let Some(id) = hit.client_id
            && rank > self.rank
        {
            self.visitor = id;
            self.rank = rank;
        }
        self.bridged &= hit.client_id != Some(self.visitor);
    }
}

/// Seconds as Matomo counts them, whose times have no fractions.
fn whole_seconds(from_us: i64, to_us: i64) -> i32 {
    i32::try_from(to_us.div_euclid(SECOND_US) - from_us.div_euclid(SECOND_US)).unwrap_or(i32::MAX)
}

fn visit_id(site: i32, first_hit: u128) -> u64 {
    let mut name = [0_u8; 20];
    for (to, from) in
        name.iter_mut().zip(site.to_be_bytes().into_iter().chain(first_hit.to_be_bytes()))
    {
        *to = from;
    }
    xxhash_rust::xxh3::xxh3_64(&name)
}
