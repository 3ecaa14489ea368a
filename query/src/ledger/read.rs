//! Reads the figures where each stage left them: date by date, and a date again when one of its
//! objects changed meanwhile, so that all figures are of one moment.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::account::{self, Account, DateAccount, LEDGER, Rejected};
use lake::clock::utc_date;
use lake::layout::{self, Batch, HITS, HOT, PARKED, Parts, REJECTED};
use lake::limits::{QUERY_CONCURRENT_DATES, QUERY_DATE_ATTEMPTS, REJECTED_KEPT_DAYS};
use lake::parquet_file;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use serde::Deserialize;

use super::figures::{Figures, Hours};
use super::{Stores, parked};
use crate::scan::{Footer, ScanError, Scanner};

/// Hot objects and rejected records of a date that are read at a time.
const CONCURRENT_READS: usize = 16;

/// Figures by hour of receipt (whole hours since the Unix epoch), of all dates.
pub(super) async fn hours(
    scanner: &Scanner,
    stores: Stores<'_>,
    site: i32,
    now_ms: i64,
) -> Result<BTreeMap<i64, Figures>, ScanError> {
    let store = stores.own;
    let parts = Parts::read(store.as_ref()).await.unwrap_or_default();
    let mut listed = list(store).await?;
    let mut open: BTreeSet<Date> = listed.keys().copied().collect();
    let mut read: BTreeMap<Date, Hours> = BTreeMap::new();
    for attempt in 1..=QUERY_DATE_ATTEMPTS {
        let reader = Reader { scanner, store, site, now_ms, parts: &parts };
        let mut reads = Vec::new();
        for dt in &open {
            if let Some(objects) = listed.get(dt) {
                reads.push(reader.date(*dt, objects));
            }
        }
        let reads = futures_util::stream::iter(reads).buffered(QUERY_CONCURRENT_DATES);
        let dates: Vec<(Date, Option<Hours>)> = reads.try_collect().await?;
        let now = list(store).await?;
        let known = now.keys().chain(listed.keys()).copied();
        open = known.filter(|dt| now.get(dt) != listed.get(dt)).collect();
        listed = now;
        for (dt, hours) in dates {
            match hours {
                Some(hours) => drop(read.insert(dt, hours)),
                None if attempt == QUERY_DATE_ATTEMPTS => {
                    return Err(ScanError::Replaced(layout::date_prefix(LEDGER, dt)));
                }
                None => drop(open.insert(dt)),
            }
        }
        if open.is_empty() {
            break;
        }
    }
    let mut all = Hours::of(site);
    for hours in read.values() {
        all.add(hours);
    }
    parked::count(store, Some(&Path::from(PARKED)), &mut all).await?;
    if let Some(bucket) = stores.parked {
        parked::count(bucket, None, &mut all).await?;
    }
    Ok(all.by_hour)
}

/// The objects of a date, by zone.
#[derive(Debug, Default, PartialEq)]
struct Objects {
    hot: Vec<ObjectMeta>,
    table: Vec<ObjectMeta>,
    ledger: Vec<ObjectMeta>,
    rejected: Vec<ObjectMeta>,
}

/// All dates. Hot objects first: what is deleted later is held by a table that is listed later.
async fn list(store: &StoreRef) -> Result<BTreeMap<Date, Objects>, ScanError> {
    let mut dates: BTreeMap<Date, Objects> = BTreeMap::new();
    for zone in [HOT, HITS, LEDGER, REJECTED] {
        let path = Path::from(zone);
        let listed: Result<Vec<ObjectMeta>, _> = store.list(Some(&path)).try_collect().await;
        for object in listed.map_err(|error| ScanError::Store(path, error))? {
            let Some(dt) = layout::date_of(&object.location) else { continue };
            let objects = dates.entry(dt).or_default();
            match zone {
                HOT => objects.hot.push(object),
                HITS => objects.table.push(object),
                LEDGER => objects.ledger.push(object),
                _ => objects.rejected.push(object),
            }
        }
    }
    Ok(dates)
}

struct Reader<'a> {
    scanner: &'a Scanner,
    store: &'a StoreRef,
    site: i32,
    now_ms: i64,
    parts: &'a Parts,
}

impl Reader<'_> {
    /// A date's figures; nothing when an object went meanwhile.
    async fn date(&self, dt: Date, objects: &Objects) -> Result<(Date, Option<Hours>), ScanError> {
        match self.try_date(dt, objects).await {
            Ok(hours) => Ok((dt, hours)),
            Err(ScanError::Replaced(_)) => Ok((dt, None)),
            Err(error) => Err(error),
        }
    }

    async fn try_date(&self, dt: Date, objects: &Objects) -> Result<Option<Hours>, ScanError> {
        let mut hours = Hours::of(self.site);
        let parts = self.table(&objects.table, &mut hours).await?;
        let parts = parts.unwrap_or_else(|| self.parts.of(dt));
        let own = layout::table_object(dt, layout::part_of(self.site, parts));
        let own = objects.table.iter().position(|object| object.location == own);
        let own = own.and_then(|at| objects.table.get(at));
        let holds = match own {
            Some(object) => readable(self.scanner.table_footer(object).await)?,
            None => None,
        };
        let accounts = DateAccount::read(self.store, &objects.ledger, self.now_ms).await;
        let ledger = || layout::date_prefix(LEDGER, dt);
        let accounts = accounts.map_err(|error| ScanError::Store(ledger(), error))?;
        let Some(DateAccount { mut folded, .. }) = accounts else { return Ok(None) };
        let is_held = |path: &Path| holds.as_ref().is_some_and(|it| it.holds.contains(path));
        for (path, batch) in self.hot(&objects.hot, is_held, &folded).await? {
            folded.take(account::name(&path), &Account::of_batch(&batch), self.now_ms);
            if !is_held(&path) {
                self.waiting(&batch, &mut hours);
            }
        }
        self.accepted(&folded.account, &mut hours);
        self.rejected(dt, &folded.account, &objects.rejected, &mut hours).await?;
        Ok(Some(hours))
    }

    /// What the merges counted; into how many parts the date is divided.
    async fn table(
        &self,
        table: &[ObjectMeta],
        hours: &mut Hours,
    ) -> Result<Option<u16>, ScanError> {
        let mut parts = None;
        for object in table {
            let Some(footer) = readable(self.scanner.table_footer(object).await)? else { continue };
            let merged = parquet_file::merged(footer.metadata.metadata());
            let Some(merged) = merged.ok().flatten() else { continue };
            for ((site, hour), counted) in &merged.counts {
                if let Some(figures) = hours.at(*site, *hour) {
                    figures.stored += counted.kept;
                    figures.duplicates += counted.duplicates;
                }
            }
            for rows in &merged.erased {
                if let Some(figures) = hours.at(rows.site, account::hour_of(rows.hour_ms)) {
                    figures.erased += rows.rows;
                }
            }
            parts = Some(merged.parts);
        }
        Ok(parts)
    }

    /// The footers of hot objects that wait or have no account.
    async fn hot(
        &self,
        hot: &[ObjectMeta],
        is_held: impl Fn(&Path) -> bool,
        folded: &account::Folded,
    ) -> Result<Vec<(Path, Batch)>, ScanError> {
        let unaccounted: BTreeSet<&Path> = account::unaccounted(hot, folded).into_iter().collect();
        let mut reads = Vec::new();
        for object in hot {
            let path = &object.location;
            let is_batch = layout::batch_of(path).is_some();
            if is_batch && (unaccounted.contains(path) || !is_held(path)) {
                reads.push(self.batch(path.clone()));
            }
        }
        let reads = futures_util::stream::iter(reads).buffered(CONCURRENT_READS);
        let batches: Vec<Option<(Path, Batch)>> = reads.try_collect().await?;
        Ok(batches.into_iter().flatten().collect())
    }

    async fn batch(&self, path: Path) -> Result<Option<(Path, Batch)>, ScanError> {
        let footer = readable(self.scanner.hot_footer(path.clone()).await)?;
        let batch =
            footer.and_then(|it| parquet_file::batch(it.metadata.metadata()).ok().flatten());
        Ok(batch.map(|batch| (path, batch)))
    }

    fn waiting(&self, batch: &Batch, hours: &mut Hours) {
        for rows in &batch.rows {
            if let Some(figures) = hours.at(rows.site, account::hour_of(rows.hour_ms)) {
                figures.waiting += rows.rows;
            }
        }
    }

    /// What append took, but for what it rejected.
    fn accepted(&self, account: &Account, hours: &mut Hours) {
        for ((site, hour), count) in &account.rows.0 {
            if let Some(figures) = hours.at(*site, *hour) {
                figures.accepted += count;
            }
        }
        for ((site, hour), count) in &account.erased.0 {
            if let Some(figures) = hours.at(*site, *hour) {
                figures.accepted += count;
                figures.erased += count;
            }
        }
        for ((site, hour, reason), count) in &account.dropped.0 {
            if let Some(figures) = hours.at_or_any(*site, *hour) {
                *figures.dropped.entry(reason.clone()).or_default() += count;
            }
        }
    }

    /// Records that append could not read, and those of them that lie in `rejected/`, whole.
    async fn rejected(
        &self,
        dt: Date,
        account: &Account,
        listed: &[ObjectMeta],
        hours: &mut Hours,
    ) -> Result<(), ScanError> {
        let there: BTreeMap<&str, &ObjectMeta> =
            listed.iter().map(|object| (account::name(&object.location), object)).collect();
        let is_old = self.is_old(dt);
        for (name, rejected) in account.rejected.iter().filter(|(_, it)| !it.replayed) {
            let object = there.get(name.as_str());
            let is_there = is_old || object.is_some_and(|object| object.size == rejected.bytes);
            count_rejected(rejected, is_there, hours);
        }
        for (name, object) in there {
            if !account.rejected.contains_key(name)
                && let Some(rejected) = self.rejected_object(object).await?
            {
                count_rejected(&rejected, true, hours);
            }
        }
        Ok(())
    }

    /// Whether rejected records of a date have been thrown away, as they are to be.
    fn is_old(&self, dt: Date) -> bool {
        let today = utc_date(self.now_ms);
        // The bucket's own rule may come a day before ours.
        dt <= today.saturating_sub(jiff::Span::new().days(REJECTED_KEPT_DAYS))
    }

    /// A rejected record of which no account was written: its append was killed in between.
    async fn rejected_object(&self, object: &ObjectMeta) -> Result<Option<Rejected>, ScanError> {
        #[derive(Deserialize)]
        struct Stored {
            reason: String,
            received_at: jiff::Timestamp,
        }
        let path = &object.location;
        let read = match self.store.get(path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = read.map_err(|error| ScanError::reading(path, error))?;
        let stored = serde_json::from_slice::<Stored>(&bytes).ok();
        Ok(stored
            .map(|it| Rejected::of(&[], it.received_at.as_millisecond(), &it.reason, object.size)))
    }
}

fn count_rejected(rejected: &Rejected, is_there: bool, hours: &mut Hours) {
    if let Some(figures) = hours.at_or_any(rejected.site, rejected.hour) {
        figures.accepted += 1;
        if is_there {
            *figures.rejected.entry(rejected.reason.clone()).or_default() += 1;
        }
    }
}

/// The footer of an object that can be read; one that was truncated is as good as gone.
fn readable(read: Result<Footer, ScanError>) -> Result<Option<Footer>, ScanError> {
    match read {
        Ok(footer) => Ok(Some(footer)),
        Err(ScanError::File(path, error)) => {
            tracing::error!(%path, "{path} cannot be read and counts as gone: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
