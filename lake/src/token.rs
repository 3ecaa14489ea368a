//! Tokens of the API: only their SHA-256 is stored, in `settings/tokens.json`.
//!
//! On which day a token was last used stands in an object of its own (`used`).

mod used;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::clock::{Clock, Random, utc_date};
use crate::limits::SETTINGS_IN_FORCE_MS;
use crate::store::{Expected, JsonError, StoreRef, put_json_if, read_json};
use used::Uses;
pub use used::last_used;

/// What one token opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the token, hex.
    pub sha256: String,
    /// Asks the metrics API.
    pub read: bool,
    /// Sends hits with their own time, address and user agent.
    pub write: bool,
    /// The sites; none: all.
    pub sites: Option<Vec<i32>>,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// The last date (UTC) on which it opens anything; none: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

/// Where and how long a token opens something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The sites; none: all.
    pub sites: Option<Vec<i32>>,
    /// The last date (UTC); none: for ever.
    pub expires: Option<Date>,
}

impl From<Option<Vec<i32>>> for Bounds {
    /// These sites for ever.
    fn from(sites: Option<Vec<i32>>) -> Self {
        Self { sites, expires: None }
    }
}

impl Token {
    /// Whether it is made for this site.
    #[must_use]
    pub fn covers(&self, site: i32) -> bool {
        self.sites.as_ref().is_none_or(|sites| sites.contains(&site))
    }

    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self, now_ms: i64) -> bool {
        self.expires.is_some_and(|last| last < utc_date(now_ms))
    }
}

fn path() -> Path {
    Path::from("settings/tokens.json")
}

/// Letters of a token.
const TOKEN_LETTERS: usize = 32;

fn digest(token: &str) -> String {
    let digits = |byte: u8| [byte >> 4, byte & 0xF].map(|digit| char::from_digit(digit.into(), 16));
    Sha256::digest(token.as_bytes()).iter().flat_map(|byte| digits(*byte)).flatten().collect()
}

/// All tokens.
///
/// # Errors
///
/// When the store fails.
pub async fn list_tokens(store: &StoreRef) -> Result<Vec<Token>, JsonError> {
    Ok(read_json(store.as_ref(), &path()).await?.map(|read| read.value).unwrap_or_default())
}

/// Makes a token of 32 hex digits and returns it; it is not stored.
///
/// # Errors
///
/// When the store fails or somebody else changed the tokens at the same time.
pub async fn add_token(
    store: &StoreRef,
    random: &dyn Random,
    now_ms: i64,
    (read, write): (bool, bool),
    bounds: impl Into<Bounds>,
) -> Result<String, JsonError> {
    let token = format!("{:032x}", random.next_u128());
    let Bounds { sites, expires } = bounds.into();
    let sha256 = digest(&token);
    let entry = Token { sha256, read, write, sites, created_ms: now_ms, expires };
    change(store, |tokens| tokens.push(entry)).await?;
    Ok(token)
}

/// Revokes a token, given itself or the start of its SHA-256; how many were revoked.
///
/// # Errors
///
/// As [`add_token`].
pub async fn revoke_token(store: &StoreRef, token: &str) -> Result<usize, JsonError> {
    let whole = digest(token);
    let mut revoked = 0;
    change(store, |tokens| {
        let before = tokens.len();
        tokens.retain(|entry| {
            entry.sha256 != whole && !(token.len() >= 8 && entry.sha256.starts_with(token))
        });
        revoked = before - tokens.len();
    })
    .await?;
    Ok(revoked)
}

async fn change(store: &StoreRef, edit: impl FnOnce(&mut Vec<Token>)) -> Result<(), JsonError> {
    let old = read_json::<Vec<Token>>(store.as_ref(), &path()).await?;
    let (mut tokens, e_tag) = old.map(|old| (old.value, Some(old.e_tag))).unwrap_or_default();
    edit(&mut tokens);
    put_json_if(store.as_ref(), &path(), &tokens, e_tag.map_or(Expected::Absent, Expected::ETag))
        .await
        .map(|_| ())
}

/// Tokens of a process, read again after a while.
#[derive(Debug)]
pub struct TokenCache {
    store: StoreRef,
    clock: Arc<dyn Clock>,
    ttl_ms: i64,
    tokens: Mutex<Option<(i64, Arc<Vec<Token>>)>>,
    uses: Arc<Uses>,
}

impl TokenCache {
    /// An empty cache whose content lives `ttl_ms`.
    #[must_use]
    pub fn new(store: StoreRef, clock: Arc<dyn Clock>, ttl_ms: i64) -> Self {
        let uses = Arc::new(Uses::new(Arc::clone(&store)));
        Self { store, clock, ttl_ms, tokens: Mutex::new(None), uses }
    }

    /// What a token opens; none when it is no token of ours, or no longer. Compared in constant
    /// time. That it was used today is noted beside, once a day.
    ///
    /// # Errors
    ///
    /// When the store fails and the tokens have not been read within the last minute.
    pub async fn find(&self, token: &str) -> Result<Option<Token>, JsonError> {
        // Anybody can send anything for a token: what cannot be one costs nothing.
        if token.len() != TOKEN_LETTERS {
            return Ok(None);
        }
        let digest = digest(token);
        let tokens = self.all().await?;
        let equal = |entry: &&Token| bool::from(entry.sha256.as_bytes().ct_eq(digest.as_bytes()));
        let now_ms = self.clock.now_ms();
        let found = tokens.iter().find(equal).filter(|token| !token.has_expired(now_ms));
        if let Some(token) = found {
            self.uses.note(&token.sha256, now_ms);
        }
        Ok(found.cloned())
    }

    /// Reads the tokens, so that the first question finds them, and a connection to the store
    /// beside. Where that fails the question says so.
    pub async fn warm_up(&self) {
        let _later = self.all().await;
    }

    async fn all(&self) -> Result<Arc<Vec<Token>>, JsonError> {
        let now_ms = self.clock.now_ms();
        let cached = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, tokens)) = &cached
            && now_ms - at < self.ttl_ms
        {
            return Ok(Arc::clone(tokens));
        }
        match (list_tokens(&self.store).await, cached) {
            (Ok(tokens), _) => {
                let tokens = Arc::new(tokens);
                *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((now_ms, Arc::clone(&tokens)));
                Ok(tokens)
            }
            (Err(_), Some((at, tokens))) if now_ms - at < SETTINGS_IN_FORCE_MS => Ok(tokens),
            (Err(error), _) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SeededRandom};
    use crate::limits::SETTINGS_TTL_MS;
    use crate::store::memory::MemoryStore;
    use object_store::ObjectStoreExt as _;

    #[tokio::test]
    async fn a_token_opens_what_it_was_made_for_until_it_is_revoked() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(0));
        let random = SeededRandom::new(1);
        let token = add_token(&store, &random, 0, (true, false), Some(vec![2])).await.unwrap();
        assert_eq!(token.len(), TOKEN_LETTERS);
        let cache = TokenCache::new(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>, 10);
        let found = cache.find(&token).await.unwrap().unwrap();
        assert!(found.read && !found.write && found.covers(2) && !found.covers(1));
        assert!(!found.sha256.contains(&token), "only the digest is stored");
        for other in ["", "x", &token[1..], &format!("{token}0"), &"0".repeat(TOKEN_LETTERS)] {
            assert_eq!(cache.find(other).await.unwrap(), None, "{other}");
        }
        assert_eq!(revoke_token(&store, &token).await.unwrap(), 1);
        clock.advance(10);
        assert_eq!(cache.find(&token).await.unwrap(), None);
    }

    #[tokio::test]
    async fn tokens_that_cannot_be_read_anew_open_nothing_after_a_minute() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::at(0));
        let token = add_token(&store, &SeededRandom::new(1), 0, (true, true), None).await.unwrap();
        let cache = TokenCache::new(
            Arc::clone(&store),
            Arc::clone(&clock) as Arc<dyn Clock>,
            SETTINGS_TTL_MS,
        );
        assert!(cache.find(&token).await.unwrap().is_some());
        store.put(&path(), "no list".into()).await.unwrap();
        clock.set(SETTINGS_IN_FORCE_MS - 1);
        assert!(cache.find(&token).await.unwrap().is_some());
        clock.set(SETTINGS_IN_FORCE_MS);
        cache.find(&token).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_token_expires_after_its_last_date() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let last = jiff::civil::date(2026, 3, 10);
        let midnight = last.tomorrow().unwrap().at(0, 0, 0, 0);
        let midnight = midnight.to_zoned_datetime(jiff::tz::TimeZone::UTC).unwrap();
        let midnight_ms = midnight.timestamp().as_millisecond();
        let clock = Arc::new(ManualClock::at(midnight_ms - 1));
        let bounds = Bounds { sites: None, expires: Some(last) };
        let random = SeededRandom::new(1);
        let token = add_token(&store, &random, 0, (true, false), bounds).await.unwrap();
        let cache = TokenCache::new(Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>, 10);
        assert!(cache.find(&token).await.unwrap().is_some());
        clock.advance(1);
        assert_eq!(cache.find(&token).await.unwrap(), None);
    }

    #[tokio::test]
    async fn tokens_of_an_earlier_version_are_read() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let old = serde_json::json!([{
            "sha256": digest("a"), "read": true, "write": false, "sites": [1], "created_ms": 5,
        }]);
        put_json_if(store.as_ref(), &path(), &old, Expected::Absent).await.unwrap();
        let tokens = list_tokens(&store).await.unwrap();
        assert_eq!((tokens[0].expires, tokens[0].covers(1)), (None, true));
    }

    #[test]
    fn a_digest_is_the_sha_256_in_hex() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest("abc"), known);
    }
}
