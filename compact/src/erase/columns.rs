//! Some columns of some sites' rows of an object, of one version of it, row group by row group.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use bytes::Bytes;
use lake::parquet_file::reader_metadata;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{Error, ObjectMeta};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;

use crate::merge::facts;

/// How often an object is begun again because it was replaced meanwhile.
const MAX_ATTEMPTS: u32 = 8;

/// Gives the batches of these columns to `take`, in their order, of every row group that can have
/// one of the sites. `take` may see an object again from its beginning when it was replaced.
/// Where there is no object there are no rows.
pub(super) async fn each(
    store: &StoreRef,
    path: &Path,
    (columns, sites): (&[&str], &BTreeSet<i32>),
    mut take: impl FnMut(Step<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for _ in 0..MAX_ATTEMPTS {
        let Some((meta, metadata)) = facts::open(store, path).await? else { return Ok(()) };
        take(Step::Begin)?;
        if read(store, &meta, metadata, (columns, sites), &mut take).await? {
            return Ok(());
        }
    }
    anyhow::bail!("{path} was replaced {MAX_ATTEMPTS} times while it was read")
}

/// What `take` is given.
pub(super) enum Step<'a> {
    /// The object's rows begin.
    Begin,
    /// Some of them.
    Rows(&'a RecordBatch),
}

/// False when the object was replaced meanwhile.
async fn read(
    store: &StoreRef,
    meta: &ObjectMeta,
    metadata: ParquetMetaData,
    (columns, sites): (&[&str], &BTreeSet<i32>),
    take: &mut impl FnMut(Step<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let path = &meta.location;
    let decoding = || format!("decoding {path}");
    let metadata = reader_metadata(Arc::new(metadata)).with_context(decoding)?;
    let schema = metadata.metadata().file_metadata().schema_descr_ptr();
    let named = schema.columns().iter().enumerate();
    let leaves: Vec<usize> = named
        .filter(|(_, column)| columns.contains(&column.name()))
        .map(|(leaf, _)| leaf)
        .collect();
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        if !can_have(group, sites) {
            continue;
        }
        let chunks = leaves.iter().filter_map(|leaf| group.columns().get(*leaf));
        let ranges: Vec<Range<u64>> = chunks
            .map(|chunk| chunk.byte_range())
            .map(|(start, length)| start..start + length)
            .collect();
        let Some(bytes) = fetch(store, meta, &ranges).await? else { return Ok(false) };
        let starts = ranges.iter().map(|range| range.start);
        let chunks = Chunks { chunks: starts.zip(bytes).collect(), length: meta.size };
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone())
            .with_row_groups(vec![number])
            .with_projection(ProjectionMask::leaves(&schema, leaves.iter().copied()))
            .build()
            .with_context(decoding)?;
        for batch in reader {
            take(Step::Rows(&batch.with_context(decoding)?))?;
        }
    }
    Ok(true)
}

fn can_have(group: &RowGroupMetaData, sites: &BTreeSet<i32>) -> bool {
    let column = group.columns().iter().find(|column| column.column_path().string() == "site");
    match column.and_then(|column| column.statistics()) {
        Some(Statistics::Int32(values)) => match (values.min_opt(), values.max_opt()) {
            (Some(least), Some(most)) => sites.range(*least..=*most).next().is_some(),
            _ => true,
        },
        _ => true,
    }
}

/// The bytes of each range; nothing when the object was replaced.
async fn fetch(
    store: &StoreRef,
    meta: &ObjectMeta,
    ranges: &[Range<u64>],
) -> anyhow::Result<Option<Vec<Bytes>>> {
    match store.read_ranges(&meta.location, meta.e_tag.as_deref(), ranges).await {
        Ok((parts, _)) => Ok(Some(parts)),
        Err(Error::Precondition { .. } | Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", meta.location)),
    }
}

/// The columns of one row group: where each begins in the object, and its bytes.
struct Chunks {
    chunks: Vec<(u64, Bytes)>,
    length: u64,
}

impl Chunks {
    /// What is known from some place on.
    fn from(&self, start: u64) -> parquet::errors::Result<Bytes> {
        let found = self.chunks.iter().find_map(|(first, bytes)| {
            let at = usize::try_from(start.checked_sub(*first)?).ok()?;
            (at < bytes.len()).then(|| bytes.slice(at..))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("byte {start} was not read")))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Chunks {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.from(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} were not read")));
        }
        Ok(bytes.slice(..length))
    }
}
