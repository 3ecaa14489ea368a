//! The columns that the visit rules need, read out of a batch once.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use crate::hit::{HitId, Id64, Kind};
use crate::visits::{Source, VisitHit};

/// One vector a column, by row number.
pub(super) struct Inputs {
    sites: Vec<i32>,
    received: Vec<i64>,
    hits: Vec<VisitHit>,
}

impl Inputs {
    pub(super) fn read(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let sites = batch_column(batch, "site")?.as_primitive::<Int32Type>().values().to_vec();
        let times =
            batch_column(batch, "ts")?.as_primitive::<TimestampMicrosecondType>().values().to_vec();
        let received = batch_column(batch, "received_at")?
            .as_primitive::<TimestampMicrosecondType>()
            .values()
            .to_vec();
        let ids = text_column(batch, "hit_id")?;
        let fingerprints = text_column(batch, "fingerprint")?;
        let clients = text_column(batch, "client_id")?;
        let forced = batch_column(batch, "client_id_forced")?.as_boolean().clone();
        let new_visit = batch_column(batch, "new_visit")?.as_boolean().clone();
        let users = batch_column(batch, "user_id")?;
        let kinds = Codes::read(batch, "kind", |name| Kind::parse(name).unwrap_or_default())?;
        let sources = Sources::read(batch)?;
        let mut hits = Vec::with_capacity(sites.len());
        for (row, ts_us) in times.into_iter().enumerate() {
            hits.push(VisitHit {
                ts_us,
                hit_id: required(HitId::parse(ids.value(row)), "hit_id", row)?.0,
                kind: kinds.value(row).unwrap_or_default(),
                fingerprint: required(Id64::parse(fingerprints.value(row)), "fingerprint", row)?.0,
                client_id: optional_id(&clients, row),
                client_id_forced: is_true(&forced, row),
                is_user: users.is_valid(row),
                new_visit: is_true(&new_visit, row),
                source: sources.value(row),
            });
        }
        Ok(Self { sites, received, hits })
    }

    pub(super) fn site(&self, row: u32) -> i32 {
        self.sites.get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn received(&self, row: u32) -> i64 {
        self.received.get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn hit(&self, row: u32) -> VisitHit {
        self.hits.get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn ts(&self, row: u32) -> i64 {
        self.hit(row).ts_us
    }

    pub(super) fn id(&self, row: u32) -> u128 {
        self.hit(row).hit_id
    }
}

/// A dictionary column, each of its values looked at once.
struct Codes<T> {
    keys: ArrayRef,
    values: Vec<T>,
}

impl<T: Copy> Codes<T> {
    fn read(batch: &RecordBatch, name: &str, of: impl Fn(&str) -> T) -> Result<Self, ArrowError> {
        let keys = batch_column(batch, name)?;
        let DataType::Dictionary(_, _) = keys.data_type() else {
            return Err(ArrowError::SchemaError(format!("column {name} is not a dictionary")));
        };
        let texts = keys.as_dictionary::<Int32Type>().values().as_string::<i32>();
        let values = texts.iter().map(|text| of(text.unwrap_or_default())).collect();
        Ok(Self { keys, values })
    }

    fn value(&self, row: usize) -> Option<T> {
        let keys = self.keys.as_dictionary::<Int32Type>();
        let key = keys.keys().is_valid(row).then(|| keys.keys().value(row))?;
        self.values.get(usize::try_from(key).ok()?).copied()
    }
}

struct Sources {
    channels: Codes<bool>,
    campaigns: Codes<u64>,
    keywords: Codes<u64>,
}

impl Sources {
    fn read(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let hash = |text: &str| xxhash_rust::xxh3::xxh3_64(text.to_lowercase().as_bytes());
        Ok(Self {
            channels: Codes::read(batch, "hit_channel", |name| {
                !matches!(name, "direct" | "internal")
            })?,
            campaigns: Codes::read(batch, "hit_campaign", hash)?,
            keywords: Codes::read(batch, "hit_keyword", hash)?,
        })
    }

    fn value(&self, row: usize) -> Source {
        let keyword = self.keywords.value(row).unwrap_or_default();
        match self.campaigns.value(row) {
            Some(name) => Source::Campaign(name.rotate_left(1) ^ keyword),
            None if self.channels.value(row).unwrap_or_default() => Source::Referred,
            None => Source::Direct,
        }
    }
}

fn batch_column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .cloned()
        .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
}

fn text_column(batch: &RecordBatch, name: &str) -> Result<StringArray, ArrowError> {
    let column = batch_column(batch, name)?;
    column.as_string_opt::<i32>().cloned().ok_or_else(|| {
        ArrowError::SchemaError(format!("column {name} is {}, not text", column.data_type()))
    })
}

fn required<T>(value: Option<T>, name: &str, row: usize) -> Result<T, ArrowError> {
    value.ok_or_else(|| ArrowError::ParseError(format!("row {row} has no readable {name}")))
}

fn optional_id(column: &StringArray, row: usize) -> Option<u64> {
    column.is_valid(row).then(|| Id64::parse(column.value(row)))?.map(|id| id.0)
}

fn is_true(column: &BooleanArray, row: usize) -> bool {
    column.is_valid(row) && column.value(row)
}
