//! The account of one batch: one log event, and one line of CloudWatch's embedded metric format.
//!
//! Every metric of append is named here. No address, user agent or body is in either.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

/// Namespace of our metrics in CloudWatch.
pub const NAMESPACE: &str = "Hitlake";

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
    /// Hot objects of the batch.
    pub objects: usize,
    /// Of these, written by an earlier attempt already.
    pub existed: usize,
    /// Bytes of the hot objects that this attempt wrote.
    pub bytes: usize,
}

/// A batch on its way.
#[derive(Debug)]
pub struct Started {
    at: Instant,
    cold_start: bool,
}

/// A batch that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What became of it.
    pub done: Appended,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// It was the first of its process.
    pub cold_start: bool,
}

impl Report {
    /// The beginning of a batch.
    #[must_use]
    pub fn start() -> Started {
        static COLD: AtomicBool = AtomicBool::new(true);
        Started { at: Instant::now(), cold_start: COLD.swap(false, Ordering::Relaxed) }
    }

    /// The log event.
    pub fn log(&self) {
        let Appended { received, stored, erased, objects, existed, bytes, .. } = self.done;
        let rejected = self.rejected();
        tracing::info!(
            received,
            stored,
            erased,
            rejected,
            rejected_by = ?self.done.rejected,
            objects,
            existed,
            bytes,
            duration_ms = self.duration_ms,
            cold_start = self.cold_start,
            "batch appended: {received} records, {stored} stored, {rejected} rejected, {bytes} bytes in {} ms",
            self.duration_ms
        );
    }

    /// The line for CloudWatch; `now_ms` is the present moment, Unix milliseconds.
    #[must_use]
    pub fn metrics(&self, now_ms: i64) -> String {
        let metric = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
        json!({
            "_aws": {
                "Timestamp": now_ms,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["service"]],
                    "Metrics": [
                        metric("RecordsReceived", "Count"),
                        metric("HitsStored", "Count"),
                        metric("HitsErased", "Count"),
                        metric("RecordsRejected", "Count"),
                        metric("BytesWritten", "Bytes"),
                        metric("BatchDuration", "Milliseconds"),
                        metric("ColdStarts", "Count"),
                    ],
                }],
            },
            "service": "append",
            "RecordsReceived": self.done.received,
            "HitsStored": self.done.stored,
            "HitsErased": self.done.erased,
            "RecordsRejected": self.rejected(),
            "BytesWritten": self.done.bytes,
            "BatchDuration": self.duration_ms,
            "ColdStarts": u8::from(self.cold_start),
            "rejected_by": self.done.rejected,
        })
        .to_string()
    }

    fn rejected(&self) -> u64 {
        self.done.rejected.values().sum()
    }
}

impl Started {
    /// The end of the batch.
    #[must_use]
    pub fn end(self, done: Appended) -> Report {
        let duration_ms = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Report { done, duration_ms, cold_start: self.cold_start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_named_has_a_value() {
        let done = Appended {
            received: 3,
            rejected: BTreeMap::from([("version", 1)]),
            ..Appended::default()
        };
        let report = Report { done, duration_ms: 5, cold_start: true };
        let line: serde_json::Value = serde_json::from_str(&report.metrics(1_000)).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_000);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        assert_eq!(line["RecordsRejected"], 1);
        assert!(!report.metrics(1_000).contains('\n'));
    }
}
