//! Orders of erasure: whom, and what happened before when (DESIGN section 3, "Erased stays erased").
//!
//! An order is an immutable object `orders/<id>.json`. Append, merge and every read apply all of
//! them; a table object's footer lists those that it has applied, so that only objects without an
//! order look for its rows. This module owns what an order says and which rows it covers; it
//! rewrites nothing.

mod rows;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::hit::{Hit, Id64};
use crate::store::{Expected, JsonError, StoreRef, put_json_if, read_json};

pub use rows::COLUMNS;

/// Prefix of orders.
pub const ORDERS: &str = "orders";

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
    /// Every hit of the dates before this one.
    Before(Date),
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The site.
    pub site: i32,
    /// Whose hits.
    pub whom: Whom,
    /// Hits received, or happened, before this are erased; Unix milliseconds. What happened before
    /// and is sent or imported later is covered too.
    pub before_ms: i64,
}

impl Order {
    /// Whether the order covers a hit, as it lies on the stream.
    #[must_use]
    pub fn covers(&self, hit: &Hit) -> bool {
        if hit.site != self.site || (hit.received >= self.before_ms && hit.ts >= self.before_ms) {
            return false;
        }
        match &self.whom {
            Whom::Before(date) => hit.dt < *date,
            Whom::Person { ids, user_ids } => {
                ids.contains(&hit.client_id.unwrap_or(hit.fingerprint))
                    || hit.user_id.as_ref().is_some_and(|user| user_ids.contains(user))
            }
        }
    }

    /// Whether rows of a date can be covered at all.
    #[must_use]
    pub fn reaches(&self, dt: Date) -> bool {
        match self.whom {
            Whom::Before(date) => dt < date,
            Whom::Person { .. } => true,
        }
    }
}

/// All orders, by the names of their objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders(Vec<(String, Arc<Order>)>);

impl Orders {
    /// These orders.
    #[must_use]
    pub fn of(orders: impl IntoIterator<Item = (String, Order)>) -> Self {
        Self(orders.into_iter().map(|(id, order)| (id, Arc::new(order))).collect())
    }

    /// Those that reach a date and that an object has not applied yet.
    #[must_use]
    pub fn open(&self, dt: Date, applied: &BTreeSet<String>) -> Self {
        let open = |(id, order): &&(String, Arc<Order>)| order.reaches(dt) && !applied.contains(id);
        Self(self.0.iter().filter(open).cloned().collect())
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.0.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them covers the hit.
    #[must_use]
    pub fn cover(&self, hit: &Hit) -> bool {
        self.0.iter().any(|(_, order)| order.covers(hit))
    }
}

fn path(id: &str) -> Path {
    Path::from(format!("{ORDERS}/{id}.json"))
}

/// Stores an order under its id; false when there is one of that id already.
///
/// # Errors
///
/// When the store fails.
pub async fn give(store: &StoreRef, id: &str, order: &Order) -> Result<bool, JsonError> {
    match put_json_if(store.as_ref(), &path(id), order, Expected::Absent).await {
        Ok(_) => Ok(true),
        Err(JsonError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The orders of a store. Orders never change, so only new ones are read.
#[derive(Debug)]
pub struct OrderBook {
    store: StoreRef,
    known: Mutex<Orders>,
}

impl OrderBook {
    /// None read yet.
    #[must_use]
    pub fn new(store: StoreRef) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// Every order that stands at the moment of the call: one list, and a read for each new one.
    ///
    /// # Errors
    ///
    /// When the store fails: without the orders nothing may be shown or written.
    pub async fn all(&self) -> Result<Orders, JsonError> {
        let listed: Vec<_> = self.store.list(Some(&Path::from(ORDERS))).try_collect().await?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut orders = Vec::with_capacity(listed.len());
        for object in listed {
            let Some(id) = object.location.filename().and_then(|name| name.strip_suffix(".json"))
            else {
                continue;
            };
            if let Some(found) = known.0.iter().find(|(of, _)| of == id) {
                orders.push(found.clone());
            } else if let Some(read) =
                read_json::<Order>(self.store.as_ref(), &object.location).await?
            {
                orders.push((id.to_owned(), Arc::new(read.value)));
            }
        }
        let orders = Orders(orders);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&orders);
        Ok(orders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use jiff::civil::date;

    fn person(ids: &[u64], users: &[&str]) -> Whom {
        Whom::Person {
            ids: ids.iter().map(|id| Id64(*id)).collect(),
            user_ids: users.iter().map(|user| (*user).to_owned()).collect(),
        }
    }

    pub(super) fn order(whom: Whom) -> Order {
        Order { site: 1, whom, before_ms: 1_000 }
    }

    #[test]
    fn a_person_is_known_by_user_by_client_and_without_one_by_fingerprint() {
        let order = order(person(&[7], &["ann"]));
        let hit = Hit { site: 1, ts: 5, received: 5, ..Hit::default() };
        let by_print = Hit { fingerprint: Id64(7), ..hit.clone() };
        assert!(order.covers(&by_print));
        assert!(order.covers(&Hit { client_id: Some(Id64(7)), ..hit.clone() }));
        assert!(order.covers(&Hit { user_id: Some("ann".to_owned()), ..hit.clone() }));
        assert!(
            !order.covers(&Hit { client_id: Some(Id64(8)), ..by_print.clone() }),
            "someone else behind the same address"
        );
        assert!(!order.covers(&Hit { site: 2, ..by_print.clone() }));
        assert!(order.covers(&Hit { received: 9_999, ..by_print.clone() }), "imported later");
        assert!(!order.covers(&Hit { ts: 1_000, received: 1_000, ..by_print }), "came back later");
    }

    #[test]
    fn what_lies_before_a_date_goes_whoever_it_is() {
        let order = order(Whom::Before(date(2026, 3, 1)));
        let hit = |dt| Hit { site: 1, dt, ..Hit::default() };
        assert!(order.covers(&hit(date(2026, 2, 28))) && !order.covers(&hit(date(2026, 3, 1))));
        assert!(order.reaches(date(2026, 2, 28)) && !order.reaches(date(2026, 3, 1)));
    }

    #[tokio::test]
    async fn orders_are_given_once_and_seen_at_once() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let book = OrderBook::new(Arc::clone(&store));
        assert!(book.all().await.unwrap().is_empty());
        let order = order(person(&[1], &[]));
        assert!(give(&store, "a", &order).await.unwrap());
        assert!(!give(&store, "a", &order).await.unwrap());
        let all = book.all().await.unwrap();
        assert_eq!(all.ids(), BTreeSet::from(["a".to_owned()]));
        assert!(all.open(date(2026, 1, 1), &all.ids()).is_empty());
        assert_eq!(book.all().await.unwrap(), all);
    }
}
