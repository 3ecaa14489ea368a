//! On which day a token was last used: `settings/token-use/<sha256>.json`.
//!
//! Noted once a day and token, beside whoever waits for the token and never in their way: a store
//! that fails costs the note, which is tried again later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::utc_date;
use crate::limits::TOKEN_USE_RETRY_MS;
use crate::store::{Expected, JsonError, StoreRef, put_json_if, read_json};

const FOLDER: &str = "settings/token-use";
/// Objects that are read at once.
const READS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    day: Date,
}

/// What one process has noted.
#[derive(Debug)]
pub(super) struct Uses {
    store: StoreRef,
    /// By SHA-256: the day that is noted or on its way, and when a failed note is tried again.
    noted: Mutex<HashMap<String, (Date, i64)>>,
}

impl Uses {
    pub(super) fn new(store: StoreRef) -> Self {
        Self { store, noted: Mutex::default() }
    }

    /// Notes, without waiting for it, that a token was used.
    pub(super) fn note(self: &Arc<Self>, sha256: &str, now_ms: i64) {
        let day = utc_date(now_ms);
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            match noted.get(sha256) {
                Some((known, again_ms)) if *known == day && now_ms < *again_ms => return,
                _ => noted.insert(sha256.to_owned(), (day, i64::MAX)),
            };
        }
        let (uses, sha256) = (Arc::clone(self), sha256.to_owned());
        tokio::spawn(async move {
            if let Err(error) = write(&uses.store, &sha256, day).await {
                tracing::warn!("the use of a token could not be noted: {error}");
                let again = (day, now_ms + TOKEN_USE_RETRY_MS);
                uses.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256, again);
            }
        });
    }
}

fn path(sha256: &str) -> Path {
    Path::from(format!("{FOLDER}/{sha256}.json"))
}

/// Writes the day unless it, or a later one, stands there.
async fn write(store: &StoreRef, sha256: &str, day: Date) -> Result<(), JsonError> {
    let path = path(sha256);
    let expected = match read_json::<Use>(store.as_ref(), &path).await? {
        Some(old) if old.value.day >= day => return Ok(()),
        Some(old) => Expected::ETag(old.e_tag),
        None => Expected::Absent,
    };
    match put_json_if(store.as_ref(), &path, &Use { day }, expected).await {
        // Another process noted it.
        Err(JsonError::Conflict { .. }) => Ok(()),
        done => done.map(|_| ()),
    }
}

/// By SHA-256: the day (UTC) on which each token was last used, of those that were.
///
/// # Errors
///
/// When the store fails.
pub async fn last_used(store: &StoreRef) -> Result<HashMap<String, Date>, JsonError> {
    let folder = Path::from(FOLDER);
    let listed: Vec<Path> =
        store.list(Some(&folder)).map_ok(|it| it.location).try_collect().await?;
    let read = |path: Path| async move {
        let used = read_json::<Use>(store.as_ref(), &path).await?;
        let sha256 = path.filename().and_then(|name| name.strip_suffix(".json"));
        Ok(sha256.map(str::to_owned).zip(used.map(|used| used.value.day)))
    };
    let reads = futures_util::stream::iter(listed).map(read).buffer_unordered(READS);
    reads.try_filter_map(|used| async move { Ok(used) }).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock, SeededRandom};
    use crate::store::faulty::{FaultyStore, Rates};
    use crate::store::memory::MemoryStore;
    use crate::token::{TokenCache, add_token, list_tokens};

    const DAY_MS: i64 = 24 * 3_600_000;

    /// Lets what was begun beside go on to its end.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn used(store: &StoreRef) -> Vec<String> {
        settle().await;
        last_used(store).await.unwrap().values().map(Date::to_string).collect()
    }

    #[tokio::test]
    async fn the_day_of_the_last_use_is_noted_once() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(0));
        let random = SeededRandom::new(1);
        let token = add_token(&store, &random, 0, (true, false), None).await.unwrap();
        let cache =
            || TokenCache::new(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>, 10);
        let (one, other) = (cache(), cache());
        assert!(used(&store).await.is_empty());
        one.find(&"0".repeat(32)).await.unwrap();
        assert!(used(&store).await.is_empty(), "what is no token leaves nothing");
        one.find(&token).await.unwrap();
        assert_eq!(used(&store).await, ["1970-01-01"]);
        let path = path(&list_tokens(&store).await.unwrap()[0].sha256);
        let version =
            async || read_json::<Use>(store.as_ref(), &path).await.unwrap().unwrap().e_tag;
        let first = version().await;
        clock.advance(DAY_MS - 1);
        one.find(&token).await.unwrap();
        other.find(&token).await.unwrap();
        settle().await;
        assert_eq!(version().await, first, "written once a day, whatever the processes");
        clock.advance(1);
        other.find(&token).await.unwrap();
        assert_eq!(used(&store).await, ["1970-01-02"]);
    }

    #[tokio::test]
    async fn a_store_that_fails_stops_no_token_and_is_tried_again() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let all = Rates { failed: 1_000, ..Rates::default() };
        let faulty = FaultyStore::new(Arc::clone(&store), all, 1);
        faulty.set_active(false);
        let clock = Arc::new(ManualClock::at(0));
        let random = SeededRandom::new(1);
        let token = add_token(&store, &random, 0, (true, false), None).await.unwrap();
        let behind: StoreRef = Arc::new(faulty.clone());
        let cache = TokenCache::new(behind, Arc::clone(&clock) as Arc<dyn Clock>, i64::MAX);
        // So that the tokens are known before the store fails.
        cache.find(&"0".repeat(32)).await.unwrap();
        faulty.set_active(true);
        assert!(cache.find(&token).await.unwrap().is_some());
        assert!(used(&store).await.is_empty());
        faulty.set_active(false);
        clock.advance(TOKEN_USE_RETRY_MS - 1);
        assert!(cache.find(&token).await.unwrap().is_some());
        assert!(used(&store).await.is_empty(), "not before its time");
        clock.advance(1);
        assert!(cache.find(&token).await.unwrap().is_some());
        assert_eq!(used(&store).await, ["1970-01-01"]);
    }
}
