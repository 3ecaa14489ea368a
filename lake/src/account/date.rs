//! A date's accounts: those folded together, and the entries that are not yet.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use super::{Account, folded, is_folded, name};
use crate::limits::HOT_KEPT_MS;
use crate::store::{Expected, StoreRef, is_conflict};

/// Entries read at a time.
const CONCURRENT_READS: usize = 32;

/// Accounts added up, and whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Folded {
    /// The sums.
    #[serde(flatten)]
    pub account: Account,
    /// When each name was folded, Unix milliseconds, by the hash of the name.
    names: BTreeMap<String, i64>,
}

impl Folded {
    /// Whether the account of this name is among the sums.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names.contains_key(&hash(name))
    }

    /// Adds the account of a name, once.
    pub fn take(&mut self, name: &str, account: &Account, now_ms: i64) {
        if !self.knows(name) {
            self.names.insert(hash(name), now_ms);
            self.account.add(account);
        }
    }

    /// Forgets names folded a day ago that are none of these: nothing of theirs can come again.
    pub fn forget<'a>(&mut self, still: impl Iterator<Item = &'a str>, now_ms: i64) {
        let still: std::collections::HashSet<String> = still.map(hash).collect();
        self.names.retain(|hash, at| now_ms - *at < HOT_KEPT_MS || still.contains(hash));
    }
}

fn hash(name: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(name.as_bytes()))
}

/// A date's accounts as the store has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateAccount {
    /// All of them together.
    pub folded: Folded,
    /// The entries whose accounts are among them.
    pub entries: Vec<Path>,
    /// What the folded object says so far.
    stored: Folded,
    /// What its replacement expects.
    expected: Expected,
}

impl DateAccount {
    /// Reads the accounts of a date out of the listing of its folder below `ledger/`; nothing when
    /// an object of it went meanwhile: list again. One that cannot be read counts as absent.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn read(
        store: &StoreRef,
        listed: &[ObjectMeta],
        now_ms: i64,
    ) -> Result<Option<Self>, Error> {
        let mut read = Self {
            folded: Folded::default(),
            entries: Vec::new(),
            stored: Folded::default(),
            expected: Expected::Absent,
        };
        if let Some(object) = listed.iter().find(|object| is_folded(object)) {
            let Some((folded, e_tag)) = read_one(store, &object.location).await? else {
                return Ok(None);
            };
            read.folded = folded.unwrap_or_default();
            read.stored.clone_from(&read.folded);
            read.expected = Expected::ETag(e_tag);
        }
        let entries = listed.iter().filter(|object| !is_folded(object));
        let mut reads = Vec::new();
        for object in entries {
            if read.folded.knows(name(&object.location)) {
                read.entries.push(object.location.clone());
            } else {
                reads.push(entry(store, object.location.clone()));
            }
        }
        let reads = futures_util::stream::iter(reads).buffered(CONCURRENT_READS);
        let accounts: Vec<Option<(Path, Option<Account>)>> = reads.try_collect().await?;
        for account in accounts {
            let Some((path, account)) = account else { return Ok(None) };
            if let Some(account) = account {
                read.folded.take(name(&path), &account, now_ms);
                read.entries.push(path);
            }
        }
        Ok(Some(read))
    }
}

impl DateAccount {
    /// Replaces the folded object of the date where there is something new; false when somebody
    /// else replaced it meanwhile.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn fold(&self, store: &StoreRef, dt: Date) -> Result<bool, Error> {
        if self.folded == self.stored {
            return Ok(true);
        }
        let bytes = serde_json::to_vec(&self.folded).unwrap_or_default();
        let options = PutOptions::from(PutMode::from(self.expected.clone()));
        match store.put_opts(&folded(dt), bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

async fn entry(store: &StoreRef, path: Path) -> Result<Option<(Path, Option<Account>)>, Error> {
    Ok(read_one(store, &path).await?.map(|(account, _)| (path, account)))
}

/// The object and its `ETag`, nothing when it is gone; no value when it is not what it should be.
async fn read_one<T: serde::de::DeserializeOwned>(
    store: &StoreRef,
    path: &Path,
) -> Result<Option<(Option<T>, String)>, Error> {
    let got = match store.get(path).await {
        Ok(got) => got,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let e_tag = got.meta.e_tag.clone().unwrap_or_default();
    let value = serde_json::from_slice(&got.bytes().await?);
    if let Err(error) = &value {
        tracing::warn!(%path, "{path} is no account and counts as absent: {error}");
    }
    Ok(Some((value.ok(), e_tag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{self, Rejected};

    fn account(rows: u64) -> Account {
        let mut account = Account::default();
        account.rows.count((1, 5), rows);
        account.dropped.count((1, 5), "origin", 1);
        account
    }

    #[test]
    fn a_name_counts_once_and_is_forgotten_when_nothing_of_it_can_come_again() {
        let mut folded = Folded::default();
        folded.take("a", &account(3), 0);
        folded.take("a", &account(3), 1);
        folded.take("b", &account(4), HOT_KEPT_MS);
        assert_eq!(folded.account.rows.0[&(1, 5)], 7);
        let read: Folded = serde_json::from_str(&serde_json::to_string(&folded).unwrap()).unwrap();
        assert_eq!(read, folded);
        folded.forget(["a"].into_iter(), HOT_KEPT_MS);
        assert!(folded.knows("a"), "its entry is there still");
        folded.forget([].into_iter(), HOT_KEPT_MS - 1);
        assert!(folded.knows("a"));
        folded.forget([].into_iter(), HOT_KEPT_MS);
        assert!(!folded.knows("a") && folded.knows("b"));
    }

    #[test]
    fn a_record_rejected_in_two_batches_is_one_and_stays_replayed() {
        let of = |replayed| Account {
            rejected: BTreeMap::from([(
                "x".to_owned(),
                Rejected { replayed, ..Rejected::of(b"{\"site\":7}", 3_600_000, "version", 9) },
            )]),
            ..Account::default()
        };
        let mut sum = of(true);
        sum.add(&of(false));
        assert_eq!(sum, of(true));
        assert_eq!((sum.rejected["x"].site, sum.rejected["x"].hour), (7, 1));
    }

    #[tokio::test]
    async fn entries_and_what_was_folded_are_read_together_and_what_is_broken_is_absent() {
        use futures_util::TryStreamExt as _;
        use object_store::ObjectStore as _;
        let store: StoreRef = std::sync::Arc::new(crate::store::memory::MemoryStore::new());
        let dt = jiff::civil::date(2026, 11, 28);
        let mut folded = Folded::default();
        folded.take("a", &account(1), 0);
        let path = account::folded(dt);
        store.put(&path, serde_json::to_vec(&folded).unwrap().into()).await.unwrap();
        for name in ["a", "b", "b"] {
            account(2).create(store.as_ref(), dt, name).await.unwrap();
        }
        store.put(&account::entry(dt, "broken"), "{".into()).await.unwrap();
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        let read = DateAccount::read(&store, &listed, 0).await.unwrap().unwrap();
        assert_eq!(read.folded.account.rows.0[&(1, 5)], 3);
        assert_eq!(read.entries, [account::entry(dt, "a"), account::entry(dt, "b")]);
        store.delete(&account::entry(dt, "b")).await.unwrap();
        assert_eq!(DateAccount::read(&store, &listed, 0).await.unwrap(), None, "list again");
    }
}
