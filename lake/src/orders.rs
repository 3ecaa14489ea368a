//! Orders of erasure: whom, and what happened before when (DESIGN section 3, "Erased stays erased").
//!
//! An order is an immutable object. Append, merge, replay and every read apply orders; this module
//! owns what an order says, which rows it covers and where it lies. It rewrites nothing.
//! docs/decisions/erasure.md tells the life of an order.

mod book;
mod life;
mod place;
mod rows;
mod unreadable;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::hit::{Hit, Id64};

pub use book::{Entry, Erasing, OrderBook};
pub use life::{Receipt, State, close, delete_superseded, finish, give, put_progress, status};
pub use place::{ORDERS, new_id, retention_id, site_of};
pub use rows::COLUMNS;
pub use unreadable::Covered;

/// Whose hits, or which, an order erases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// One person, by everything that the stored hits told of them when the order was made.
    Person {
        /// Client's ids and, for hits without one, fingerprints.
        ids: BTreeSet<Id64>,
        /// The site's own ids of the user.
        user_ids: BTreeSet<String>,
    },
    /// Every hit of the dates before this one, whenever it comes.
    Before(Date),
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The site.
    pub site: i32,
    /// Whose hits.
    pub whom: Whom,
    /// A person's hits received, or happened, before this are erased; Unix milliseconds. What
    /// happened before and is sent or imported later is covered too.
    pub before_ms: i64,
    /// When this object was written, Unix milliseconds: who began later has seen it.
    pub given_ms: i64,
}

/// Orders by their ids, and whom they cover at a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    listed: Vec<(String, Arc<Order>)>,
    sites: Arc<HashMap<i32, OfSite>>,
}

/// What the orders of one site say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OfSite {
    /// By client's id or fingerprint: hits before this, Unix milliseconds.
    ids: HashMap<u64, i64>,
    users: HashMap<String, i64>,
    before: Option<Date>,
}

impl OfSite {
    fn add(&mut self, order: &Order) {
        let later = |known: &mut i64| *known = (*known).max(order.before_ms);
        match &order.whom {
            Whom::Before(date) => self.before = self.before.max(Some(*date)),
            Whom::Person { ids, user_ids } => {
                for id in ids {
                    later(self.ids.entry(id.0).or_insert(order.before_ms));
                }
                for user in user_ids {
                    later(self.users.entry(user.clone()).or_insert(order.before_ms));
                }
            }
        }
    }

    /// Whether hits of a date are covered whoever sent them.
    fn covers_date(&self, dt: Date) -> bool {
        self.before.is_some_and(|before| dt < before)
    }

    /// Whether a hit is that of a covered person; `earliest_ms` is when it happened or was
    /// received, whichever was first.
    fn covers_person(&self, id: Option<u64>, user: Option<&str>, earliest_ms: i64) -> bool {
        let before = |before: Option<&i64>| before.is_some_and(|before| earliest_ms < *before);
        before(id.and_then(|id| self.ids.get(&id)))
            || before(user.and_then(|user| self.users.get(user)))
    }
}

impl Orders {
    /// These orders.
    #[must_use]
    pub fn of(orders: impl IntoIterator<Item = (String, Arc<Order>)>) -> Self {
        let listed: Vec<_> = orders.into_iter().collect();
        let mut sites: HashMap<i32, OfSite> = HashMap::new();
        for (_, order) in &listed {
            sites.entry(order.site).or_default().add(order);
        }
        Self { listed, sites: Arc::new(sites) }
    }

    /// Those that a table object does not list as applied.
    #[must_use]
    pub fn not_in(&self, applied: &BTreeSet<String>) -> Self {
        if self.listed.iter().all(|(id, _)| !applied.contains(id)) {
            return self.clone();
        }
        Self::of(self.listed.iter().filter(|(id, _)| !applied.contains(id)).cloned())
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.listed.iter().map(|(id, _)| id.clone()).collect()
    }

    /// The sites that they are for.
    pub fn sites(&self) -> impl Iterator<Item = i32> {
        self.sites.keys().copied()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether they cover every hit that the site has on a date.
    #[must_use]
    pub fn cover_date(&self, site: i32, dt: Date) -> bool {
        self.sites.get(&site).is_some_and(|site| site.covers_date(dt))
    }

    /// Whether they may cover a hit that the site has on a date.
    #[must_use]
    pub fn may_cover(&self, site: i32, dt: Date) -> bool {
        let of_site = self.sites.get(&site);
        of_site.is_some_and(|it| !it.ids.is_empty() || !it.users.is_empty() || it.covers_date(dt))
    }

    /// Whether they cover the hit, as it lies on the stream.
    #[must_use]
    pub fn cover(&self, hit: &Hit) -> bool {
        let Some(site) = self.sites.get(&hit.site) else { return false };
        let id = hit.client_id.unwrap_or(hit.fingerprint);
        let earliest_ms = hit.received.min(hit.ts);
        site.covers_date(hit.dt)
            || site.covers_person(Some(id.0), hit.user_id.as_deref(), earliest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn orders(whom: Whom) -> Orders {
        let order = Order { site: 1, whom, before_ms: 1_000, given_ms: 0 };
        Orders::of([("a".to_owned(), Arc::new(order))])
    }

    #[test]
    fn a_person_is_known_by_user_by_client_and_without_one_by_fingerprint() {
        let whom = Whom::Person {
            ids: BTreeSet::from([Id64(7)]),
            user_ids: BTreeSet::from(["ann".to_owned()]),
        };
        let orders = orders(whom);
        assert!(orders.may_cover(1, date(2026, 3, 1)) && !orders.may_cover(2, date(2026, 3, 1)));
        let hit = Hit { site: 1, ts: 5, received: 5, ..Hit::default() };
        let by_print = Hit { fingerprint: Id64(7), ..hit.clone() };
        assert!(orders.cover(&by_print));
        assert!(orders.cover(&Hit { client_id: Some(Id64(7)), ..hit.clone() }));
        assert!(orders.cover(&Hit { user_id: Some("ann".to_owned()), ..hit.clone() }));
        assert!(
            !orders.cover(&Hit { client_id: Some(Id64(8)), ..by_print.clone() }),
            "someone else behind the same address"
        );
        assert!(!orders.cover(&Hit { site: 2, ..by_print.clone() }));
        assert!(orders.cover(&Hit { received: 9_999, ..by_print.clone() }), "imported later");
        assert!(orders.cover(&Hit { ts: 999, received: 1_000, ..by_print.clone() }));
        assert!(!orders.cover(&Hit { ts: 1_000, received: 1_000, ..by_print }), "came back later");
    }

    #[test]
    fn what_lies_before_a_date_goes_whoever_it_is() {
        let orders = orders(Whom::Before(date(2026, 3, 1)));
        let hit = |dt| Hit { site: 1, dt, ts: 5_000, received: 5_000, ..Hit::default() };
        assert!(orders.cover(&hit(date(2026, 2, 28))) && !orders.cover(&hit(date(2026, 3, 1))));
        assert!(orders.cover_date(1, date(2026, 2, 28)));
        assert!(
            !orders.cover_date(1, date(2026, 3, 1)) && !orders.cover_date(2, date(2026, 2, 28))
        );
        assert!(orders.may_cover(1, date(2026, 2, 28)) && !orders.may_cover(1, date(2026, 3, 1)));
    }

    #[test]
    fn of_several_orders_the_latest_counts_and_listed_ones_do_not() {
        let order = |before_ms| {
            let whom =
                Whom::Person { ids: BTreeSet::from([Id64(7)]), user_ids: BTreeSet::default() };
            Arc::new(Order { site: 1, whom, before_ms, given_ms: 0 })
        };
        let orders = Orders::of([("a".to_owned(), order(9)), ("b".to_owned(), order(5))]);
        let hit = Hit { site: 1, ts: 7, received: 7, client_id: Some(Id64(7)), ..Hit::default() };
        assert!(orders.cover(&hit));
        assert!(!orders.not_in(&BTreeSet::from(["a".to_owned()])).cover(&hit));
        assert!(orders.not_in(&orders.ids()).is_empty());
    }
}
