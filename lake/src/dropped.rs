//! What ingest dropped, as it travels over the stream to append: counts by site and reason.
//!
//! One record a request at most, beside the hits. Nothing of a person is in it. Told at least
//! once: a record that comes again in another batch counts again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hit::RECORD_VERSION;
use crate::stream::Record;

/// Stands for the site where the hit named none that is known.
pub const NO_SITE: i32 = 0;

/// Hits that one request brought and ingest dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// When ingest received them, Unix milliseconds.
    pub received: i64,
    /// By site ([`NO_SITE`] for none that is known) and reason.
    pub counts: BTreeMap<(i32, String), u64>,
}

/// The same as it lies on the stream.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u8,
    received: i64,
    dropped: Vec<(i32, String, u64)>,
}

impl Dropped {
    /// Nothing yet of a request that was received then.
    #[must_use]
    pub const fn received(received: i64) -> Self {
        Self { received, counts: BTreeMap::new() }
    }

    /// Counts hits of a site.
    pub fn add(&mut self, site: i32, reason: &str, count: u64) {
        *self.counts.entry((site, reason.to_owned())).or_default() += count;
    }

    /// Whether nothing was dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The record; `key` chooses its shard and should be random, so that no shard fills.
    #[must_use]
    pub fn record(&self, key: u128) -> Record {
        let dropped =
            self.counts.iter().map(|((site, reason), count)| (*site, reason.clone(), *count));
        let wire = Wire { v: RECORD_VERSION, received: self.received, dropped: dropped.collect() };
        let data = serde_json::to_vec(&wire).unwrap_or_default();
        Record { partition_key: format!("{key:032x}"), data: data.into() }
    }

    /// Reads a record; none when it is not one of these.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(bytes).ok()?;
        let mut read = Self::received(wire.received);
        for (site, reason, count) in wire.dropped {
            read.add(site, &reason, count);
        }
        (wire.v == RECORD_VERSION).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hit::Hit;

    #[test]
    fn a_record_reads_back_and_is_no_hit() {
        let mut dropped = Dropped::received(5);
        dropped.add(1, "origin", 2);
        dropped.add(1, "origin", 1);
        dropped.add(NO_SITE, "unknown_site", 1);
        let record = dropped.record(7);
        assert_eq!(Dropped::decode(&record.data), Some(dropped));
        assert!(Hit::decode(&record.data).is_err());
        assert_eq!(Dropped::decode(&Hit { v: 1, ..Hit::default() }.encode()), None);
        assert_eq!(Dropped::decode(br#"{"v":2,"received":1,"dropped":[]}"#), None, "a newer one");
    }
}
