//! Rules out row groups by their dictionaries: where no entry is a text that every counted row must
//! have, nothing more of the row group is decoded.

use std::ops::Range;

use arrow::array::AsArray as _;
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use crate::plan::Plan;

/// Bytes of an object, as far as they were read.
pub(super) struct Fetched<'a> {
    pub(super) ranges: &'a [Range<u64>],
    pub(super) bytes: &'a [Bytes],
}

/// Whether no row of the row group can count.
pub(super) fn rules_out(
    plan: &Plan,
    metadata: &ParquetMetaData,
    row_group: usize,
    fetched: &Fetched<'_>,
) -> bool {
    let mut ruled_out = false;
    plan.each_required(&mut |column, test| {
        ruled_out |= !ruled_out
            && !test(None)
            && no_entry(metadata, (row_group, column), fetched, test).unwrap_or_default();
    });
    ruled_out
}

/// Whether no entry of a column's dictionary meets the test; none when there may be other values.
fn no_entry(
    metadata: &ParquetMetaData,
    (row_group, column): (usize, &str),
    fetched: &Fetched<'_>,
    test: &dyn Fn(Option<&str>) -> bool,
) -> Option<bool> {
    let columns = metadata.row_groups().get(row_group)?.columns();
    let at = columns.iter().position(|it| it.column_path().parts() == [column])?;
    let encodings = columns.get(at)?.page_encoding_stats_mask()?;
    if ![Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY]
        .iter()
        .any(|it| encodings.is_only(*it))
    {
        return None;
    }
    // What is wrong with the bytes shows when they are decoded.
    let read = ParquetMetaDataReader::read_column_dictionary(fetched, metadata, row_group, at);
    let entries = read.ok()??;
    let mut texts = entries.as_binary_opt::<i32>()?.iter().flatten();
    Some(!texts.any(|text| std::str::from_utf8(text).map_or(true, |text| test(Some(text)))))
}

impl Length for Fetched<'_> {
    fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.end).max().unwrap_or_default()
    }
}

impl ChunkReader for Fetched<'_> {
    type T = std::io::Empty;

    fn get_read(&self, _start: u64) -> Result<Self::T> {
        Err(ParquetError::General("only ranges are read".to_owned()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let of_range = |(range, bytes): (&Range<u64>, &Bytes)| {
            let from = usize::try_from(start.checked_sub(range.start)?).ok()?;
            let to = from.checked_add(length).filter(|to| *to <= bytes.len())?;
            Some(bytes.slice(from..to))
        };
        let found = self.ranges.iter().zip(self.bytes).find_map(of_range);
        found.ok_or_else(|| ParquetError::EOF("bytes that were not read".to_owned()))
    }
}
