//! Who reads which orders.
//!
//! Reads hide what the open orders cover, as given already. Whoever writes hits applies those that
//! may erase: of a person only the closed one, because what is erased before can tell no more
//! whose visits it was in. Final ones are applied to what comes later.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;

use super::life::Final;
use super::place::{CLOSED, ORDERS, PROGRESS, id_in, is_final, site_of};
use super::{Order, Orders, Whom};
use crate::limits::ORDER_READS;
use crate::store::{JsonError, StoreRef, read_json};

/// How often orders are listed again because one moved meanwhile.
const MAX_ATTEMPTS: u32 = 8;

/// An order that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What it says, closed where it is.
    pub order: Arc<Order>,
    /// Whether it may erase.
    pub is_closed: bool,
}

/// What whoever writes hits must leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasing {
    /// All that may erase.
    pub orders: Orders,
    /// Ids of those that are not done.
    pub open: BTreeSet<String>,
}

/// The orders of a store. An object never changes, so only new ones are read.
#[derive(Debug)]
pub struct OrderBook {
    store: StoreRef,
    known: Mutex<HashMap<Path, Arc<Order>>>,
}

impl OrderBook {
    /// None read yet.
    #[must_use]
    pub fn new(store: StoreRef) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// What whoever writes hits must leave out: one list, and a read for each new order.
    ///
    /// # Errors
    ///
    /// When the store fails: without the orders nothing may be written.
    pub async fn erasing(&self) -> Result<Erasing, JsonError> {
        let orders = Path::from(ORDERS);
        let listed = || async {
            let listed: Vec<_> = self.store.list(Some(&orders)).try_collect().await?;
            Ok(listed.into_iter().map(|object| object.location).collect())
        };
        let read = self.read(listed).await?;
        let done = read.iter().filter(|(path, _)| is_final(path));
        let done =
            done.filter_map(|(path, order)| Some((id_in(path)?.to_owned(), Arc::clone(order))));
        let mut open = entries(&read);
        open.retain(|entry| entry.is_closed);
        Ok(Erasing {
            open: open.iter().map(|entry| entry.id.clone()).collect(),
            orders: Orders::of(done.chain(open.into_iter().map(|entry| (entry.id, entry.order)))),
        })
    }

    /// Those that are not done.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn open(&self) -> Result<Vec<Entry>, JsonError> {
        self.open_of(|_| true).await
    }

    /// What reads of some sites must leave out, of each site that has orders: one list, and a read
    /// for each order that is new.
    ///
    /// # Errors
    ///
    /// When the store fails: without the orders nothing may be shown.
    pub async fn hiding(
        &self,
        sites: &(dyn Fn(i32) -> bool + Sync),
    ) -> Result<BTreeMap<i32, Orders>, JsonError> {
        let wanted = |id: &str| site_of(id).is_some_and(sites);
        let mut of_sites: BTreeMap<i32, Vec<_>> = BTreeMap::new();
        for entry in self.open_of(wanted).await? {
            of_sites.entry(entry.order.site).or_default().push((entry.id, entry.order));
        }
        Ok(of_sites.into_iter().map(|(site, orders)| (site, Orders::of(orders))).collect())
    }

    async fn open_of(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Entry>, JsonError> {
        let orders = Path::from(ORDERS);
        let wanted = &wanted;
        let listed = || async {
            let objects = self.store.list_with_delimiter(Some(&orders)).await?.objects;
            let paths = objects.into_iter().map(|object| object.location);
            Ok(paths.filter(|path| id_in(path).is_some_and(wanted)).collect())
        };
        Ok(entries(&self.read(listed).await?))
    }

    /// The listed orders; listed again when one of them became final since.
    async fn read<F: Future<Output = Result<Vec<Path>, JsonError>>>(
        &self,
        list: impl Fn() -> F,
    ) -> Result<BTreeMap<Path, Arc<Order>>, JsonError> {
        for _ in 0..MAX_ATTEMPTS {
            let mut listed = list().await?;
            listed.retain(|path| id_in(path).is_some() && !path.as_ref().starts_with(PROGRESS));
            let (mut read, new) = self.known(listed);
            let mut reads = Vec::with_capacity(new.len());
            for path in new {
                reads.push(self.order(path));
            }
            let reads = futures_util::stream::iter(reads).buffer_unordered(ORDER_READS);
            let reads: Vec<(Path, Option<Order>)> = reads.try_collect().await?;
            let moved = reads.iter().any(|(_, order)| order.is_none());
            let reads =
                reads.into_iter().filter_map(|(path, order)| Some((path, Arc::new(order?))));
            let reads: Vec<(Path, Arc<Order>)> = reads.collect();
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(reads.iter().cloned());
            read.extend(reads);
            if !moved {
                return Ok(read);
            }
        }
        Err(JsonError::Conflict { path: ORDERS.to_owned() })
    }

    /// What is known of the listed, and the rest.
    fn known(&self, listed: Vec<Path>) -> (BTreeMap<Path, Arc<Order>>, Vec<Path>) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut read, mut new) = (BTreeMap::new(), Vec::new());
        for path in listed {
            match known.get(&path) {
                Some(order) => drop(read.insert(path, Arc::clone(order))),
                None => new.push(path),
            }
        }
        (read, new)
    }

    async fn order(&self, path: Path) -> Result<(Path, Option<Order>), JsonError> {
        let order = if is_final(&path) {
            read_json::<Final>(self.store.as_ref(), &path).await?.map(|done| done.value.order)
        } else {
            read_json::<Order>(self.store.as_ref(), &path).await?.map(|read| read.value)
        };
        Ok((path, order))
    }
}

/// The open ones, each once.
fn entries(read: &BTreeMap<Path, Arc<Order>>) -> Vec<Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (path, order) in read.iter().filter(|(path, _)| !is_final(path)) {
        let Some(name) = id_in(path) else { continue };
        let id = name.strip_suffix(CLOSED).unwrap_or(name);
        let is_closed = id != name || matches!(order.whom, Whom::Before(_));
        let entry = Entry { id: id.to_owned(), order: Arc::clone(order), is_closed };
        match entries.get(id) {
            Some(known) if known.is_closed => {}
            _ => drop(entries.insert(id.to_owned(), entry)),
        }
    }
    entries.into_values().collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::{
        Receipt, State, close, delete_superseded, finish, give, new_id, put_progress, retention_id,
        status,
    };
    use super::*;
    use crate::hit::Id64;
    use crate::store::memory::MemoryStore;

    fn person(id: u64) -> Order {
        let whom = Whom::Person { ids: BTreeSet::from([Id64(id)]), user_ids: BTreeSet::default() };
        Order { site: 1, whom, before_ms: 1_000, given_ms: 1_000 }
    }

    async fn hidden(book: &OrderBook, site: i32) -> Orders {
        let hidden = book.hiding(&|id| id == site).await.unwrap();
        hidden.into_values().next().unwrap_or_default()
    }

    #[tokio::test]
    async fn an_order_hides_at_once_erases_when_closed_and_stays_when_done() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let book = OrderBook::new(Arc::clone(&store));
        assert!(book.erasing().await.unwrap().orders.is_empty());
        let id = new_id(1, 1_000, 7 << 64);
        assert!(give(&store, &id, &person(1)).await.unwrap());
        assert!(!give(&store, &id, &person(2)).await.unwrap());
        assert_eq!(hidden(&book, 1).await.ids(), BTreeSet::from([id.clone()]));
        assert!(hidden(&book, 2).await.is_empty());
        assert!(book.erasing().await.unwrap().orders.is_empty());
        assert_eq!(status(&store, &id).await.unwrap(), Some(Receipt::default()));

        close(&store, &id, &person(3)).await.unwrap();
        let open = book.open().await.unwrap();
        let closed = Entry { id: id.clone(), order: Arc::new(person(3)), is_closed: true };
        assert_eq!(open, std::slice::from_ref(&closed));
        let erasing = book.erasing().await.unwrap();
        assert_eq!(erasing.orders, hidden(&book, 1).await);
        assert_eq!(erasing.open, BTreeSet::from([id.clone()]));

        let receipt = Receipt { state: State::Done, rows_before: 5, ..Receipt::default() };
        put_progress(&store, &id, &Receipt::default()).await.unwrap();
        for _ in 0..2 {
            finish(&store, &closed, receipt.clone()).await.unwrap();
            assert!(book.open().await.unwrap().is_empty());
            let erasing = book.erasing().await.unwrap();
            assert_eq!(erasing.orders.ids(), BTreeSet::from([id.clone()]));
            assert!(erasing.open.is_empty());
            assert_eq!(status(&store, &id).await.unwrap(), Some(receipt.clone()));
        }
        assert_eq!(status(&store, "1-none").await.unwrap(), None);
    }

    #[tokio::test]
    async fn of_retention_the_last_order_stays() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let book = OrderBook::new(Arc::clone(&store));
        for (site, day) in [(1, 1), (12, 1), (1, 2)] {
            let before = date(2026, 3, day);
            let order = Order { site, whom: Whom::Before(before), before_ms: 0, given_ms: 0 };
            give(&store, &retention_id(site, before), &order).await.unwrap();
        }
        for entry in book.open().await.unwrap() {
            assert!(entry.is_closed);
            finish(&store, &entry, Receipt::default()).await.unwrap();
        }
        assert_eq!(book.erasing().await.unwrap().orders.ids().len(), 3);
        delete_superseded(&store, 1, date(2026, 3, 2)).await.unwrap();
        let left = [retention_id(1, date(2026, 3, 2)), retention_id(12, date(2026, 3, 1))];
        assert_eq!(book.erasing().await.unwrap().orders.ids(), BTreeSet::from(left));
    }
}
