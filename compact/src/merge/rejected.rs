//! `rejected/` is kept for 30 days: long enough to mend a program and replay.

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::clock::utc_date;
use lake::layout;
use lake::limits::REJECTED_KEPT_DAYS;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::Merge;

impl Merge {
    /// Deletes rejected records that are older, by the date of their arrival.
    pub(super) async fn delete_old_rejected(&self) -> anyhow::Result<()> {
        let today = utc_date(self.clock.now_ms());
        let oldest = today.saturating_sub(jiff::Span::new().days(REJECTED_KEPT_DAYS));
        for dt in self.rejected_dates().await?.into_iter().filter(|dt| *dt < oldest) {
            let prefix = layout::date_prefix(layout::REJECTED, dt);
            let mut objects = self.store.list(Some(&prefix));
            while let Some(object) =
                objects.try_next().await.with_context(|| format!("listing {prefix}"))?
            {
                let deleted = self.store.delete(&object.location).await;
                deleted.with_context(|| format!("deleting {}", object.location))?;
            }
            tracing::info!(%dt, "rejected records of {dt} deleted after {REJECTED_KEPT_DAYS} days");
        }
        Ok(())
    }

    async fn rejected_dates(&self) -> anyhow::Result<Vec<Date>> {
        let listed = self.store.list_with_delimiter(Some(&Path::from(layout::REJECTED))).await;
        let folders = listed.context("listing the dates of rejected records")?.common_prefixes;
        Ok(folders.iter().filter_map(layout::date_of).collect())
    }
}
