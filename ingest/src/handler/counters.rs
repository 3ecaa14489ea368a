//! What became of the hits of a request, kept until its log event is written.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lake::metrics::{Ended, Line};
use serde_json::json;

use super::Outcome;
use crate::draft::Drop;

/// Counts of the requests since they were last taken.
#[derive(Debug, Default)]
pub struct Counters(Mutex<Counted>);

/// What was counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Hits on the stream.
    pub accepted: u64,
    /// Hits dropped, by reason.
    pub dropped: BTreeMap<Drop, u64>,
    /// Hits that the stream did not take.
    pub refused: u64,
    /// Bytes of the hits on the stream.
    pub bytes: u64,
}

impl Counters {
    pub(super) fn add(&self, outcome: &Outcome, bytes: u64, is_put: bool) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hits = outcome.accepted as u64;
        if is_put {
            counted.accepted += hits;
            counted.bytes += bytes;
        } else {
            counted.refused += hits;
        }
        for (reason, count) in &outcome.dropped {
            *counted.dropped.entry(*reason).or_default() += *count as u64;
        }
    }

    /// What was counted since this was last called.
    pub fn take(&self) -> Counted {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counted {
    /// The log event of a request that was answered with `status`.
    #[must_use]
    pub fn line(&self, status: i64, now_ms: i64, ended: Ended) -> Line {
        let dropped: u64 = self.dropped.values().sum();
        let by_reason: BTreeMap<&str, u64> =
            self.dropped.iter().map(|(reason, count)| (reason.name(), *count)).collect();
        Line::new("ingest", now_ms, ended)
            .detail("HitsReceived", self.accepted + self.refused + dropped)
            .count("HitsAccepted", self.accepted)
            .count("HitsDropped", dropped)
            .detail("HitsRefused", self.refused)
            .detail("BytesPut", self.bytes)
            .detail("status", status)
            .detail("dropped_by", json!(by_reason))
    }
}
