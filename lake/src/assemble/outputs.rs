//! The visit's columns, laid out by row in the order of the table.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;

use crate::columns::{COLUMNS, Column, schema_for_reading};
use crate::hit::Id64;
use crate::visits::{Visit, VisitHit};

/// The table's columns of the visit that are the attributed hit's own.
const ATTRIBUTED: [(&str, &str); 10] = [
    ("channel", "hit_channel"),
    ("source", "hit_source"),
    ("keyword", "hit_keyword"),
    ("referrer_host", "hit_referrer_host"),
    ("referrer_path", "hit_referrer_path"),
    ("campaign", "hit_campaign"),
    ("campaign_source", "hit_campaign_source"),
    ("campaign_medium", "hit_campaign_medium"),
    ("campaign_term", "hit_campaign_term"),
    ("campaign_content", "hit_campaign_content"),
];

/// A visit that begins on one of the site's own pages came by itself (matomo.md 3.4): direct.
const INTERNAL: &str = "internal";

/// One row: where it lies in the input, and whose visit it belongs to.
struct Row {
    raw: u32,
    site: i32,
    visitor: u64,
    start_us: i64,
    visit_id: u64,
    ts_us: i64,
    hit_id: u128,
    visit: Option<u32>,
    is_entry: bool,
    is_exit: bool,
    time_on_page_s: Option<i32>,
}

/// Visits of all sites; their hits named by row numbers of the input.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    visits: Vec<Visit>,
}

impl Rows {
    /// Adds one site: `raw` are its rows of the input, in the order of `hits`.
    pub(super) fn add(
        &mut self,
        site: i32,
        raw: &[u32],
        hits: &[VisitHit],
        visits: Vec<Visit>,
        visit_of: &[Option<u32>],
        time_on_page_s: &[Option<i32>],
    ) {
        let base = u32::try_from(self.visits.len()).unwrap_or(u32::MAX);
        for (index, (&raw, hit)) in raw.iter().zip(hits).enumerate() {
            let number = visit_of.get(index).copied().flatten();
            let visit = number.and_then(|number| visits.get(number as usize));
            self.rows.push(Row {
                raw,
                site,
                visitor: visit
                    .map_or(hit.client_id.unwrap_or(hit.fingerprint), |visit| visit.visitor),
                start_us: visit.map_or(hit.ts_us, |visit| visit.start_us),
                visit_id: visit.map_or(0, |visit| visit.id),
                ts_us: hit.ts_us,
                hit_id: hit.hit_id,
                visit: number.map(|number| base + number),
                is_entry: visit.is_some_and(|visit| visit.first == index),
                is_exit: visit.is_some_and(|visit| visit.last == index),
                time_on_page_s: time_on_page_s.get(index).copied().flatten(),
            });
        }
        let raw_row = |index: usize| raw.get(index).map_or(0, |&row| row as usize);
        self.visits.extend(visits.into_iter().map(|mut visit| {
            visit.attribution = raw_row(visit.attribution);
            visit.entry = visit.entry.map(raw_row);
            visit.exit = visit.exit.map(raw_row);
            visit
        }));
    }

    /// Site, visitor, visit start, visit, time, id.
    pub(super) fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| {
            (row.site, row.visitor, row.start_us, row.visit_id, row.ts_us, row.hit_id)
        });
    }

    /// Row numbers of the input in the order of the table.
    pub(super) fn order(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.rows.iter().map(|row| Some(row.raw))
    }

    /// `sorted` (the input's rows in the order of the table) with the visit's columns filled;
    /// attributed and entry pages are looked up in `raw`.
    pub(super) fn fill(
        &self,
        raw: &RecordBatch,
        sorted: &RecordBatch,
    ) -> Result<RecordBatch, ArrowError> {
        let visit_of: UInt32Array = self.rows.iter().map(|row| row.visit).collect();
        let column = |column: &Column| -> Result<ArrayRef, ArrowError> {
            if !column.of_visit {
                return sorted.column_by_name(column.name).cloned().ok_or_else(|| {
                    ArrowError::SchemaError(format!("column {} is missing", column.name))
                });
            }
            match self.of_row(column.name) {
                Some(array) => Ok(array),
                None => take(&self.of_visit(column, raw)?, &visit_of, None),
            }
        };
        let columns = COLUMNS.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(schema_for_reading(), columns)
    }

    /// Columns that differ between the rows of a visit, or that a row without a visit has too.
    fn of_row(&self, name: &str) -> Option<ArrayRef> {
        let in_visit = |value: fn(&Row) -> bool| -> BooleanArray {
            self.rows.iter().map(|row| row.visit.map(|_| value(row))).collect()
        };
        Some(match name {
            "visitor_id" => {
                let mut ids = StringBuilder::with_capacity(self.rows.len(), self.rows.len() * 16);
                self.rows.iter().for_each(|row| ids.append_value(Id64(row.visitor).to_string()));
                Arc::new(ids.finish())
            }
            "is_entry" => Arc::new(in_visit(|row| row.is_entry)),
            "is_exit" => Arc::new(in_visit(|row| row.is_exit)),
            "time_on_page_s" => {
                Arc::new(self.rows.iter().map(|row| row.time_on_page_s).collect::<Int32Array>())
            }
            _ => return None,
        })
    }

    /// One value a visit, in the order of `self.visits`.
    fn of_visit(&self, column: &Column, raw: &RecordBatch) -> Result<ArrayRef, ArrowError> {
        let ints = |value: fn(&Visit) -> i32| -> ArrayRef {
            Arc::new(self.visits.iter().map(|visit| Some(value(visit))).collect::<Int32Array>())
        };
        Ok(match column.name {
            "visit_id" => Arc::new(
                self.visits
                    .iter()
                    .map(|visit| Some(Id64(visit.id).to_string()))
                    .collect::<StringArray>(),
            ),
            "visit_start" => Arc::new(
                self.visits
                    .iter()
                    .map(|visit| Some(visit.start_us))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            "visit_hits" => ints(|visit| saturated(visit.hits)),
            "visit_pageviews" => ints(|visit| saturated(visit.pageviews)),
            "visit_actions" => ints(|visit| saturated(visit.actions)),
            "visit_duration_s" => ints(|visit| visit.duration_s),
            "is_bounce" => Arc::new(
                self.visits.iter().map(|visit| Some(visit.actions <= 1)).collect::<BooleanArray>(),
            ),
            "visitor_type" => self.texts(column, |visit| {
                Some(if visit.returning { "returning" } else { "new" }.to_owned())
            })?,
            "entry_path" => self.texts(column, |visit| page(raw, visit.entry))?,
            "exit_path" => self.texts(column, |visit| page(raw, visit.exit))?,
            "channel" => self.texts(column, |visit| {
                let own = text(raw, "hit_channel", visit.attribution);
                own.map(|own| if own == INTERNAL { "direct" } else { own }.to_owned())
            })?,
            name => match ATTRIBUTED.iter().find(|(visit, _)| *visit == name) {
                Some((_, hit)) => self.attributed(raw, hit)?,
                None => new_null_array(&column.kind.arrow_for_reading(), self.visits.len()),
            },
        })
    }

    fn texts(
        &self,
        column: &Column,
        value: impl Fn(&Visit) -> Option<String>,
    ) -> Result<ArrayRef, ArrowError> {
        let texts: StringArray = self.visits.iter().map(value).collect();
        cast(&texts, &column.kind.arrow_for_reading())
    }

    fn attributed(&self, raw: &RecordBatch, hit: &str) -> Result<ArrayRef, ArrowError> {
        let row = |visit: &Visit| {
            let internal = text(raw, "hit_channel", visit.attribution) == Some(INTERNAL);
            u32::try_from(visit.attribution).ok().filter(|_| !internal)
        };
        let rows: UInt32Array = self.visits.iter().map(row).collect();
        let own = raw
            .column_by_name(hit)
            .ok_or_else(|| ArrowError::SchemaError(format!("column {hit} is missing")))?;
        take(own, &rows, None)
    }
}

fn saturated(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Path and query of a row: what the page report calls the page.
fn page(raw: &RecordBatch, row: Option<usize>) -> Option<String> {
    let row = row?;
    let path = text(raw, "path", row)?;
    Some(match text(raw, "query", row) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

fn text<'a>(raw: &'a RecordBatch, name: &str, row: usize) -> Option<&'a str> {
    let column = raw.column_by_name(name)?.as_dictionary_opt::<Int32Type>()?;
    let key = column.keys().is_valid(row).then(|| column.keys().value(row))?;
    let values = column.values().as_string_opt::<i32>()?;
    let key = usize::try_from(key).ok()?;
    values.is_valid(key).then(|| values.value(key))
}
