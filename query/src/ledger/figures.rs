//! The figures of one hour, and what they leave unexplained.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The figures of one hour of receipt, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Hits that ingest dropped, by reason; no part of what was accepted.
    pub(super) dropped: BTreeMap<String, u64>,
    /// What append took from the stream and what was parked before it.
    pub(super) accepted: u64,
    /// Rows of table objects.
    pub(super) stored: u64,
    /// Rows that merges dropped as copies.
    pub(super) duplicates: u64,
    /// Records in `rejected/`, by reason, those included that were thrown away after 30 days.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Hits of batches that append could not take.
    pub(super) parked: u64,
    /// Rows of hot objects that the table does not hold yet.
    pub(super) waiting: u64,
    /// Hits that orders of erasure kept out or took out.
    pub(super) erased: u64,
}

impl Figures {
    /// Adds those of another hour.
    pub(super) fn add(&mut self, other: &Self) {
        for (reason, count) in &other.dropped {
            *self.dropped.entry(reason.clone()).or_default() += count;
        }
        for (reason, count) in &other.rejected {
            *self.rejected.entry(reason.clone()).or_default() += count;
        }
        self.accepted += other.accepted;
        self.stored += other.stored;
        self.duplicates += other.duplicates;
        self.parked += other.parked;
        self.waiting += other.waiting;
        self.erased += other.erased;
    }

    /// Accepted hits of which nothing is known; below zero, hits of which no account is left.
    pub(super) fn unexplained(&self) -> i64 {
        let rejected: u64 = self.rejected.values().sum();
        let explained =
            self.stored + self.duplicates + rejected + self.parked + self.waiting + self.erased;
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        signed(self.accepted) - signed(explained)
    }

    /// Their names and values (CONTRACTS, "Ledger").
    pub(super) fn json(&self) -> Map<String, Value> {
        let pairs = [
            ("dropped", json!(self.dropped)),
            ("accepted", json!(self.accepted)),
            ("stored", json!(self.stored)),
            ("duplicates", json!(self.duplicates)),
            ("rejected", json!(self.rejected)),
            ("parked", json!(self.parked)),
            ("waiting", json!(self.waiting)),
            ("erased", json!(self.erased)),
            ("unexplained", json!(self.unexplained())),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Figures of one site by hour, while they are added up.
#[derive(Debug, Clone)]
pub(super) struct Hours {
    site: i32,
    pub(super) by_hour: BTreeMap<i64, Figures>,
}

impl Hours {
    pub(super) const fn of(site: i32) -> Self {
        Self { site, by_hour: BTreeMap::new() }
    }

    /// The figures of the site's hour; nothing when they are another site's.
    pub(super) fn at(&mut self, site: i32, hour: i64) -> Option<&mut Figures> {
        (site == self.site).then(|| self.by_hour.entry(hour).or_default())
    }

    /// The same for what may be of no known site: it is shown with every one, as it may be theirs.
    pub(super) fn at_or_any(&mut self, site: i32, hour: i64) -> Option<&mut Figures> {
        let is_any = site == lake::dropped::NO_SITE;
        self.at(if is_any { self.site } else { site }, hour)
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (hour, figures) in &other.by_hour {
            self.by_hour.entry(*hour).or_default().add(figures);
        }
    }
}
