//! Which dates are due (DESIGN section 2): the oldest waiting hit has waited 15 minutes; on large
//! dates the waiting hits reach a quarter of the table's, or the oldest has waited an hour.

use anyhow::Context as _;
use jiff::civil::Date;
use lake::layout;
use lake::limits::{LARGE_DATE_ROWS, MERGE_AFTER_MS, MERGE_LARGE_AFTER_MS, MERGE_LARGE_SHARE};
use object_store::ObjectMeta;

use super::Merge;
use super::date::Table;

impl Merge {
    pub(super) async fn due_dates(&self) -> anyhow::Result<Vec<Date>> {
        let mut due = Vec::new();
        for dt in self.hot_dates().await? {
            if self.is_due(dt).await.with_context(|| format!("looking whether {dt} is due"))? {
                due.push(dt);
            }
        }
        Ok(due)
    }

    async fn is_due(&self, dt: Date) -> anyhow::Result<bool> {
        let hot = self.hot_objects(dt).await?;
        let table = Table::open(&self.store, &layout::table_object(dt, 0)).await?;
        let waiting: Vec<&ObjectMeta> =
            hot.iter().filter(|object| !table.holds.contains(&object.location)).collect();
        let expired =
            hot.iter().any(|object| table.held_long_enough(&object.location, self.clock.now_ms()));
        let Some(oldest) =
            waiting.iter().map(|object| object.last_modified.timestamp_millis()).min()
        else {
            return Ok(expired);
        };
        let waited_ms = self.clock.now_ms() - oldest;
        if table.rows <= LARGE_DATE_ROWS {
            return Ok(waited_ms >= MERGE_AFTER_MS);
        }
        // Bytes stand for rows: a hot row is larger than a merged one, so this errs towards early.
        let waiting_bytes: u64 = waiting.iter().map(|object| object.size).sum();
        Ok(waited_ms >= MERGE_LARGE_AFTER_MS
            || waiting_bytes.saturating_mul(MERGE_LARGE_SHARE) >= table.bytes)
    }
}
