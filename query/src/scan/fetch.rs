//! Reads of byte ranges, close ones together, all pinned to one version of the object.

use std::ops::Range;

use bytes::Bytes;
use lake::limits::QUERY_COALESCE_BYTES;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, coalesce_ranges};

use super::error::ScanError;
use crate::work::Work;

/// The bytes of each range; [`ScanError::Replaced`] when the object has another ETag by now. What is
/// read between close ranges counts as work, too.
pub(super) async fn fetch(
    store: &StoreRef,
    (path, e_tag): (&Path, Option<&str>),
    ranges: &[Range<u64>],
    work: &Work,
) -> Result<Vec<Bytes>, ScanError> {
    let read = |range: Range<u64>| async move {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: e_tag.map(str::to_owned),
            ..GetOptions::default()
        };
        let got = store.get_opts(path, options).await;
        let bytes = match got {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        }
        .map_err(|error| ScanError::reading(path, error))?;
        work.add_bytes(bytes.len());
        Ok(bytes)
    };
    coalesce_ranges(ranges, read, QUERY_COALESCE_BYTES).await
}

/// The bytes of each range out of an object's bytes.
pub(super) fn slice(whole: &Bytes, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
    let part = |range: &Range<u64>| {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        (range.end <= whole.len() && range.start <= range.end).then(|| whole.slice(range))
    };
    ranges.iter().map(part).collect()
}
