//! How the dates stand: what their table objects have, and what waits to be merged.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::layout;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::Merge;
use super::facts::is_held;

/// One date as `status` shows it.
#[derive(Debug, Clone, Default)]
pub struct DateStatus {
    /// The date.
    pub dt: Date,
    /// Bytes of its table objects.
    pub table_bytes: u64,
    /// When one of them was last replaced, Unix milliseconds.
    pub merged_ms: Option<i64>,
    /// Hot objects that wait to be merged.
    pub waiting_objects: usize,
    /// Their bytes.
    pub waiting_bytes: u64,
}

impl Merge {
    /// How every date stands that has objects, in the order of time.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed, or the footer of a table object not be read.
    pub async fn statuses(&self) -> anyhow::Result<Vec<DateStatus>> {
        let mut dates: BTreeMap<Date, DateStatus> = BTreeMap::new();
        let listed = self.store.list(Some(&Path::from(layout::HITS))).try_collect().await;
        let listed: Vec<ObjectMeta> = listed.context("listing the table")?;
        for object in listed {
            let Some(dt) = layout::date_of(&object.location) else { continue };
            let date = dates.entry(dt).or_default();
            date.table_bytes += object.size;
            date.merged_ms = date.merged_ms.max(Some(object.last_modified.timestamp_millis()));
        }
        for dt in self.hot_dates().await? {
            let table = self.table(dt).await?;
            let mut hot = self.hot_objects(dt).await?;
            hot.retain(|object| !is_held(&table, &object.location));
            let date = dates.entry(dt).or_default();
            date.waiting_objects = hot.len();
            date.waiting_bytes = hot.iter().map(|object| object.size).sum();
        }
        Ok(dates.into_iter().map(|(dt, date)| DateStatus { dt, ..date }).collect())
    }

    /// Whether the store holds no hit at all.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed.
    pub async fn is_empty(&self) -> anyhow::Result<bool> {
        for zone in [layout::HITS, layout::HOT] {
            let mut objects = self.store.list(Some(&Path::from(zone)));
            let first = objects.try_next().await;
            if first.with_context(|| format!("listing {zone}/"))?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::civil::date;
    use lake::clock::ManualClock;
    use lake::store::StoreRef;
    use lake::store::folder::FolderStore;
    use object_store::ObjectStoreExt as _;

    use super::*;

    #[tokio::test]
    async fn a_folder_whose_objects_are_gone_holds_no_hit() {
        let folder = tempfile::tempdir().unwrap();
        let store: StoreRef = Arc::new(FolderStore::open(&folder.path().join("store")).unwrap());
        let clock = Arc::new(ManualClock::at(0));
        let merge = Merge::new(Arc::clone(&store), clock, folder.path().join("scratch"));
        assert!(merge.is_empty().await.unwrap());
        let hot = layout::hot_object(date(2026, 3, 10), "shardId-000000000000", "1", "1");
        store.put(&hot, "some hits".into()).await.unwrap();
        assert!(!merge.is_empty().await.unwrap());
        store.delete(&hot).await.unwrap();
        assert!(merge.is_empty().await.unwrap());
    }
}
