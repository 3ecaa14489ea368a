//! The few columns that say which rows repeat others and which may belong together.

use anyhow::Context as _;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use lake::hit::{HitId, Id64};

use super::source::Columns;

/// What is read of each row before it is read whole.
pub(super) const NARROW: Columns =
    Columns::Named(&["site", "hit_id", "received_at", "fingerprint", "client_id", DERIVED]);
/// The same, and what tells whether an order of erasure covers the row.
pub(super) const NARROW_AND_ORDERS: Columns = Columns::Named(&[
    "site",
    "ts",
    "hit_id",
    "received_at",
    "fingerprint",
    "client_id",
    "user_id",
    DERIVED,
]);
/// The column that marks rows which the merge itself added: no hits, so they are not counted.
const DERIVED: &str = "is_derived";

/// Rows whose columns have names.
pub(super) trait Named {
    /// The column with a name, where there is one.
    fn named(&self, name: &str) -> Option<&ArrayRef>;
}

impl Named for RecordBatch {
    fn named(&self, name: &str) -> Option<&ArrayRef> {
        self.column_by_name(name)
    }
}

/// The narrow columns of a batch.
pub(super) struct Narrow<'a> {
    sites: &'a [i32],
    received: &'a [i64],
    ids: &'a StringArray,
    fingerprints: &'a StringArray,
    clients: Option<&'a StringArray>,
    derived: Option<&'a BooleanArray>,
}

/// One row of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct NarrowRow {
    pub(super) site: i32,
    pub(super) received_us: i64,
    pub(super) id: u128,
    pub(super) fingerprint: u64,
    pub(super) client: Option<u64>,
    pub(super) is_derived: bool,
}

impl<'a> Narrow<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> anyhow::Result<Self> {
        let clients = batch.column_by_name("client_id");
        Ok(Self {
            sites: sites(batch)?,
            received: received(batch)?,
            ids: texts(batch, "hit_id")?,
            fingerprints: texts(batch, "fingerprint")?,
            clients: clients.map(|_| texts(batch, "client_id")).transpose()?,
            derived: derived(batch),
        })
    }

    pub(super) fn row(&self, row: usize) -> anyhow::Result<NarrowRow> {
        let client = self.clients.filter(|clients| clients.is_valid(row));
        Ok(NarrowRow {
            site: self.sites.get(row).copied().unwrap_or_default(),
            received_us: self.received.get(row).copied().unwrap_or_default(),
            id: HitId::parse(self.ids.value(row)).context("a row has no readable hit_id")?.0,
            fingerprint: Id64::parse(self.fingerprints.value(row))
                .context("a row has no readable fingerprint")?
                .0,
            client: client.and_then(|clients| Id64::parse(clients.value(row))).map(|id| id.0),
            is_derived: is_true(self.derived, row),
        })
    }
}

/// The column of rows that are no hits, where there is one.
pub(super) fn derived(batch: &impl Named) -> Option<&BooleanArray> {
    batch.named(DERIVED)?.as_boolean_opt()
}

/// Whether a row has the value true.
pub(super) fn is_true(column: Option<&BooleanArray>, row: usize) -> bool {
    column.is_some_and(|column| column.is_valid(row) && column.value(row))
}

/// The column `site`.
pub(super) fn sites(batch: &impl Named) -> anyhow::Result<&[i32]> {
    let column = batch.named("site").context("column site is missing")?;
    let column = column.as_primitive_opt::<Int32Type>().context("column site is no number")?;
    Ok(column.values())
}

/// The column `received_at`, microseconds.
pub(super) fn received(batch: &impl Named) -> anyhow::Result<&[i64]> {
    times(batch, "received_at").map(|times| times.values().as_ref())
}

/// A column of times.
pub(super) fn times<'a>(
    batch: &'a impl Named,
    name: &str,
) -> anyhow::Result<&'a arrow::array::TimestampMicrosecondArray> {
    let column = batch.named(name).with_context(|| format!("column {name} is missing"))?;
    let column = column.as_primitive_opt::<TimestampMicrosecondType>();
    column.with_context(|| format!("column {name} is no time"))
}

/// A column of text without a dictionary.
pub(super) fn texts<'a>(batch: &'a impl Named, name: &str) -> anyhow::Result<&'a StringArray> {
    let column = batch.named(name).with_context(|| format!("column {name} is missing"))?;
    column.as_string_opt::<i32>().with_context(|| format!("column {name} is no text"))
}
