//! Orders over rows of a batch, hot or of the table.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use jiff::civil::Date;

use super::{OfSite, Orders};
use crate::hit::Id64;

/// The columns that tell whether an order covers a row.
pub const COLUMNS: [&str; 6] = ["site", "ts", "received_at", "fingerprint", "client_id", "user_id"];

impl Orders {
    /// Which rows of a date's batch stay; none when no order touches the batch.
    ///
    /// # Errors
    ///
    /// When a column of [`COLUMNS`] is of another type, or one that no hit lacks is missing.
    pub fn keep(&self, dt: Date, batch: &RecordBatch) -> Result<Option<BooleanArray>, ArrowError> {
        if self.is_empty() {
            return Ok(None);
        }
        let rows = Rows::of(batch)?;
        let mut site: Option<(i32, Option<&OfSite>)> = None;
        let mut erased = 0_usize;
        let keep: BooleanArray = (0..batch.num_rows())
            .map(|row| {
                let id = rows.site.get(row).copied().unwrap_or_default();
                let of_site = match site {
                    Some((known, of_site)) if known == id => of_site,
                    _ => self.sites.get(&id),
                };
                site = Some((id, of_site));
                let covered = of_site.is_some_and(|of_site| rows.covered(of_site, dt, row));
                erased += usize::from(covered);
                Some(!covered)
            })
            .collect();
        Ok((erased > 0).then_some(keep))
    }

    /// The batch without the rows that are to be erased, and how many those were.
    ///
    /// # Errors
    ///
    /// As [`Orders::keep`].
    pub fn apply(&self, dt: Date, batch: RecordBatch) -> Result<(RecordBatch, usize), ArrowError> {
        let Some(keep) = self.keep(dt, &batch)? else { return Ok((batch, 0)) };
        let kept = filter_record_batch(&batch, &keep)?;
        let erased = batch.num_rows() - kept.num_rows();
        Ok((kept, erased))
    }
}

struct Rows<'a> {
    site: &'a [i32],
    ts: &'a [i64],
    received: &'a [i64],
    fingerprint: &'a StringArray,
    client: Option<&'a StringArray>,
    user: Option<Users<'a>>,
}

/// The users by row, as dictionary or plain.
enum Users<'a> {
    Codes(&'a arrow::array::DictionaryArray<Int32Type>, &'a StringArray),
    Plain(&'a StringArray),
}

impl<'a> Rows<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
        };
        let text = |name: &str| {
            column(name)?
                .as_string_opt::<i32>()
                .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is not text")))
        };
        let times = |name: &str| {
            column(name)?
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(|times| times.values().as_ref())
                .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is not a time")))
        };
        let site = column("site")?
            .as_primitive_opt::<Int32Type>()
            .ok_or_else(|| ArrowError::SchemaError("column site is not a number".to_owned()))?;
        // Whoever reads may leave out columns that are null in the whole object.
        let client = batch.column_by_name("client_id").map(|_| text("client_id")).transpose()?;
        let user = match batch.column_by_name("user_id") {
            None => None,
            Some(users) => Some(match users.as_dictionary_opt::<Int32Type>() {
                Some(codes) => Users::Codes(codes, codes.values().as_string::<i32>()),
                None => Users::Plain(text("user_id")?),
            }),
        };
        Ok(Self {
            site: site.values(),
            ts: times("ts")?,
            received: times("received_at")?,
            fingerprint: text("fingerprint")?,
            client,
            user,
        })
    }

    fn covered(&self, site: &OfSite, dt: Date, row: usize) -> bool {
        if site.covers_date(dt) {
            return true;
        }
        let id = match self.client {
            Some(clients) if clients.is_valid(row) => clients,
            _ => self.fingerprint,
        };
        let at = |times: &[i64]| times.get(row).copied().unwrap_or(i64::MAX);
        // Microseconds, and the bound is exclusive: a part of a millisecond counts as the whole.
        let earliest_ms = at(self.received).min(at(self.ts)).div_euclid(1_000);
        let id = Id64::parse(id.value(row)).map(|id| id.0);
        site.covers_person(id, self.user.as_ref().and_then(|users| users.at(row)), earliest_ms)
    }
}

impl Users<'_> {
    fn at(&self, row: usize) -> Option<&str> {
        let (texts, at) = match self {
            Self::Plain(texts) => (*texts, row),
            Self::Codes(codes, texts) => (*texts, codes.key(row)?),
        };
        texts.is_valid(at).then(|| texts.value(at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::{Int32Array, TimestampMicrosecondArray};
    use jiff::civil::date;

    use super::*;
    use crate::orders::{Order, Whom};

    #[test]
    fn rows_go_as_their_hits_would() {
        let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
            ("site", Arc::new(Int32Array::from(vec![1, 1, 1, 2, 1]))),
            ("ts", times([5_000, 5_000, 5_000, 5_000, 2_000_000])),
            ("received_at", times([5_000, 5_000, 5_000, 5_000, 2_000_000])),
            ("fingerprint", texts(vec![Some("0000000000000007"); 5])),
            (
                "client_id",
                texts(vec![None, Some("0000000000000008"), Some("0000000000000008"), None, None]),
            ),
            ("user_id", texts(vec![None, None, Some("ann"), None, None])),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let whom = Whom::Person {
            ids: BTreeSet::from([Id64(7)]),
            user_ids: BTreeSet::from(["ann".to_owned()]),
        };
        let order = Order { site: 1, whom, before_ms: 1_000, given_ms: 0 };
        let orders = Orders::of([("a".to_owned(), Arc::new(order))]);
        let keep = orders.keep(date(2026, 1, 1), &batch).unwrap().unwrap();
        let keep: Vec<bool> = keep.iter().map(Option::unwrap).collect();
        assert_eq!(keep, [false, true, false, true, true]);
        assert_eq!(orders.apply(date(2026, 1, 1), batch.clone()).unwrap().1, 2);
        assert_eq!(Orders::default().keep(date(2026, 1, 1), &batch).unwrap(), None);
    }

    fn times(us: [i64; 5]) -> arrow::array::ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(us.to_vec()).with_timezone("UTC"))
    }

    fn texts(values: Vec<Option<&str>>) -> arrow::array::ArrayRef {
        Arc::new(StringArray::from(values))
    }
}
