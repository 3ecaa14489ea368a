//! Delivering a batch: success, partial failure, bisect, retry, park.

use tokio::sync::watch;

use super::Poller;
use crate::stream::StoredRecord;

/// Longest pause between attempts.
const MAX_BACKOFF_MS: u64 = 60_000;

/// A run of records still to be delivered, and how often it failed unsplit.
struct Piece {
    records: Vec<StoredRecord>,
    attempts: u32,
}

impl Poller {
    /// Delivers the records in order; returns when all are done with or the poller is to stop.
    pub(super) async fn deliver(&self, records: Vec<StoredRecord>, stop: &mut watch::Receiver<bool>) -> anyhow::Result<()> {
        // The last is the next: pieces are in order from the end.
        let mut pieces = vec![Piece { records, attempts: 0 }];
        let mut pause_ms = self.mapping.backoff_ms;
        while let Some(piece) = pieces.pop() {
            let Some(failed_at) = self.attempt(&piece).await? else {
                pause_ms = self.mapping.backoff_ms;
                continue;
            };
            if failed_at > 0 {
                let mut records = piece.records;
                let rest = records.split_off(failed_at);
                self.done(&records)?;
                pieces.push(Piece { records: rest, attempts: 0 });
            } else if self.mapping.bisect && piece.records.len() > 1 {
                let mut records = piece.records;
                let second = records.split_off(records.len() / 2);
                pieces.push(Piece { records: second, attempts: 0 });
                pieces.push(Piece { records, attempts: 0 });
            } else if let Some(reason) = self.given_up(&piece) {
                self.park.park(self.shard.name(), &self.event(&piece.records), reason).await?;
                self.done(&piece.records)?;
                continue;
            } else {
                pieces.push(Piece { attempts: piece.attempts + 1, ..piece });
            }
            tokio::select! {
                () = tokio::time::sleep(self.jittered(pause_ms)) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
            pause_ms = (pause_ms * 2).min(MAX_BACKOFF_MS);
        }
        Ok(())
    }

    /// None when the handler took all of it, else the index from which on it failed.
    async fn attempt(&self, piece: &Piece) -> anyhow::Result<Option<usize>> {
        let response = match self.handler.handle(self.event(&piece.records)).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(shard = self.shard.name(), records = piece.records.len(), "batch failed: {error:#}");
                return Ok(Some(0));
            }
        };
        let failures = &response.batch_item_failures;
        if failures.is_empty() {
            self.done(&piece.records)?;
            return Ok(None);
        }
        // The lowest number counts; one that is empty or unknown fails the whole batch (aws.md 2.4).
        let index = |named: &str| piece.records.iter().position(|record| record.sequence.to_string() == named);
        let failed = failures.iter().map(|failure| {
            failure.item_identifier.as_deref().and_then(index).unwrap_or_default()
        });
        Ok(failed.min())
    }

    fn given_up(&self, piece: &Piece) -> Option<&'static str> {
        let oldest_ms = piece.records.first()?.arrival_ms;
        if self.clock.now_ms() - oldest_ms > self.mapping.max_record_age_ms {
            return Some("too old");
        }
        self.mapping.max_attempts.is_some_and(|max| piece.attempts + 1 >= max).then_some("out of attempts")
    }

    fn done(&self, records: &[StoredRecord]) -> anyhow::Result<()> {
        if let Some(last) = records.last() {
            self.shard.set_checkpoint(last.sequence + 1)?;
        }
        Ok(())
    }
}
