//! Reads of byte ranges, all pinned to one version of the object.

use std::ops::Range;

use bytes::Bytes;
use lake::store::StoreRef;
use object_store::path::Path;

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
    let read = store.read_ranges(path, e_tag, ranges).await;
    let (parts, read_bytes) = read.map_err(|error| ScanError::reading(path, error))?;
    work.add_bytes(read_bytes);
    Ok(parts)
}

/// The bytes of each range out of an object's bytes.
pub(super) fn slice(whole: &Bytes, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
    let part = |range: &Range<u64>| {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        (range.end <= whole.len() && range.start <= range.end).then(|| whole.slice(range))
    };
    ranges.iter().map(part).collect()
}
