//! Where objects lie, and what a table object says it holds.
//!
//! `hot/dt=D/<shard>-<first>-<last>.parquet` are immutable batches of one shard;
//! `hits/dt=D/part-NNN.parquet` is the table. Hive style, so that every reader finds its way.

mod merged;
mod parts;

use std::collections::BTreeMap;

use jiff::civil::Date;
use object_store::path::Path;

pub use merged::{Counted, MergedFooter, SiteHour};
pub use parts::{PARTS_PATH, Parts, PartsError, PartsFrom};

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// Prefix of the table.
pub const HITS: &str = "hits";
/// Prefix of what append wrote and the merge has not taken in yet.
pub const HOT: &str = "hot";
/// Prefix of records that could not be read.
pub const REJECTED: &str = "rejected";
/// Prefix of batches that append could not take.
pub const PARKED: &str = "parked";
/// Footer key of a table object: what its merges counted, as [`MergedFooter`].
pub const MERGED_KEY: &str = "hitlake.merged";
/// Version of the rules that fill the visit columns. A table object of another version is worked
/// out anew as a whole by the next merge, so it changes with every change of the visit rules.
pub const RULES_VERSION: &str = "1";
/// Footer key of a table object: the hot objects that it holds, as [`Holds`].
pub const HOLDS_KEY: &str = "hitlake.holds";
/// Footer key of a hot object: the batch that it came from, as [`Batch`].
pub const BATCH_KEY: &str = "hitlake.batch";
/// Footer key of every object: the version of the columns.
pub const VERSION_KEY: &str = "hitlake.version";
/// Version of the columns that this program writes.
pub const VERSION: &str = "1";

/// The folder of one date below [`HITS`] or [`HOT`].
#[must_use]
pub fn date_prefix(zone: &str, dt: Date) -> Path {
    Path::from(format!("{zone}/dt={dt}"))
}

/// The object of one batch of one shard, for one date.
#[must_use]
pub fn hot_object(dt: Date, shard: &str, first: &str, last: &str) -> Path {
    Path::from(format!("{HOT}/dt={dt}/{shard}-{first}-{last}.parquet"))
}

/// The table object of a date.
#[must_use]
pub fn table_object(dt: Date, part: u16) -> Path {
    Path::from(format!("{HITS}/dt={dt}/part-{part:03}.parquet"))
}

/// The part of a date that has this site's rows, of `parts`. A site's date is never split.
#[must_use]
pub fn part_of(site: i32, parts: u16) -> u16 {
    let hash = xxhash_rust::xxh3::xxh3_64(&site.to_be_bytes());
    u16::try_from(hash % u64::from(parts.max(1))).unwrap_or_default()
}

/// The object of one record that could not be read.
#[must_use]
pub fn rejected_object(dt: Date, shard: &str, sequence: &str) -> Path {
    Path::from(format!("{REJECTED}/dt={dt}/{shard}-{sequence}.json"))
}

/// The object of a batch that cannot succeed.
#[must_use]
pub fn parked_object(shard: &str, first: &str, last: &str) -> Path {
    Path::from(format!("{PARKED}/{shard}-{first}-{last}.json"))
}

/// The batch in a parked object, as the JSON of the event: as `hitlake` writes it, or out of the
/// invocation record of Lambda's failure destination, whose `payload` is the event as text.
#[must_use]
pub fn parked_event(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    #[derive(serde::Deserialize)]
    struct Invocation {
        payload: String,
    }
    match serde_json::from_slice::<Invocation>(bytes) {
        Ok(invocation) => invocation.payload.into_bytes().into(),
        Err(_) => bytes.into(),
    }
}

/// The date in a path such as `hot/dt=2026-11-24/x.parquet`.
#[must_use]
pub fn date_of(path: &Path) -> Option<Date> {
    path.parts().find_map(|part| part.as_ref().strip_prefix("dt=")?.parse().ok())
}

/// Shard and sequence numbers in the name of a hot object.
#[must_use]
pub fn batch_of(path: &Path) -> Option<(&str, &str, &str)> {
    let name = path.filename()?.strip_suffix(".parquet")?;
    let (rest, last) = name.rsplit_once('-')?;
    let (shard, first) = rest.rsplit_once('-')?;
    Some((shard, first, last))
}

/// The hot objects that a table object holds: 128-bit hash of the name, and when it was first
/// held, Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds(pub BTreeMap<u128, i64>);

impl Holds {
    /// Reads the footer's value.
    ///
    /// # Errors
    ///
    /// When it is not what [`Holds::to_footer`] writes.
    pub fn from_footer(text: &str) -> Result<Self, serde_json::Error> {
        let named: BTreeMap<String, i64> = serde_json::from_str(text)?;
        let parse = |(name, at): (String, i64)| {
            let hash = u128::from_str_radix(&name, 16).map_err(serde::de::Error::custom)?;
            Ok((hash, at))
        };
        named.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The footer's value: a JSON object of hash to time.
    #[must_use]
    pub fn to_footer(&self) -> String {
        let named: BTreeMap<String, i64> =
            self.0.iter().map(|(hash, at)| (format!("{hash:032x}"), *at)).collect();
        serde_json::to_string(&named).unwrap_or_default()
    }

    /// Whether the table object holds this hot object.
    #[must_use]
    pub fn contains(&self, hot: &Path) -> bool {
        self.0.contains_key(&name_hash(hot))
    }
}

/// What append counted while it took a batch from the stream: the first figures of the ledger.
///
/// A batch with hits of several dates makes several hot objects. `received` and `rejected` are the
/// whole batch's and stand in each of them: count them once per shard, first and last sequence
/// number of the name ([`batch_of`]). `rows` and `erased` are the object's own. A batch of which
/// nothing could be read makes no hot object; its records lie in `rejected/` alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Batch {
    /// Records that the stream delivered.
    pub received: u64,
    /// Of these, kept in `rejected/`, by reason.
    #[serde(default)]
    pub rejected: BTreeMap<String, u64>,
    /// Rows of this object by site and hour of receipt.
    #[serde(default)]
    pub rows: Vec<RowsOfHour>,
    /// Hits of the object's date that were not stored because an order of erasure covers them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<RowsOfHour>,
    /// The bot lists that marked the rows, with their versions.
    #[serde(default)]
    pub bots: String,
}

/// Rows that ingest received for one site within one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RowsOfHour {
    /// The site.
    pub site: i32,
    /// Start of the hour of receipt, Unix milliseconds.
    pub hour_ms: i64,
    /// Rows.
    pub rows: u64,
}

/// The start of the hour of a time, both Unix milliseconds.
#[must_use]
pub const fn hour_start_ms(time_ms: i64) -> i64 {
    time_ms.div_euclid(HOUR_MS) * HOUR_MS
}

impl RowsOfHour {
    /// Adds rows to the entry of a site and of the hour of `received_ms`.
    pub fn add(list: &mut Vec<Self>, site: i32, received_ms: i64, rows: u64) {
        let hour_ms = hour_start_ms(received_ms);
        match list.iter_mut().find(|entry| (entry.site, entry.hour_ms) == (site, hour_ms)) {
            Some(entry) => entry.rows += rows,
            None => list.push(Self { site, hour_ms, rows }),
        }
    }
}

impl Batch {
    /// Reads the footer's value.
    ///
    /// # Errors
    ///
    /// When it is not what [`Batch::to_footer`] writes.
    pub fn from_footer(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The footer's value: a JSON object.
    #[must_use]
    pub fn to_footer(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The hash of a hot object's name within its date.
#[must_use]
pub fn name_hash(hot: &Path) -> u128 {
    xxhash_rust::xxh3::xxh3_128(hot.filename().unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let dt = jiff::civil::date(2026, 11, 24);
        let path = hot_object(dt, "shardId-000000000001", "5", "49590338271490256608");
        assert_eq!(date_of(&path), Some(dt));
        assert_eq!(batch_of(&path), Some(("shardId-000000000001", "5", "49590338271490256608")));
    }

    #[test]
    fn a_batch_reads_back() {
        let batch = Batch {
            received: 3,
            rejected: BTreeMap::from([("unreadable".to_owned(), 1)]),
            rows: vec![RowsOfHour { site: 1, hour_ms: 3_600_000, rows: 2 }],
            erased: vec![RowsOfHour { site: 1, hour_ms: 0, rows: 1 }],
            bots: "isbot 1".to_owned(),
        };
        assert_eq!(Batch::from_footer(&batch.to_footer()).unwrap(), batch);
        assert!(Batch::from_footer("[]").is_err());
    }

    #[test]
    fn holds_read_back() {
        let mut holds = Holds::default();
        holds.0.insert(7, 1_000);
        holds.0.insert(u128::MAX, 2_000);
        assert_eq!(Holds::from_footer(&holds.to_footer()).unwrap(), holds);
        assert!(Holds::from_footer("{\"x\":1}").is_err());
    }
}
