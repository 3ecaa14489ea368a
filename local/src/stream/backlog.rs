//! How many records lie behind the checkpoint, and since when.
//!
//! Sequence numbers jump at every opening of the stream, so a difference of two is no count:
//! this keeps the runs of consecutive numbers, one a second at most, until they are done with.

use std::collections::VecDeque;

/// Groups that arrived within this time share a run.
const RUN_MS: i64 = 1000;

/// Consecutive sequence numbers that arrived within a second.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    last: u64,
    arrival_ms: i64,
}

/// The records of one shard that are durable and not yet done with.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    checkpoint: Option<u64>,
    runs: VecDeque<Run>,
}

impl Backlog {
    /// Nothing waits behind `checkpoint`.
    pub(super) fn new(checkpoint: Option<u64>) -> Self {
        Self { checkpoint, runs: VecDeque::new() }
    }

    pub(super) fn checkpoint(&self) -> Option<u64> {
        self.checkpoint
    }

    /// Adds the records `first` to `last`, which arrived at `arrival_ms`.
    pub(super) fn push(&mut self, first: u64, last: u64, arrival_ms: i64) {
        if self.checkpoint >= Some(last) {
            return;
        }
        let first = self.checkpoint.map_or(first, |done| first.max(done + 1));
        match self.runs.back_mut() {
            Some(run)
                if run.last.checked_add(1) == Some(first)
                    && (0..RUN_MS).contains(&(arrival_ms - run.arrival_ms)) =>
            {
                run.last = last;
            }
            _ => self.runs.push_back(Run { first, last, arrival_ms }),
        }
    }

    /// Everything up to `checkpoint` is done with.
    pub(super) fn advance(&mut self, checkpoint: u64) {
        self.checkpoint = self.checkpoint.max(Some(checkpoint));
        while let Some(run) = self.runs.front_mut() {
            if run.last > checkpoint {
                run.first = run.first.max(checkpoint.saturating_add(1));
                return;
            }
            self.runs.pop_front();
        }
    }

    /// Number of waiting records.
    pub(super) fn records(&self) -> u64 {
        self.runs.iter().map(|run| run.last - run.first + 1).sum()
    }

    /// Arrival of the oldest waiting record, at most a second too early.
    pub(super) fn oldest_arrival_ms(&self) -> Option<i64> {
        self.runs.front().map(|run| run.arrival_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_across_jumps_and_forgets_what_is_done() {
        let mut backlog = Backlog::new(Some(4));
        backlog.push(1, 3, 0);
        backlog.push(4, 10, 100);
        backlog.push(11, 20, 200);
        backlog.push(100, 109, 300);
        backlog.push(110, 119, 5_000);
        assert_eq!((backlog.records(), backlog.oldest_arrival_ms()), (36, Some(100)));
        backlog.advance(15);
        assert_eq!((backlog.records(), backlog.oldest_arrival_ms()), (25, Some(100)));
        backlog.advance(109);
        assert_eq!((backlog.records(), backlog.oldest_arrival_ms()), (10, Some(5_000)));
        backlog.advance(3);
        assert_eq!(backlog.checkpoint(), Some(109));
        backlog.advance(119);
        assert_eq!((backlog.records(), backlog.oldest_arrival_ms()), (0, None));
    }
}
