//! Opens one version of an object: its footer, by a read of its end; small objects whole.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lake::limits::{QUERY_FOOTER_BYTES, QUERY_SMALL_OBJECT_BYTES};
use lake::parquet_file;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta};
use parquet::DecodeResult;
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{
    ColumnChunkMask, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataPushDecoder,
    ParquetStatisticsPolicy,
};

use super::error::ScanError;
use super::fetch::fetch;
use super::footers::{Footer, Footers};
use crate::work::Work;

/// Number of the column `site`, the first of every object.
pub(super) const SITE: usize = 0;

/// An opened version of an object.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) path: Path,
    pub(super) e_tag: Option<String>,
    pub(super) footer: Footer,
    /// All its bytes, where it is small.
    pub(super) whole: Option<Bytes>,
    /// Where reads of it are counted.
    pub(super) work: Arc<Work>,
}

/// Opens a listed table object; [`ScanError::Replaced`] when it is no longer what was listed.
pub(super) async fn table(
    store: &StoreRef,
    footers: &Footers,
    listed: &ObjectMeta,
    work: &Arc<Work>,
) -> Result<Opened, ScanError> {
    work.add_object();
    let work = Arc::clone(work);
    let (path, e_tag) = (&listed.location, listed.e_tag.clone());
    if let Some(footer) = e_tag.as_deref().and_then(|e_tag| footers.get(path, e_tag)) {
        return Ok(Opened { path: path.clone(), e_tag, footer, whole: None, work });
    }
    let small = listed.size <= QUERY_SMALL_OBJECT_BYTES;
    let range = (!small)
        .then(|| GetRange::Bounded(listed.size.saturating_sub(QUERY_FOOTER_BYTES)..listed.size));
    let options = GetOptions { range, if_match: e_tag.clone(), ..GetOptions::default() };
    let reading = |error| ScanError::reading(path, error);
    let got = store.get_opts(path, options).await.map_err(reading)?;
    // Where the listing had no ETag, the rest is pinned to that of this read.
    let (e_tag, size) = (got.meta.e_tag.clone().or(e_tag), got.meta.size);
    let bytes = got.bytes().await.map_err(reading)?;
    work.add_bytes(bytes.len());
    let footer = read_footer(store, (path, e_tag.as_deref()), (size, bytes.clone()), &work).await?;
    if let Some(e_tag) = e_tag.as_deref() {
        footers.put(path, e_tag, &footer);
    }
    Ok(Opened { path: path.clone(), e_tag, footer, whole: small.then_some(bytes), work })
}

/// Reads a hot object whole; it is immutable.
pub(super) async fn hot(
    store: &StoreRef,
    path: Path,
    work: &Arc<Work>,
) -> Result<Opened, ScanError> {
    let (path, work) = (&path, Arc::clone(work));
    work.add_object();
    let reading = |error| ScanError::reading(path, error);
    let got = store.get_opts(path, GetOptions::default()).await.map_err(reading)?;
    let bytes = got.bytes().await.map_err(reading)?;
    work.add_bytes(bytes.len());
    let footer =
        read_footer(store, (path, None), (bytes.len() as u64, bytes.clone()), &work).await?;
    Ok(Opened { path: path.clone(), e_tag: None, footer, whole: Some(bytes), work })
}

/// The footer of an object of `size` bytes whose end is `tail`; what it lacks is read.
async fn read_footer(
    store: &StoreRef,
    (path, e_tag): (&Path, Option<&str>),
    (size, tail): (u64, Bytes),
    work: &Work,
) -> Result<Footer, ScanError> {
    let wrong = ScanError::parquet(path);
    let mut decoder = ParquetMetaDataPushDecoder::try_new(size)
        .map_err(&wrong)?
        .with_column_index_mask(ColumnChunkMask::columns([SITE]))
        .with_metadata_options(Some(Arc::new(options())));
    decoder.push_range(size - tail.len() as u64..size, tail).map_err(&wrong)?;
    loop {
        match decoder.try_decode().map_err(&wrong)? {
            DecodeResult::Data(metadata) => return footer(path, metadata),
            DecodeResult::NeedsData(ranges) => {
                let ranges: Vec<Range<u64>> =
                    ranges.into_iter().map(|range| with_page_index(range, size)).collect();
                let bytes = fetch(store, (path, e_tag), &ranges, work).await?;
                decoder.push_ranges(ranges, bytes).map_err(&wrong)?;
            }
            DecodeResult::Finished => {
                let error = parquet::errors::ParquetError::EOF("no footer".to_owned());
                return Err(wrong(error));
            }
        }
    }
}

/// What is to be read of an object of `size` bytes for a range of its end. Where that is the footer,
/// the page index is wanted next, and stands before it.
fn with_page_index(range: Range<u64>, size: u64) -> Range<u64> {
    let is_footer = range.end + FOOTER_SIZE as u64 == size;
    let before = if is_footer { QUERY_FOOTER_BYTES } else { 0 };
    range.start.saturating_sub(before)..range.end
}

/// Rows are found by their site: statistics of other columns need not be decoded, nor kept.
fn options() -> ParquetMetaDataOptions {
    ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::skip_except(&[SITE]))
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
}

fn footer(path: &Path, metadata: ParquetMetaData) -> Result<Footer, ScanError> {
    let wrong = |error| ScanError::File(path.clone(), error);
    let metadata = parquet_file::reader_metadata(Arc::new(metadata)).map_err(wrong)?;
    let holds = parquet_file::holds(metadata.metadata()).map_err(wrong)?;
    let merged = parquet_file::merged(metadata.metadata()).map_err(wrong)?;
    let orders = merged.map(|merged| merged.orders).unwrap_or_default();
    Ok(Footer { metadata, holds: Arc::new(holds), orders: Arc::new(orders) })
}
