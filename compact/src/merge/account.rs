//! Folds a date's accounts together (`lake::account`): before hot objects of the date go, because
//! one whose append was killed is accounted for by its footer alone.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::account::{self, Account, DateAccount, LEDGER};
use lake::limits::{ACCOUNT_FOLDED_AFTER_MS, HOT_KEPT_MS};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::Merge;
use crate::footer;

/// How often a date is begun again because its accounts changed meanwhile.
const MAX_ATTEMPTS: u32 = 8;

impl Merge {
    /// Folds the accounts of dates that have had an entry for a while.
    pub(super) async fn fold_old_accounts(&self) -> anyhow::Result<()> {
        let now_ms = self.clock.now_ms();
        // One listing of all dates: each has one object for ever, and few have more.
        let old = self.accounts(&Path::from(LEDGER)).await?.into_iter().filter_map(|object| {
            let dt = lake::layout::date_of(&object.location)?;
            let age_ms = now_ms - object.last_modified.timestamp_millis();
            let is_old =
                object.location != account::folded(dt) && age_ms >= ACCOUNT_FOLDED_AFTER_MS;
            is_old.then_some(dt)
        });
        for dt in old.collect::<BTreeSet<Date>>() {
            self.fold_accounts(dt).await?;
        }
        Ok(())
    }

    /// Folds the accounts of a date.
    pub(crate) async fn fold_accounts(&self, dt: Date) -> anyhow::Result<()> {
        for _ in 0..MAX_ATTEMPTS {
            let folded = self.try_fold(dt).await;
            if folded.with_context(|| format!("folding the accounts of {dt}"))? {
                return Ok(());
            }
        }
        anyhow::bail!(
            "the accounts of {dt} changed {MAX_ATTEMPTS} times while they were folded; the next run goes on"
        )
    }

    /// False when something changed meanwhile.
    async fn try_fold(&self, dt: Date) -> anyhow::Result<bool> {
        let now_ms = self.clock.now_ms();
        // Hot objects first: the account of one that is listed may come a moment later.
        let hot = self.hot_objects(dt).await?;
        let listed = self.accounts(&lake::layout::date_prefix(LEDGER, dt)).await?;
        let Some(mut read) = DateAccount::read(&self.store, &listed, now_ms).await? else {
            return Ok(false);
        };
        for path in account::unaccounted(&hot, &read.folded) {
            let Some(account) = self.own_account(path).await? else { continue };
            read.folded.take(account::name(path), &account, now_ms);
        }
        let names = read.entries.iter().chain(hot.iter().map(|object| &object.location));
        read.folded.forget(names.map(account::name), now_ms);
        if !read.fold(&self.store, dt).await? {
            return Ok(false);
        }
        for entry in read.entries {
            let deleted = self.store.delete(&entry).await;
            deleted.with_context(|| format!("deleting {entry}"))?;
        }
        Ok(true)
    }

    pub(super) async fn accounts(&self, prefix: &Path) -> anyhow::Result<Vec<ObjectMeta>> {
        let listed = self.store.list(Some(prefix)).try_collect().await;
        listed.with_context(|| format!("listing {prefix}"))
    }

    /// What a hot object's footer says; nothing where it is gone or broken.
    pub(super) async fn own_account(&self, path: &Path) -> anyhow::Result<Option<Account>> {
        let batch = footer::batch(&self.store, path).await?;
        Ok(batch.map(|batch| Account::of_batch(&batch)))
    }
}

/// The rule that names are remembered by is that of hot objects: see `Folded::forget`.
const _: () = assert!(ACCOUNT_FOLDED_AFTER_MS < HOT_KEPT_MS);
