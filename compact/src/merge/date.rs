//! One date: read, assemble, replace; begun again when somebody else replaced it meanwhile.

use std::path::PathBuf;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::assemble::assemble;
use lake::columns::schema_for_reading;
use lake::goals::Goals;
use lake::layout::{self, Holds};
use lake::limits::HOT_KEPT_MS;
use lake::parquet_file;
use lake::store::{Expected, StoreRef};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::{Merge, Merged};

/// How often a date is begun again because its table object was replaced meanwhile.
const MAX_ATTEMPTS: u32 = 8;
/// Hot objects read at a time.
const CONCURRENT_READS: usize = 8;

/// A date's table object as it was read.
#[derive(Debug, Default)]
pub(super) struct Table {
    batches: Vec<RecordBatch>,
    pub(super) holds: Holds,
    etag: Option<String>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Table {
    pub(super) async fn open(store: &StoreRef, path: &Path) -> anyhow::Result<Self> {
        let got = match store.get(path).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("reading {path}")),
        };
        let etag = got.meta.e_tag.clone();
        let bytes = got.bytes().await.with_context(|| format!("reading {path}"))?;
        let (batches, holds) =
            parquet_file::decode(&bytes).with_context(|| format!("decoding {path}"))?;
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Self { batches, holds, etag, rows, bytes: bytes.len() as u64 })
    }

    /// Whether the table has held this hot object for a day, so that no reader can need it.
    pub(super) fn held_long_enough(&self, hot: &Path, now_ms: i64) -> bool {
        let held = self.holds.0.get(&layout::name_hash(hot));
        held.is_some_and(|&at| now_ms - at >= HOT_KEPT_MS)
    }

    fn expected(&self) -> Expected {
        self.etag.clone().map_or(Expected::Absent, Expected::ETag)
    }
}

impl Merge {
    /// Merges what waits for a date; nothing when nothing waits.
    pub(super) async fn merge_date(&self, dt: Date) -> anyhow::Result<Option<Merged>> {
        let path = layout::table_object(dt, 0);
        for attempt in 1..=MAX_ATTEMPTS {
            let hot = self.hot_objects(dt).await?;
            let table = Table::open(&self.store, &path).await?;
            self.delete_held(&table, &hot).await?;
            let waiting: Vec<Path> = hot
                .iter()
                .map(|object| object.location.clone())
                .filter(|hot| !table.holds.contains(hot))
                .collect();
            if waiting.is_empty() {
                return Ok(None);
            }
            let expected = table.expected();
            let holds = self.new_holds(&table.holds, &hot, &waiting);
            let goals = Goals::in_force(&self.store).await.context("reading the goals")?;
            let fresh = self.read_hot(waiting).await?;
            let built = build(table, fresh, holds, goals, self.scratch_file(dt)).await?;
            let put = self.store.put_file(&path, &built.file, expected).await;
            remove_scratch(&built.file).await;
            match put {
                Ok(_) => {
                    tracing::info!(%dt, rows = built.merged.rows, bytes = built.merged.bytes,
                        duplicates = built.merged.duplicates, attempt, "date {dt} merged");
                    return Ok(Some(Merged { dt, ..built.merged }));
                }
                Err(
                    object_store::Error::Precondition { .. }
                    | object_store::Error::AlreadyExists { .. },
                ) => {
                    tracing::info!(%dt, attempt, "table object of {dt} was replaced meanwhile; beginning again");
                }
                Err(error) => return Err(error).with_context(|| format!("replacing {path}")),
            }
        }
        anyhow::bail!(
            "the table object of {dt} was replaced {MAX_ATTEMPTS} times while it was merged; the next run goes on"
        )
    }

    async fn read_hot(&self, waiting: Vec<Path>) -> anyhow::Result<Vec<RecordBatch>> {
        let reads = futures_util::stream::iter(waiting).map(|path| async move {
            let bytes: Bytes = self
                .store
                .get(&path)
                .await
                .with_context(|| format!("reading {path}"))?
                .bytes()
                .await
                .with_context(|| format!("reading {path}"))?;
            Ok::<_, anyhow::Error>(
                parquet_file::decode(&bytes).with_context(|| format!("decoding {path}"))?.0,
            )
        });
        let read: Vec<Vec<RecordBatch>> = reads.buffered(CONCURRENT_READS).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// What the new object holds. An entry goes only after its hot object has been deleted.
    fn new_holds(&self, old: &Holds, hot: &[ObjectMeta], waiting: &[Path]) -> Holds {
        let now_ms = self.clock.now_ms();
        let listed: std::collections::HashSet<u128> =
            hot.iter().map(|object| layout::name_hash(&object.location)).collect();
        let kept = old
            .0
            .iter()
            .filter(|&(hash, &at)| listed.contains(hash) || now_ms - at < HOT_KEPT_MS)
            .map(|(&hash, &at)| (hash, at));
        let added = waiting.iter().map(|path| (layout::name_hash(path), now_ms));
        Holds(kept.chain(added).collect())
    }

    async fn delete_held(&self, table: &Table, hot: &[ObjectMeta]) -> anyhow::Result<()> {
        let now_ms = self.clock.now_ms();
        for object in hot.iter().filter(|object| table.held_long_enough(&object.location, now_ms)) {
            match self.store.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("deleting {}", object.location));
                }
            }
        }
        Ok(())
    }

    fn scratch_file(&self, dt: Date) -> PathBuf {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.scratch.join(format!("hitlake-merge-{dt}-{}-{number}.parquet", std::process::id()))
    }
}

struct Built {
    file: PathBuf,
    merged: Merged,
}

/// Assembles and encodes away from the threads that serve requests.
async fn build(
    table: Table,
    fresh: Vec<RecordBatch>,
    holds: Holds,
    goals: Goals,
    file: PathBuf,
) -> anyhow::Result<Built> {
    tokio::task::spawn_blocking(move || {
        let raw = concat_batches(&schema_for_reading(), table.batches.iter().chain(&fresh))?;
        drop((table, fresh));
        let assembled = assemble(&raw, &goals)?;
        drop(raw);
        let to = std::io::BufWriter::new(
            std::fs::File::create(&file).with_context(|| format!("creating {}", file.display()))?,
        );
        parquet_file::write(to, assembled.rows.schema(), [assembled.rows.clone()], &holds)?;
        let bytes = std::fs::metadata(&file)?.len();
        let merged = Merged {
            dt: Date::default(),
            rows: assembled.rows.num_rows(),
            bytes,
            duplicates: assembled.duplicates,
        };
        Ok(Built { file, merged })
    })
    .await
    .context("the merge's thread ended")?
}

async fn remove_scratch(file: &std::path::Path) {
    if let Err(error) = tokio::fs::remove_file(file).await {
        tracing::warn!("scratch file {} was not removed: {error}", file.display());
    }
}
