//! What the merges of a table object counted, by site and hour of receipt: carried in its footer,
//! so that the account of every hit survives re-merging. Bounded by sites times hours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::RowsOfHour;

/// Microseconds of an hour.
const HOUR_US: i64 = 3_600_000_000;

/// A site and an hour of receipt (whole hours since the Unix epoch).
pub type SiteHour = (i32, i64);

/// What was counted for one site and hour of receipt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Rows read from hot objects, by all merges together.
    pub read: u64,
    /// Rows that the table object has.
    pub kept: u64,
    /// Rows dropped as copies of another row, by all merges together.
    pub duplicates: u64,
}

/// The footer's value under [`super::MERGED_KEY`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Footer", into = "Footer")]
pub struct MergedFooter {
    /// Version of the rules by which the visit columns were filled.
    pub rules: String,
    /// Parts of the date, this one included.
    pub parts: u16,
    /// Rows of all hot objects that were ever read.
    pub hot_rows: u64,
    /// Bytes of all hot objects that were ever read.
    pub hot_bytes: u64,
    /// By site and hour of receipt. In sum read = kept + duplicates + erased.
    pub counts: BTreeMap<SiteHour, Counted>,
    /// Rows that orders of erasure took out, by all merges together; those that append left out
    /// ([`super::Batch::erased`]) are not among them.
    pub erased: Vec<RowsOfHour>,
    /// Orders of erasure that are not final yet and that the object has applied.
    pub orders: BTreeSet<String>,
    /// The lists that marked the rows as bots' (their version); empty where that is not known.
    pub bots: String,
    /// Sites of which rows have met no goals yet, because their settings could not be read.
    pub unmet: BTreeSet<i32>,
}

/// The same as JSON: one short array an entry.
#[derive(Serialize, Deserialize)]
struct Footer {
    rules: String,
    parts: u16,
    hot_rows: u64,
    hot_bytes: u64,
    counts: Vec<(i32, i64, u64, u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    erased: Vec<RowsOfHour>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    orders: BTreeSet<String>,
    #[serde(default)]
    bots: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    unmet: BTreeSet<i32>,
}

impl From<Footer> for MergedFooter {
    fn from(footer: Footer) -> Self {
        let Footer { rules, parts, hot_rows, hot_bytes, counts, erased, orders, bots, unmet } =
            footer;
        let counts = counts.into_iter().map(|(site, hour, read, kept, duplicates)| {
            ((site, hour), Counted { read, kept, duplicates })
        });
        let counts = counts.collect();
        Self { rules, parts, hot_rows, hot_bytes, counts, erased, orders, bots, unmet }
    }
}

impl From<MergedFooter> for Footer {
    fn from(merged: MergedFooter) -> Self {
        let MergedFooter { rules, parts, hot_rows, hot_bytes, counts, erased, orders, bots, unmet } =
            merged;
        let counts =
            counts.into_iter().map(|((site, hour), Counted { read, kept, duplicates })| {
                (site, hour, read, kept, duplicates)
            });
        let counts = counts.collect();
        Self { rules, parts, hot_rows, hot_bytes, counts, erased, orders, bots, unmet }
    }
}

impl MergedFooter {
    /// Reads the footer's value.
    ///
    /// # Errors
    ///
    /// When it is not what [`MergedFooter::to_footer`] writes.
    pub fn from_footer(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The footer's value.
    #[must_use]
    pub fn to_footer(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The entry of a row of `site` received at `received_us` (Unix microseconds).
    pub fn entry(&mut self, site: i32, received_us: i64) -> &mut Counted {
        self.counts.entry((site, received_us.div_euclid(HOUR_US))).or_default()
    }

    /// Whether the object has rows of a site.
    #[must_use]
    pub fn has(&self, site: i32) -> bool {
        let hours = self.counts.range((site, i64::MIN)..=(site, i64::MAX));
        hours.into_iter().any(|(_, counted)| counted.kept > 0)
    }

    /// Rows erased, of all sites and hours.
    #[must_use]
    pub fn total_erased(&self) -> u64 {
        self.erased.iter().map(|entry| entry.rows).sum()
    }

    /// The sums over all sites and hours.
    #[must_use]
    pub fn totals(&self) -> Counted {
        self.counts.values().fold(Counted::default(), |sum, one| Counted {
            read: sum.read + one.read,
            kept: sum.kept + one.kept,
            duplicates: sum.duplicates + one.duplicates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_reads_back() {
        let mut merged = MergedFooter { rules: "1".to_owned(), parts: 2, ..Default::default() };
        (merged.hot_rows, merged.hot_bytes) = (3, 400);
        merged.entry(1, HOUR_US - 1).read += 3;
        merged.entry(1, HOUR_US).kept += 2;
        merged.entry(7, -1).duplicates += 1;
        let old = merged.to_footer();
        assert!(
            !old.contains("erased") && !old.contains("unmet"),
            "as it was before there were orders: {old}"
        );
        assert_eq!(MergedFooter::from_footer(&old).unwrap(), merged);
        for received_ms in [0, HOUR_US / 1_000 - 1] {
            RowsOfHour::add(&mut merged.erased, 1, received_ms, 1);
        }
        merged.orders.insert("1-a".to_owned());
        merged.unmet.insert(7);
        assert_eq!(merged.erased, [RowsOfHour { site: 1, hour_ms: 0, rows: 2 }]);
        assert!(merged.has(1) && !merged.has(7) && !merged.has(2));
        assert_eq!(MergedFooter::from_footer(&merged.to_footer()).unwrap(), merged);
        assert_eq!(merged.counts.keys().copied().collect::<Vec<_>>(), [(1, 0), (1, 1), (7, -1)]);
        assert_eq!(merged.totals(), Counted { read: 3, kept: 2, duplicates: 1 });
        assert!(MergedFooter::from_footer("[]").is_err());
        let old = r#"{"rules":"1","parts":1,"hot_rows":0,"hot_bytes":0,"counts":[]}"#;
        assert_eq!(MergedFooter::from_footer(old).unwrap().erased, []);
    }
}
