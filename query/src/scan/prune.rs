//! Which row groups and which of their pages can hold rows of a site.
//!
//! Rows are sorted by site, so that a site's pages stand together.

use std::ops::Range;

use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

/// Rows of one row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) row_group: usize,
    /// Within the row group.
    pub(super) rows: Range<usize>,
    /// Of the row group.
    pub(super) all_rows: usize,
    /// Number of its first row within the object.
    pub(super) first_row: usize,
    /// All of them belong to the site.
    pub(super) exact: bool,
}

/// The rows of an object that can belong to a site.
pub(super) fn pieces(metadata: &ParquetMetaData, site: i32) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut first_of_group = 0;
    for (row_group, group) in metadata.row_groups().iter().enumerate() {
        let all_rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let columns = group.columns();
        let at = columns.iter().position(|column| column.column_path().parts() == ["site"]);
        let statistics = at.and_then(|at| columns.get(at)).and_then(|column| column.statistics());
        let bounds = bounds(statistics);
        if bounds.is_none_or(|(least, most)| (least..=most).contains(&site)) {
            let exact = bounds == Some((site, site));
            let rows = match at {
                Some(at) if !exact => of_pages(metadata, row_group, at, site, all_rows),
                _ => 0..all_rows,
            };
            if !rows.is_empty() {
                let first_row = first_of_group + rows.start;
                pieces.push(Piece { row_group, rows, all_rows, first_row, exact });
            }
        }
        first_of_group += all_rows;
    }
    pieces
}

fn bounds(statistics: Option<&Statistics>) -> Option<(i32, i32)> {
    match statistics? {
        Statistics::Int32(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}

/// From the first page that can hold the site to the last.
fn of_pages(
    metadata: &ParquetMetaData,
    row_group: usize,
    column: usize,
    site: i32,
    all_rows: usize,
) -> Range<usize> {
    let index = metadata.page_index_for_row_group(row_group);
    let (Some(ColumnIndexMetaData::INT32(values)), Some(offsets)) =
        (index.column_index(column), index.offset_index(column))
    else {
        return 0..all_rows;
    };
    let starts: Vec<usize> = offsets
        .page_locations()
        .iter()
        .map(|page| usize::try_from(page.first_row_index).unwrap_or_default())
        .collect();
    let can_hold = |page: &usize| match (values.min_value(*page), values.max_value(*page)) {
        (Some(least), Some(most)) => (*least..=*most).contains(&site),
        _ => true,
    };
    let mut pages = (0..starts.len()).filter(can_hold);
    let Some(first) = pages.next() else { return 0..0 };
    let last = pages.next_back().unwrap_or(first);
    let start = starts.get(first).copied().unwrap_or_default();
    start..starts.get(last + 1).copied().unwrap_or(all_rows)
}
