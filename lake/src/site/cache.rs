//! Sites of a process, read again after a while.
//!
//! An id that nobody has a site for must cost nothing: anybody can send hits with any id. So the
//! first unknown id makes the cache list the ids there are, and until that list is old no other
//! id outside it reaches the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stored::{list_sites, read_site};
use super::{Site, SiteError};
use crate::clock::Clock;
use crate::store::StoreRef;

/// Sites of a process, read again after a while.
#[derive(Debug)]
pub struct SiteCache {
    store: StoreRef,
    clock: Arc<dyn Clock>,
    ttl_ms: i64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When each site was read, and what it is.
    sites: HashMap<i32, (i64, Arc<Site>)>,
    /// When ids were listed, and all of them.
    ids: Option<(i64, HashSet<i32>)>,
}

/// What the cache knows of an id.
enum Look {
    Known(Option<Arc<Site>>),
    /// To be read; the old site, if there is one, serves meanwhile and if the store fails.
    Read(Option<(i64, Arc<Site>)>),
}

/// A site that is read again. Where nobody waits for that any more, its entry is as old as before.
struct Reading<'a> {
    cache: &'a SiteCache,
    id: i32,
    old_ms: Option<i64>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(old_ms) = self.old_ms
            && let Some((at, _)) = self.cache.lock().sites.get_mut(&self.id)
        {
            *at = old_ms;
        }
    }
}

impl SiteCache {
    /// An empty cache whose entries live `ttl_ms`.
    #[must_use]
    pub fn new(store: StoreRef, clock: Arc<dyn Clock>, ttl_ms: i64) -> Self {
        Self { store, clock, ttl_ms, known: Mutex::default() }
    }

    /// The site; none when there is no such site. While the store fails the old entry serves.
    ///
    /// # Errors
    ///
    /// When the store fails and the site has not been read before.
    pub async fn get(&self, id: i32) -> Result<Option<Arc<Site>>, SiteError> {
        let now_ms = self.clock.now_ms();
        let old = match self.look(id, now_ms) {
            Look::Known(site) => return Ok(site),
            Look::Read(old) => old,
        };
        let mut reading = Reading { cache: self, id, old_ms: old.as_ref().map(|(at, _)| *at) };
        let read = read_site(&self.store, id).await;
        reading.old_ms = None;
        match read {
            Ok(site) => {
                let site = Arc::new(site);
                self.lock().sites.insert(id, (now_ms, Arc::clone(&site)));
                Ok(Some(site))
            }
            Err(SiteError::Unknown(_)) => {
                self.lock().sites.remove(&id);
                let ids = list_sites(&self.store).await?;
                self.lock().ids = Some((now_ms, ids.into_iter().collect()));
                Ok(None)
            }
            Err(error) => old.map(|(_, site)| Some(site)).ok_or(error),
        }
    }

    fn look(&self, id: i32, now_ms: i64) -> Look {
        let mut known = self.lock();
        if let Some((at, site)) = known.sites.get_mut(&id) {
            if now_ms - *at < self.ttl_ms {
                return Look::Known(Some(Arc::clone(site)));
            }
            // Whoever finds it old first reads it again; the others go on with the old one.
            let old = (*at, Arc::clone(site));
            *at = now_ms;
            return Look::Read(Some(old));
        }
        match &known.ids {
            Some((at, ids)) if now_ms - at < self.ttl_ms && !ids.contains(&id) => Look::Known(None),
            _ => Look::Read(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store behind it.
    #[must_use]
    pub const fn store(&self) -> &StoreRef {
        &self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::site::{SiteSettings, put_site};
    use crate::store::faulty::{FaultyStore, Rates};
    use crate::store::memory::MemoryStore;

    const TTL_MS: i64 = 1_000;

    async fn put(store: &StoreRef, id: i32, name: &str) {
        let settings = format!(r#"{{"id":{id},"name":"{name}"}}"#);
        put_site(store, &SiteSettings::parse(&settings).unwrap(), 0, false).await.unwrap();
    }

    /// A cache over a store that can be made to fail every call.
    fn cache() -> (SiteCache, StoreRef, FaultyStore, Arc<ManualClock>) {
        cache_over(Rates { failed: 1_000, ..Rates::default() })
    }

    /// The same with other faults.
    fn cache_over(rates: Rates) -> (SiteCache, StoreRef, FaultyStore, Arc<ManualClock>) {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let faulty = FaultyStore::new(Arc::clone(&store), rates, 1);
        faulty.set_active(false);
        let clock = Arc::new(ManualClock::at(0));
        let behind: StoreRef = Arc::new(faulty.clone());
        let cache = SiteCache::new(behind, Arc::clone(&clock) as Arc<dyn Clock>, TTL_MS);
        (cache, store, faulty, clock)
    }

    #[tokio::test]
    async fn unknown_ids_reach_the_store_once_for_all_of_them() {
        let (cache, store, faulty, clock) = cache();
        put(&store, 1, "a").await;
        assert!(cache.get(7).await.unwrap().is_none());
        faulty.set_active(true);
        for id in 8..1_000 {
            assert!(cache.get(id).await.unwrap().is_none());
        }
        assert!(cache.get(1).await.is_err(), "a known one is read");
        faulty.set_active(false);
        put(&store, 8, "new").await;
        clock.advance(TTL_MS);
        assert!(cache.get(8).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_read_that_is_given_up_leaves_the_entry_old() {
        let (cache, store, stalled, clock) =
            cache_over(Rates { stalled: 1_000, ..Rates::default() });
        put(&store, 1, "old").await;
        cache.get(1).await.unwrap();
        put(&store, 1, "new").await;
        clock.advance(TTL_MS);
        stalled.set_active(true);
        {
            let mut read = std::pin::pin!(cache.get(1));
            let mut once = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(read.as_mut().poll(&mut once).is_pending());
        }
        stalled.set_active(false);
        assert_eq!(cache.get(1).await.unwrap().unwrap().settings.name, "new");
    }

    #[tokio::test]
    async fn an_old_entry_is_read_again_and_serves_while_the_store_fails() {
        let (cache, store, faulty, clock) = cache();
        put(&store, 1, "old").await;
        assert_eq!(cache.get(1).await.unwrap().unwrap().settings.name, "old");
        put(&store, 1, "new").await;
        clock.advance(TTL_MS - 1);
        assert_eq!(cache.get(1).await.unwrap().unwrap().settings.name, "old");
        clock.advance(1);
        faulty.set_active(true);
        assert_eq!(cache.get(1).await.unwrap().unwrap().settings.name, "old");
        faulty.set_active(false);
        clock.advance(TTL_MS);
        assert_eq!(cache.get(1).await.unwrap().unwrap().settings.name, "new");
    }
}
