//! Orders over rows of a batch, hot or of the table.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use jiff::civil::Date;

use super::{Order, Orders, Whom};
use crate::hit::Id64;

/// The columns that tell whether an order covers a row.
pub const COLUMNS: [&str; 6] = ["site", "ts", "received_at", "fingerprint", "client_id", "user_id"];

impl Orders {
    /// Which rows of a date's batch stay; none when no order touches the batch.
    ///
    /// # Errors
    ///
    /// When a column of [`COLUMNS`] is missing or of another type.
    pub fn keep(&self, dt: Date, batch: &RecordBatch) -> Result<Option<BooleanArray>, ArrowError> {
        let reaching: Vec<&Order> = self
            .0
            .iter()
            .map(|(_, order)| order.as_ref())
            .filter(|order| order.reaches(dt))
            .collect();
        if reaching.is_empty() {
            return Ok(None);
        }
        let rows = Rows::of(batch)?;
        let mut erased = 0_usize;
        let keep: BooleanArray = (0..batch.num_rows())
            .map(|row| {
                let covered = reaching.iter().any(|order| rows.covered(order, row));
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
    client: &'a StringArray,
    user: Users<'a>,
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
        let users = column("user_id")?;
        let user = match users.as_dictionary_opt::<Int32Type>() {
            Some(codes) => Users::Codes(codes, codes.values().as_string::<i32>()),
            None => Users::Plain(text("user_id")?),
        };
        Ok(Self {
            site: site.values(),
            ts: times("ts")?,
            received: times("received_at")?,
            fingerprint: text("fingerprint")?,
            client: text("client_id")?,
            user,
        })
    }

    fn covered(&self, order: &Order, row: usize) -> bool {
        let before_us = order.before_ms.saturating_mul(1_000);
        let happened = |times: &[i64]| times.get(row).is_some_and(|&at| at < before_us);
        if self.site.get(row) != Some(&order.site)
            || !(happened(self.received) || happened(self.ts))
        {
            return false;
        }
        match &order.whom {
            // The date was looked at before: all its rows lie in one partition.
            Whom::Before(_) => true,
            Whom::Person { ids, user_ids } => {
                let id = if self.client.is_valid(row) { self.client } else { self.fingerprint };
                Id64::parse(id.value(row)).is_some_and(|id| ids.contains(&id))
                    || self.user.at(row).is_some_and(|user| user_ids.contains(user))
            }
        }
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
        let orders = Orders::of([("a".to_owned(), Order { site: 1, whom, before_ms: 1_000 })]);
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
