//! Salts of fingerprints: 32 random bytes a day, week or month, shared by all instances.
//!
//! The salt belongs to the hit's local date. Whoever needs it first creates it; of two at once
//! one wins and the other reads the winner's. It is deleted 8 days after its period ended; hits
//! that an import brings for a date older than that get a salt of their own, under another name,
//! which is deleted 30 days after its last use. So no import can keep a day's own salt alive.
//! A period that got no hit until it was over has none of its own: all its hits get the import's,
//! whenever they come, so that the parts of its log meet the same salt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use jiff::{ToSpan as _, tz};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::clock::{Clock, Random, utc_date};
use crate::limits::{IMPORT_SALT_KEPT_MS, SALT_KEPT_MS, SALT_USE_NOTED_MS};
use crate::site::Identity;
use crate::store::{Expected, StoreRef, is_conflict};

/// The last place on Earth where a date ends does so this long after it ends in UTC.
const LAST_ZONE_MS: i64 = 12 * 3_600_000;
/// Where salts made by imports lie.
const IMPORTS: &str = "import";

/// How long a salt serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Period {
    Day,
    Week,
    Month,
}

impl Period {
    const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    const fn of(identity: Identity) -> Self {
        match identity {
            Identity::Daily | Identity::FirstParty => Self::Day,
            Identity::Weekly => Self::Week,
            Identity::Monthly => Self::Month,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
        }
    }

    /// First date of the period that holds `date`.
    fn first(self, date: Date) -> Date {
        match self {
            Self::Day => date,
            Self::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(since_monday.days()).unwrap_or(date)
            }
            Self::Month => date.first_of_month(),
        }
    }

    /// When the period that begins with `first` has ended everywhere, Unix milliseconds.
    fn end_ms(self, first: Date) -> i64 {
        let span = match self {
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
        };
        let next = first.checked_add(span).unwrap_or(Date::MAX);
        let midnight = next
            .to_zoned_datetime(tz::TimeZone::UTC)
            .map_or(i64::MAX / 2, |midnight| midnight.timestamp().as_millisecond());
        midnight.saturating_add(LAST_ZONE_MS)
    }
}

/// Which salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    period: Period,
    first: Date,
    of_import: bool,
}

impl Key {
    fn new(identity: Identity, date: Date, now_ms: i64) -> Self {
        let period = Period::of(identity);
        let first = period.first(date);
        let of_import = now_ms >= period.end_ms(first).saturating_add(SALT_KEPT_MS);
        Self { period, first, of_import }
    }

    /// The salt of imports for the same period.
    const fn of_import(self) -> Self {
        Self { of_import: true, ..self }
    }

    /// Whether nobody makes the salt any more, where there is none.
    fn is_over(self, now_ms: i64) -> bool {
        now_ms >= self.period.end_ms(self.first)
    }

    fn path(self) -> Path {
        let imports = if self.of_import { "import/" } else { "" };
        Path::from(format!("salts/{imports}{}/{}", self.period.name(), self.first))
    }

    fn parse(path: &Path) -> Option<Self> {
        let mut parts = path.as_ref().strip_prefix("salts/")?.split('/').peekable();
        let of_import = parts.next_if_eq(&IMPORTS).is_some();
        let name = parts.next()?;
        let period = Period::ALL.into_iter().find(|period| period.name() == name)?;
        let first = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { period, first, of_import })
    }

    /// Whether the salt is to go, given when its object was last written.
    fn is_expired(self, written_ms: i64, now_ms: i64) -> bool {
        let from = if self.of_import {
            written_ms.saturating_add(IMPORT_SALT_KEPT_MS)
        } else {
            self.period.end_ms(self.first).saturating_add(SALT_KEPT_MS)
        };
        now_ms >= from
    }
}

/// Salts that this process has seen.
#[derive(Debug)]
pub struct Salts {
    store: StoreRef,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    /// Each with the time at which its use was last noted.
    known: Mutex<HashMap<Key, (i64, [u8; 32])>>,
}

impl Salts {
    /// None seen yet.
    #[must_use]
    pub fn new(store: StoreRef, random: Arc<dyn Random>, clock: Arc<dyn Clock>) -> Self {
        Self { store, random, clock, known: Mutex::default() }
    }

    /// The salt for hits of a local date.
    ///
    /// # Errors
    ///
    /// When the store fails, or holds something else than 32 bytes there.
    pub async fn get(&self, identity: Identity, date: Date) -> Result<[u8; 32], Error> {
        let now_ms = self.clock.now_ms();
        let key = Key::new(identity, date, now_ms);
        if key.of_import || !key.is_over(now_ms) {
            return self.of(key, now_ms).await;
        }
        let imported = self.lock().contains_key(&key.of_import());
        let own = if imported { None } else { self.known_or_read(key, now_ms).await? };
        match own {
            Some(salt) => Ok(salt),
            None => self.of(key.of_import(), now_ms).await,
        }
    }

    /// The salt of a key, created where there is none.
    async fn of(&self, key: Key, now_ms: i64) -> Result<[u8; 32], Error> {
        let known = self.lock().get(&key).copied();
        if let Some((noted_ms, salt)) = known
            && (!key.of_import || now_ms.saturating_sub(noted_ms) < SALT_USE_NOTED_MS)
        {
            return Ok(salt);
        }
        let salt = match (self.read_or_create(key, now_ms).await, known) {
            (Ok(salt), _) | (Err(_), Some((_, salt))) => salt,
            (Err(error), None) => return Err(error),
        };
        self.remember(key, salt, now_ms);
        Ok(salt)
    }

    /// A period's own salt, if there is one.
    async fn known_or_read(&self, key: Key, now_ms: i64) -> Result<Option<[u8; 32]>, Error> {
        let known = self.lock().get(&key).copied();
        if let Some((_, salt)) = known {
            return Ok(Some(salt));
        }
        let salt = match self.store.get(&key.path()).await {
            Ok(got) => salt_in(&got.bytes().await?)?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.remember(key, salt, now_ms);
        Ok(Some(salt))
    }

    fn remember(&self, key: Key, salt: [u8; 32], now_ms: i64) {
        let mut known = self.lock();
        known.retain(|key, (noted_ms, _)| !key.is_expired(*noted_ms, now_ms));
        known.insert(key, (now_ms, salt));
    }

    /// Reads the salt that the first hit most probably needs, so that it finds it, and a connection
    /// to the store beside. Where that fails the hit says so.
    pub async fn warm_up(&self) {
        let today = utc_date(self.clock.now_ms());
        let _later = self.get(Identity::Daily, today).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (i64, [u8; 32])>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_or_create(&self, key: Key, now_ms: i64) -> Result<[u8; 32], Error> {
        let path = key.path();
        let got = match self.store.get(&path).await {
            Err(Error::NotFound { .. }) => {
                let mut salt = [0; 32];
                self.random.fill(&mut salt);
                match self.put(&path, salt, PutMode::Create).await {
                    Ok(()) => return Ok(salt),
                    // Somebody else was first, or our own first attempt whose answer was lost.
                    Err(Error::AlreadyExists { .. }) => self.store.get(&path).await?,
                    Err(error) => return Err(error),
                }
            }
            got => got?,
        };
        let (written_ms, e_tag) =
            (got.meta.last_modified.timestamp_millis(), got.meta.e_tag.clone());
        let salt = salt_in(&got.bytes().await?)?;
        if key.of_import && now_ms.saturating_sub(written_ms) >= SALT_USE_NOTED_MS {
            self.note_use(&path, salt, e_tag).await?;
        }
        Ok(salt)
    }

    /// Writes the salt anew, so that its time says when it was last used.
    async fn note_use(
        &self,
        path: &Path,
        salt: [u8; 32],
        e_tag: Option<String>,
    ) -> Result<(), Error> {
        let expected = Expected::ETag(e_tag.unwrap_or_default());
        match self.put(path, salt, expected.into()).await {
            // Somebody else noted it meanwhile, or it was deleted: then the next use makes another.
            Err(error) if is_conflict(&error) || matches!(error, Error::NotFound { .. }) => Ok(()),
            done => done,
        }
    }

    async fn put(&self, path: &Path, salt: [u8; 32], mode: PutMode) -> Result<(), Error> {
        let options = PutOptions { mode, ..PutOptions::default() };
        self.store.put_opts(path, PutPayload::from(salt.to_vec()), options).await.map(|_| ())
    }
}

fn salt_in(bytes: &[u8]) -> Result<[u8; 32], Error> {
    <[u8; 32]>::try_from(bytes)
        .map_err(|source| Error::Generic { store: "salts", source: Box::new(source) })
}

/// Which of the listed objects below `salts/` are to be deleted now. What is no salt stays.
#[must_use]
pub fn expired_salts(listed: &[ObjectMeta], now_ms: i64) -> Vec<Path> {
    let expired = |object: &&ObjectMeta| {
        Key::parse(&object.location)
            .is_some_and(|key| key.is_expired(object.last_modified.timestamp_millis(), now_ms))
    };
    listed.iter().filter(expired).map(|object| object.location.clone()).collect()
}

/// Deletes the salts that are due, and says how many; for the merge's schedule.
///
/// # Errors
///
/// When the store fails; what was deleted stays deleted.
pub async fn delete_expired_salts(store: &StoreRef, now_ms: i64) -> Result<usize, Error> {
    let listed: Vec<ObjectMeta> = store.list(Some(&Path::from("salts"))).try_collect().await?;
    let expired = expired_salts(&listed, now_ms);
    for path in &expired {
        store.delete(path).await?;
    }
    Ok(expired.len())
}

#[cfg(test)]
mod tests;
