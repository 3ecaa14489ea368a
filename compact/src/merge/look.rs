//! What a scheduled run finds before it merges anything: which dates are due and for how long, and
//! once an hour whether hits are missing, as far as accounts, hot objects and footers tell.
//!
//! It is looked at first, so that a run that Lambda is about to cut off can say it all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use jiff::civil::Date;
use lake::account::{self, DateAccount, LEDGER, Sums};
use lake::layout::{self, HOUR_MS, part_of};
use lake::limits::{HOT_KEPT_MS, LEDGER_CHECKED_EVERY_MS};
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::errors::ParquetError;

use super::due::Due;
use super::facts::{Facts, is_held};
use super::{Merge, Share};

/// Hours in which each date's turn comes once.
const TURNS: i64 = 24;

/// What there is to be done and to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The dates to be merged.
    pub due: Vec<Due>,
    /// Which of their parts.
    pub share: Share,
    /// Hits that were accepted and are nowhere; nothing when it was not looked at.
    pub unexplained: Option<u64>,
}

impl Found {
    /// How long the oldest due date has been due, milliseconds.
    #[must_use]
    pub fn late_ms(&self) -> i64 {
        self.due.iter().map(|due| due.late_ms).max().unwrap_or(0)
    }
}

/// When this process looked for missing hits last, Unix milliseconds; 0 before the first time.
#[derive(Debug, Default)]
pub(super) struct LastCheck(AtomicI64);

impl Merge {
    /// Looks which dates have parts of this share that are due; the share that keeps the house also
    /// looks for hits that are missing, once an hour.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed.
    pub async fn look(&self, share: Share) -> anyhow::Result<Found> {
        let hot = self.hot_dates().await?;
        let due = self.due_dates(&hot, share).await;
        let now_ms = self.clock.now_ms();
        let last_ms = self.last_check.0.load(Ordering::Relaxed);
        let looked_lately = last_ms != 0 && now_ms - last_ms < LEDGER_CHECKED_EVERY_MS;
        if looked_lately || !share.keeps_house() {
            return Ok(Found { due, share, unexplained: None });
        }
        let unexplained = self.unexplained(&hot, now_ms).await?;
        self.last_check.0.store(now_ms, Ordering::Relaxed);
        Ok(Found { due, share, unexplained: Some(unexplained) })
    }

    /// Hits missing from dates whose accounts changed within a day and from those whose turn it is.
    /// A date that cannot be looked at is said in the log; the others are.
    async fn unexplained(&self, hot: &[Date], now_ms: i64) -> anyhow::Result<u64> {
        let mut dates: BTreeMap<Date, Vec<ObjectMeta>> = BTreeMap::new();
        for object in self.accounts(&Path::from(LEDGER)).await? {
            if let Some(dt) = layout::date_of(&object.location) {
                dates.entry(dt).or_default().push(object);
            }
        }
        dates.retain(|dt, accounts| has_turn(*dt, now_ms) || changed_lately(accounts, now_ms));
        let mut sum = 0;
        for (dt, accounts) in dates {
            match self.missing(dt, &accounts, hot.contains(&dt)).await {
                Ok(0) => {}
                Ok(missing) => {
                    tracing::error!(%dt, missing, "{missing} hits of {dt} were accepted and are nowhere");
                    sum += missing;
                }
                Err(error) => tracing::error!(%dt, "the ledger of {dt} not checked: {error:#}"),
            }
        }
        Ok(sum)
    }

    /// Hits of a date that are missing, looked at anew where there are any: meanwhile the date may
    /// have got hot objects, or a merge may have taken some away.
    async fn missing(
        &self,
        dt: Date,
        accounts: &[ObjectMeta],
        has_hot: bool,
    ) -> anyhow::Result<u64> {
        match self.missing_once(dt, accounts, has_hot).await? {
            0 => Ok(0),
            missing => {
                let accounts = self.accounts(&layout::date_prefix(LEDGER, dt)).await?;
                Ok(missing.min(self.missing_once(dt, &accounts, true).await?))
            }
        }
    }

    /// Accounts first, then hot objects, then the table: what is in the account is in a hot object
    /// that is listed later, or in a table that is read later still.
    async fn missing_once(
        &self,
        dt: Date,
        accounts: &[ObjectMeta],
        has_hot: bool,
    ) -> anyhow::Result<u64> {
        let now_ms = self.clock.now_ms();
        let read = DateAccount::read(&self.store, accounts, now_ms).await;
        let read = read.with_context(|| format!("reading the accounts of {dt}"))?;
        // Somebody folds them at this moment: the next check sees the date.
        let Some(DateAccount { folded, .. }) = read else { return Ok(0) };
        let hot = if has_hot { self.hot_objects(dt).await? } else { Vec::new() };
        let table = match self.table(dt).await {
            Ok(table) => table,
            // What cannot be read is as good as gone.
            Err(error) if error.is::<ParquetError>() => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut found = stored(&table);
        for object in &hot {
            let path = &object.location;
            // One without an account is neither in it nor missed.
            if is_held(&table, path) || !folded.knows(account::name(path)) {
                continue;
            }
            if let Some(own) = self.own_account(path).await? {
                found.add(&waiting(path, own.rows, &table));
            }
        }
        Ok(less(&folded.account.rows, &found))
    }
}

/// What the merges counted.
fn stored(table: &[Arc<Facts>]) -> Sums {
    let mut stored = Sums::default();
    for merged in table.iter().filter_map(|part| part.merged.as_ref()) {
        for (at, counted) in &merged.counts {
            stored.count(*at, counted.kept + counted.duplicates);
        }
        stored.add(&Sums::of(&merged.erased));
    }
    stored
}

/// Those of a hot object's rows that their part of the table does not hold.
fn waiting(path: &Path, mut rows: Sums, table: &[Arc<Facts>]) -> Sums {
    let parts = u16::try_from(table.len()).unwrap_or(1);
    rows.0.retain(|(site, _), _| {
        let part = table.get(usize::from(part_of(*site, parts)));
        part.is_none_or(|part| !part.holds.contains(path))
    });
    rows
}

/// Whether append took something of a date while its hot objects could still be there.
fn changed_lately(accounts: &[ObjectMeta], now_ms: i64) -> bool {
    let age_ms = |object: &ObjectMeta| now_ms - object.last_modified.timestamp_millis();
    accounts.iter().any(|object| age_ms(object) < HOT_KEPT_MS)
}

/// Whether it is the turn of a date: an hour a day.
fn has_turn(dt: Date, now_ms: i64) -> bool {
    i64::from(dt.day_of_year()) % TURNS == now_ms.div_euclid(HOUR_MS).rem_euclid(TURNS)
}

/// By how much what was found falls short of what was accepted, site by site and hour by hour.
fn less(accepted: &Sums, found: &Sums) -> u64 {
    let one = |(at, rows): (_, &u64)| rows.saturating_sub(found.0.get(at).copied().unwrap_or(0));
    accepted.0.iter().map(one).sum()
}
