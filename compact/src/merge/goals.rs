//! The goals of all sites: read once a run, and again within it when they are old.

use anyhow::Context as _;
use lake::goals::Goals;
use lake::limits::SETTINGS_TTL_MS;
use lake::store::StoreRef;
use tokio::sync::Mutex;

/// Goals as they were read, and when, Unix milliseconds.
#[derive(Debug, Default)]
pub(super) struct GoalsCache(Mutex<Option<(i64, Goals)>>);

impl GoalsCache {
    /// The goals in force.
    pub(super) async fn read(&self, store: &StoreRef, now_ms: i64) -> anyhow::Result<Goals> {
        let mut known = self.0.lock().await;
        if let Some((_, goals)) =
            known.as_ref().filter(|(at_ms, _)| now_ms - at_ms < SETTINGS_TTL_MS)
        {
            return Ok(goals.clone());
        }
        let goals = Goals::in_force(store).await.context("reading the goals")?;
        *known = Some((now_ms, goals.clone()));
        Ok(goals)
    }

    /// What is asked for next is read: a run goes by the settings that it finds.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lake::goals::Candidate;
    use lake::hit::Kind;
    use lake::site::{SiteSettings, put_site};
    use lake::store::memory::MemoryStore;

    use super::*;

    async fn put(store: &StoreRef, goals: &str) {
        let settings = format!(r#"{{"id":1,"name":"","timezone":"UTC","goals":[{goals}]}}"#);
        let settings = SiteSettings::parse(&settings).unwrap();
        put_site(store, &settings, 0, false).await.unwrap();
    }

    async fn reached(cache: &GoalsCache, store: &StoreRef, now_ms: i64) -> usize {
        let hit = Candidate { kind: Kind::Goal, goal: Some(1), ..Candidate::default() };
        cache.read(store, now_ms).await.unwrap().reached(1, &hit).len()
    }

    #[tokio::test]
    async fn goals_are_read_again_by_the_next_run_or_when_they_are_old() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let cache = GoalsCache::default();
        put(&store, "").await;
        assert_eq!(reached(&cache, &store, 0).await, 0);
        put(&store, r#"{"id":1,"name":"Order","match":"manual"}"#).await;
        assert_eq!(reached(&cache, &store, SETTINGS_TTL_MS - 1).await, 0, "read once");
        assert_eq!(reached(&cache, &store, SETTINGS_TTL_MS).await, 1, "old");
        put(&store, "").await;
        cache.forget().await;
        assert_eq!(reached(&cache, &store, SETTINGS_TTL_MS).await, 0, "another run");
    }
}
