//! Counts by site and hour of receipt, as short JSON arrays.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::layout::{HOUR_MS, RowsOfHour, SiteHour};

/// The hour of a time in Unix milliseconds: whole hours since the epoch.
#[must_use]
pub const fn hour_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(HOUR_MS)
}

/// Counts by site and hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(i32, i64, u64)>", into = "Vec<(i32, i64, u64)>")]
pub struct Sums(pub BTreeMap<SiteHour, u64>);

/// Counts by site, hour and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(i32, i64, String, u64)>", into = "Vec<(i32, i64, String, u64)>")]
pub struct Reasons(pub BTreeMap<(i32, i64, String), u64>);

impl Sums {
    /// The same counts as footers have them.
    #[must_use]
    pub fn of(rows: &[RowsOfHour]) -> Self {
        let mut sums = Self::default();
        for row in rows {
            sums.count((row.site, hour_of(row.hour_ms)), row.rows);
        }
        sums
    }

    /// Counts.
    pub fn count(&mut self, at: SiteHour, count: u64) {
        *self.0.entry(at).or_default() += count;
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (at, count) in &other.0 {
            self.count(*at, *count);
        }
    }
}

impl Reasons {
    /// Counts.
    pub fn count(&mut self, (site, hour): SiteHour, reason: &str, count: u64) {
        *self.0.entry((site, hour, reason.to_owned())).or_default() += count;
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for ((site, hour, reason), count) in &other.0 {
            self.count((*site, *hour), reason, *count);
        }
    }
}

impl From<Vec<(i32, i64, u64)>> for Sums {
    fn from(entries: Vec<(i32, i64, u64)>) -> Self {
        Self(entries.into_iter().map(|(site, hour, count)| ((site, hour), count)).collect())
    }
}

impl From<Sums> for Vec<(i32, i64, u64)> {
    fn from(sums: Sums) -> Self {
        sums.0.into_iter().map(|((site, hour), count)| (site, hour, count)).collect()
    }
}

impl From<Vec<(i32, i64, String, u64)>> for Reasons {
    fn from(entries: Vec<(i32, i64, String, u64)>) -> Self {
        let entry = |(site, hour, reason, count)| ((site, hour, reason), count);
        Self(entries.into_iter().map(entry).collect())
    }
}

impl From<Reasons> for Vec<(i32, i64, String, u64)> {
    fn from(reasons: Reasons) -> Self {
        let entry = |((site, hour, reason), count)| (site, hour, reason, count);
        reasons.0.into_iter().map(entry).collect()
    }
}
