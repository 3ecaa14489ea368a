//! The account of one batch: one log event, and one line of CloudWatch's embedded metric format.
//!
//! Every metric of append is named here. No address, user agent or body is in either.

use std::collections::BTreeMap;

use lake::dropped::Dropped;
use lake::metrics::{Ended, Line};
use serde_json::json;

const SERVICE: &str = "append";

/// What became of a batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Records received.
    pub received: usize,
    /// Rows in hot objects, those that an earlier attempt had written included.
    pub stored: usize,
    /// Records that orders of erasure cover: nowhere stored.
    pub erased: usize,
    /// Records kept in `rejected/`, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Hits that ingest dropped and told of, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Hot objects of the batch.
    pub objects: usize,
    /// Of these, written by an earlier attempt already.
    pub existed: usize,
    /// Bytes of the hot objects that this attempt wrote.
    pub bytes: usize,
}

impl Appended {
    /// Counts what ingest tells of.
    pub fn tell(&mut self, dropped: &Dropped) {
        for ((_, reason), count) in &dropped.counts {
            *self.dropped.entry(reason.clone()).or_default() += count;
        }
    }
}

/// A batch that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of it.
    pub done: Appended,
    /// How long it took, and whether it was the first of its process.
    pub ended: Ended,
}

impl Report {
    /// The log event.
    pub fn log(&self) {
        let Appended { received, stored, erased, objects, existed, bytes, .. } = self.done;
        let rejected = self.rejected();
        let Ended { duration_ms, cold_start } = self.ended;
        tracing::info!(
            received,
            stored,
            erased,
            rejected,
            rejected_by = ?self.done.rejected,
            dropped_by = ?self.done.dropped,
            objects,
            existed,
            bytes,
            duration_ms,
            cold_start,
            "batch appended: {received} records, {stored} stored, {rejected} rejected, {bytes} bytes in {duration_ms} ms",
        );
    }

    /// The line for CloudWatch; `now_ms` is the present moment, Unix milliseconds.
    #[must_use]
    pub fn metrics(&self, now_ms: i64) -> Line {
        Line::new(SERVICE, now_ms, self.ended)
            .detail("RecordsReceived", self.done.received as u64)
            .count("HitsStored", self.done.stored as u64)
            .detail("HitsErased", self.done.erased as u64)
            .count("RecordsRejected", self.rejected())
            .detail("BatchesFailed", 0)
            .detail("BytesWritten", self.done.bytes as u64)
            .detail("rejected_by", json!(self.done.rejected))
            .detail("dropped_by", json!(self.done.dropped))
    }

    fn rejected(&self) -> u64 {
        self.done.rejected.values().sum()
    }
}

/// The line of a batch that failed and comes again.
#[must_use]
pub fn failed(now_ms: i64, ended: Ended) -> Line {
    Line::new(SERVICE, now_ms, ended).count("HitsStored", 0).detail("BatchesFailed", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_what_was_counted_and_why_it_was_rejected() {
        let done = Appended {
            received: 3,
            rejected: BTreeMap::from([("version", 1)]),
            dropped: BTreeMap::from([("origin".to_owned(), 2)]),
            ..Appended::default()
        };
        let report = Report { done, ended: Ended::default() };
        let line: serde_json::Value = serde_json::from_str(&report.metrics(1_000).text()).unwrap();
        assert_eq!((&line["RecordsReceived"], &line["RecordsRejected"]), (&json!(3), &json!(1)));
        assert_eq!(line["rejected_by"], json!({"version": 1}));
        assert_eq!(line["dropped_by"], json!({"origin": 2}));
    }
}
