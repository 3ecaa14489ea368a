//! What the settings of all sites say (goals, rules of bots): read once a run, and again within it
//! when they are old.

use lake::limits::SETTINGS_TTL_MS;
use lake::site::SiteError;
use tokio::sync::Mutex;

/// Settings as they were read, and when, Unix milliseconds.
#[derive(Debug, Default)]
pub(super) struct InForce<T>(Mutex<Option<(i64, T)>>);

impl<T: Clone> InForce<T> {
    /// The settings in force; `read` reads them.
    pub(super) async fn get(
        &self,
        now_ms: i64,
        read: impl Future<Output = Result<T, SiteError>>,
    ) -> Result<T, SiteError> {
        let mut known = self.0.lock().await;
        if let Some((_, settings)) =
            known.as_ref().filter(|(at_ms, _)| now_ms - at_ms < SETTINGS_TTL_MS)
        {
            return Ok(settings.clone());
        }
        let settings = read.await?;
        *known = Some((now_ms, settings.clone()));
        Ok(settings)
    }

    /// What is asked for next is read: a run goes by the settings that it finds.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lake::goals::{Candidate, Goals};
    use lake::hit::Kind;
    use lake::site::{SiteSettings, put_site};
    use lake::store::StoreRef;
    use lake::store::memory::MemoryStore;

    use super::*;

    async fn put(store: &StoreRef, goals: &str) {
        let settings = format!(r#"{{"id":1,"name":"","timezone":"UTC","goals":[{goals}]}}"#);
        let settings = SiteSettings::parse(&settings).unwrap();
        put_site(store, &settings, 0, false).await.unwrap();
    }

    async fn reached(cache: &InForce<Goals>, store: &StoreRef, now_ms: i64) -> usize {
        let hit = Candidate { kind: Kind::Goal, goal: Some(1), ..Candidate::default() };
        cache.get(now_ms, Goals::in_force(store)).await.unwrap().reached(1, &hit).len()
    }

    #[tokio::test]
    async fn goals_are_read_again_by_the_next_run_or_when_they_are_old() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let cache = InForce::default();
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
