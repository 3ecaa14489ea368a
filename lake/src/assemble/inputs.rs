//! The columns that the visit rules need, read out of a batch.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, PrimitiveArray,
    RecordBatch, StringArray,
};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use crate::hit::{HitId, Id64, Kind};
use crate::visits::{Source, VisitHit};

/// The columns, by row number.
pub(super) struct Inputs {
    sites: Int32Array,
    times: PrimitiveArray<TimestampMicrosecondType>,
    received: PrimitiveArray<TimestampMicrosecondType>,
    ids: Vec<u128>,
    derived: BooleanArray,
    positions: Int32Array,
    kinds: Codes<Kind>,
    fingerprints: StringArray,
    clients: StringArray,
    forced: BooleanArray,
    users: ArrayRef,
    bots: ArrayRef,
    new_visit: BooleanArray,
    cuts: BooleanArray,
    goals_by_hand: Int32Array,
    orders: Codes<u64>,
    sources: Sources,
    merged: ArrayRef,
}

impl Inputs {
    pub(super) fn read(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let ids = text_column(batch, "hit_id")?;
        let ids: Result<Vec<u128>, ArrowError> = (0..ids.len())
            .map(|row| Ok(required(HitId::parse(ids.value(row)), "hit_id", row)?.0))
            .collect();
        let hash = |text: &str| xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        Ok(Self {
            sites: ints(batch, "site")?,
            times: times(batch, "ts")?,
            received: times(batch, "received_at")?,
            ids: ids?,
            derived: bools(batch, "is_derived")?,
            positions: ints(batch, "position")?,
            kinds: Codes::read(batch, "kind", |name| Kind::parse(name).unwrap_or_default())?,
            fingerprints: text_column(batch, "fingerprint")?,
            clients: text_column(batch, "client_id")?,
            forced: bools(batch, "client_id_forced")?,
            users: column(batch, "user_id")?,
            bots: column(batch, "bot_reason")?,
            new_visit: bools(batch, "new_visit")?,
            cuts: bools(batch, "referrer_cuts")?,
            goals_by_hand: ints(batch, "goal_id")?,
            orders: Codes::read(batch, "order_id", hash)?,
            sources: Sources::read(batch)?,
            merged: column(batch, "goals")?,
        })
    }

    pub(super) fn hit(&self, row: u32) -> Result<VisitHit, ArrowError> {
        let at = row as usize;
        let fingerprint = required(self.fingerprint(row), "fingerprint", at)?;
        Ok(VisitHit {
            ts_us: self.ts(row),
            received_us: self.received(row),
            hit_id: self.id(row),
            position: self.position(row),
            kind: self.kind(row),
            fingerprint,
            client_id: optional_id(&self.clients, at),
            client_id_forced: is_true(&self.forced, at),
            is_user: self.users.is_valid(at),
            is_bot: self.bots.is_valid(at),
            new_visit: is_true(&self.new_visit, at),
            referrer_cuts: is_true(&self.cuts, at),
            source: self.sources.value(at),
            goal: int(&self.goals_by_hand, at),
            order: self.orders.value(at),
            goals: 0,
        })
    }

    /// Order within one time; see [`VisitHit::order`].
    pub(super) fn order(&self, row: u32) -> (i64, i64, u32, u128) {
        let hit = VisitHit {
            ts_us: self.ts(row),
            received_us: self.received(row),
            hit_id: self.id(row),
            position: self.position(row),
            ..VisitHit::default()
        };
        hit.order()
    }

    pub(super) fn site(&self, row: u32) -> i32 {
        int(&self.sites, row as usize).unwrap_or_default()
    }

    pub(super) fn ts(&self, row: u32) -> i64 {
        self.times.values().get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn received(&self, row: u32) -> i64 {
        self.received.values().get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn id(&self, row: u32) -> u128 {
        self.ids.get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn kind(&self, row: u32) -> Kind {
        self.kinds.value(row as usize).unwrap_or_default()
    }

    pub(super) fn fingerprint(&self, row: u32) -> Option<u64> {
        optional_id(&self.fingerprints, row as usize)
    }

    pub(super) fn is_derived(&self, row: u32) -> bool {
        is_true(&self.derived, row as usize)
    }

    /// Whether the row has met the goals.
    pub(super) fn is_merged(&self, row: u32) -> bool {
        self.merged.is_valid(row as usize)
    }

    /// Rows that an earlier merge derived.
    pub(super) fn derived(&self) -> usize {
        self.derived.true_count()
    }

    fn position(&self, row: u32) -> Option<u32> {
        int(&self.positions, row as usize).and_then(|position| u32::try_from(position).ok())
    }
}

/// A dictionary column, each of its values looked at once.
pub(super) struct Codes<T> {
    keys: DictionaryArray<Int32Type>,
    values: Vec<T>,
}

impl<T: Copy> Codes<T> {
    pub(super) fn read(
        batch: &RecordBatch,
        name: &str,
        of: impl Fn(&str) -> T,
    ) -> Result<Self, ArrowError> {
        let keys = dictionary(batch, name)?;
        let texts = keys.values().as_string_opt::<i32>().ok_or_else(|| not_a(name, "text"))?;
        let values = texts.iter().map(|text| of(text.unwrap_or_default())).collect();
        Ok(Self { keys, values })
    }

    pub(super) fn value(&self, row: usize) -> Option<T> {
        self.values.get(self.keys.key(row)?).copied()
    }
}

struct Sources {
    channels: Codes<Channel>,
    sources: Codes<u64>,
    campaigns: Codes<u64>,
    keywords: Codes<u64>,
}

/// What a channel is to the rules, where no campaign is named.
#[derive(Clone, Copy, Default)]
enum Channel {
    #[default]
    Direct,
    Website,
    Other,
}

impl Sources {
    fn read(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let hash = |text: &str| xxhash_rust::xxh3::xxh3_64(text.to_lowercase().as_bytes());
        Ok(Self {
            channels: Codes::read(batch, "hit_channel", |name| match name {
                "direct" | "internal" => Channel::Direct,
                // Matomo knows neither assistants nor mail: to it they are websites.
                "website" | "ai" | "email" => Channel::Website,
                _ => Channel::Other,
            })?,
            sources: Codes::read(batch, "hit_source", hash)?,
            campaigns: Codes::read(batch, "hit_campaign", hash)?,
            keywords: Codes::read(batch, "hit_keyword", hash)?,
        })
    }

    fn value(&self, row: usize) -> Source {
        if let Some(name) = self.campaigns.value(row) {
            let keyword = self.keywords.value(row).unwrap_or_default();
            return Source::Campaign(name.rotate_left(1) ^ keyword);
        }
        match self.channels.value(row).unwrap_or_default() {
            Channel::Direct => Source::Direct,
            Channel::Website => Source::Website(self.sources.value(row).unwrap_or_default()),
            Channel::Other => Source::Other,
        }
    }
}

pub(super) fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, ArrowError> {
    batch
        .column_by_name(name)
        .cloned()
        .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
}

pub(super) fn dictionary(
    batch: &RecordBatch,
    name: &str,
) -> Result<DictionaryArray<Int32Type>, ArrowError> {
    let found = column(batch, name)?;
    found.as_dictionary_opt::<Int32Type>().cloned().ok_or_else(|| not_a(name, "a dictionary"))
}

pub(super) fn ints(batch: &RecordBatch, name: &str) -> Result<Int32Array, ArrowError> {
    let found = column(batch, name)?;
    found.as_primitive_opt().cloned().ok_or_else(|| not_a(name, "a whole number"))
}

pub(super) fn text_column(batch: &RecordBatch, name: &str) -> Result<StringArray, ArrowError> {
    let found = column(batch, name)?;
    found.as_string_opt::<i32>().cloned().ok_or_else(|| not_a(name, "text"))
}

pub(super) fn int(column: &Int32Array, row: usize) -> Option<i32> {
    column.is_valid(row).then(|| column.values().get(row).copied()).flatten()
}

fn times(
    batch: &RecordBatch,
    name: &str,
) -> Result<PrimitiveArray<TimestampMicrosecondType>, ArrowError> {
    let found = column(batch, name)?;
    found.as_primitive_opt().cloned().ok_or_else(|| not_a(name, "a time"))
}

fn bools(batch: &RecordBatch, name: &str) -> Result<BooleanArray, ArrowError> {
    let found = column(batch, name)?;
    found.as_boolean_opt().cloned().ok_or_else(|| not_a(name, "yes or no"))
}

fn not_a(name: &str, kind: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {name} is not {kind}"))
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
