//! The account of what append took from the stream, apart from the objects that hold it: so that
//! an object which goes missing is missed.
//!
//! Append writes one entry a hot object, `ledger/dt=D/<shard>-<first>-<last>.json`, after the
//! object itself; the merge folds a date's entries into `ledger/dt=D/folded.json`, which remembers
//! whose they were until nothing by that name can come again. A hot object without an entry (its
//! append was killed in between) counts by its own footer. docs/decisions/ledger.md says why.
//! Knows nothing of hits, visits or the table.

mod date;
mod sums;

use std::collections::BTreeMap;

use jiff::civil::Date;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

pub use date::{DateAccount, Folded};
pub use sums::{Reasons, Sums, hour_of};

use crate::layout::{self, Batch};
use crate::store::Store;

/// Prefix of accounts.
pub const LEDGER: &str = "ledger";
/// The name, within its date, of what the merge folded together.
const FOLDED: &str = "folded.json";

/// What append took from the stream, under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Rows of the hot object of this name.
    pub rows: Sums,
    /// Hits that an order kept append from writing.
    pub erased: Sums,
    /// Hits that ingest dropped.
    pub dropped: Reasons,
    /// Records in `rejected/dt=D/`, D being the account's date, by their names there.
    pub rejected: BTreeMap<String, Rejected>,
}

/// A record that could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its site, as far as it can be read; 0 where it cannot.
    pub site: i32,
    /// Hour of its arrival, whole hours since the Unix epoch.
    pub hour: i64,
    /// Why it was rejected.
    pub reason: String,
    /// Bytes of its object.
    pub bytes: u64,
    /// It went through append after all, and its object was removed.
    #[serde(default)]
    pub replayed: bool,
}

impl Rejected {
    /// A record of these bytes that arrived then (Unix milliseconds).
    #[must_use]
    pub fn of(record: &[u8], arrived_ms: i64, reason: &str, bytes: u64) -> Self {
        #[derive(Deserialize)]
        struct OfSite {
            site: i32,
        }
        let site = serde_json::from_slice::<OfSite>(record).map_or(0, |record| record.site);
        let reason = reason.to_owned();
        Self { site: site.max(0), hour: hour_of(arrived_ms), reason, bytes, replayed: false }
    }
}

impl Account {
    /// What a hot object's own footer says of it.
    #[must_use]
    pub fn of_batch(batch: &Batch) -> Self {
        Self { rows: Sums::of(&batch.rows), erased: Sums::of(&batch.erased), ..Self::default() }
    }

    /// Adds another account.
    pub fn add(&mut self, other: &Self) {
        self.rows.add(&other.rows);
        self.erased.add(&other.erased);
        self.dropped.add(&other.dropped);
        for (name, rejected) in &other.rejected {
            let known = self.rejected.entry(name.clone()).or_insert_with(|| rejected.clone());
            // Whatever came first: once replayed, always replayed.
            known.replayed |= rejected.replayed;
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Writes it as the entry of `name`, which must not exist yet; where it does, an earlier
    /// attempt at the same wrote the same.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn create(
        &self,
        store: &dyn Store,
        dt: Date,
        name: &str,
    ) -> Result<(), object_store::Error> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match store.put_opts(&entry(dt, name), bytes.into(), options).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The entry of a hot object or rejected record of this name.
#[must_use]
pub fn entry(dt: Date, name: &str) -> Path {
    Path::from(format!("{LEDGER}/dt={dt}/{name}.json"))
}

/// What the merge folded together of a date.
#[must_use]
pub fn folded(dt: Date) -> Path {
    Path::from(format!("{LEDGER}/dt={dt}/{FOLDED}"))
}

/// The name by which an object is accounted for: that of its file, without the extension.
#[must_use]
pub fn name(path: &Path) -> &str {
    let file = path.filename().unwrap_or_default();
    file.rsplit_once('.').map_or(file, |(name, _)| name)
}

fn is_folded(object: &ObjectMeta) -> bool {
    object.location.filename() == Some(FOLDED)
}

/// The hot objects among these whose account only their footer has.
#[must_use]
pub fn unaccounted<'a>(hot: &'a [ObjectMeta], folded: &Folded) -> Vec<&'a Path> {
    let hot = hot.iter().map(|object| &object.location);
    hot.filter(|path| layout::batch_of(path).is_some() && !folded.knows(name(path))).collect()
}
