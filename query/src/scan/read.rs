//! The rows of one date: table and waiting hot objects, by one consistent view.

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::assemble::assemble;
use lake::columns::schema_for_reading;
use lake::goals::Goals;
use lake::layout::{self, Holds};
use lake::parquet_file;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};

/// Objects read at a time.
const CONCURRENT_READS: usize = 8;

/// The rows of a date.
pub(super) struct Rows {
    pub(super) batches: Vec<RecordBatch>,
    /// Whether hits wait to be merged.
    pub(super) waiting: bool,
}

/// Reads a date. The table object is read whole in one GET, so it is one version of it; hot
/// objects stay for a day after the table holds them, so a list made before misses none.
pub(super) async fn date(store: &StoreRef, dt: Date) -> anyhow::Result<Rows> {
    let listed: Vec<_> =
        store.list(Some(&layout::date_prefix(layout::HOT, dt))).try_collect().await?;
    let (table, holds) = get(store, &layout::table_object(dt, 0)).await?.unwrap_or_default();
    let hot: Vec<Path> = listed
        .into_iter()
        .map(|object| object.location)
        .filter(|hot| !holds.contains(hot))
        .collect();
    if hot.is_empty() {
        return Ok(Rows { batches: table, waiting: false });
    }
    let reads = futures_util::stream::iter(hot).map(|path| async move { get(store, &path).await });
    let hot: Vec<_> = reads.buffered(CONCURRENT_READS).try_collect().await?;
    let fresh: Vec<RecordBatch> =
        hot.into_iter().flatten().flat_map(|(batches, _)| batches).collect();
    let goals = Goals::in_force(store).await.context("reading the goals")?;
    let rows = tokio::task::spawn_blocking(move || {
        let raw = concat_batches(&schema_for_reading(), table.iter().chain(&fresh))?;
        anyhow::Ok(assemble(&raw, &goals)?.rows)
    });
    Ok(Rows { batches: vec![rows.await??], waiting: true })
}

async fn get(store: &StoreRef, path: &Path) -> anyhow::Result<Option<(Vec<RecordBatch>, Holds)>> {
    let bytes = match store.get(path).await {
        Ok(got) => got.bytes().await,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => Err(error),
    };
    let bytes = bytes.with_context(|| format!("reading {path}"))?;
    Ok(Some(parquet_file::decode(&bytes).with_context(|| format!("decoding {path}"))?))
}
