//! A poller with the rules of a Kinesis event source mapping (aws.md 2.4): batch size, window,
//! order by shard, bisect, partial failures, retries, parking what cannot succeed.
//!
//! Knows shards and batches; knows no hit. A batch is done with only when the handler took it or
//! it was parked; a process that ends in between delivers it again.

mod batch;
mod delivery;

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use lake::clock::{Clock, Random};
use tokio::sync::watch;

use crate::stream::Shard;

/// The settings of the mapping; defaults as in `template.yaml` but for the window.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    /// Records of a batch at most.
    pub batch_size: usize,
    /// How long a batch is collected after its first record.
    pub window_ms: u64,
    /// Bytes of records in a batch at most: Lambda takes 6 MB of payload, base64 and envelope
    /// included.
    pub max_batch_bytes: usize,
    /// Whether a failed batch is split in two.
    pub bisect: bool,
    /// Attempts at a batch that cannot be split further; none: until its records are too old.
    pub max_attempts: Option<u32>,
    /// Records older than this are parked when they fail.
    pub max_record_age_ms: i64,
    /// First pause after a failure; doubles up to a minute.
    pub backoff_ms: u64,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            batch_size: 10_000,
            window_ms: 1_000,
            max_batch_bytes: 4 * 1024 * 1024,
            bisect: true,
            max_attempts: None,
            max_record_age_ms: 24 * 3_600_000,
            backoff_ms: 100,
        }
    }
}

/// What a batch is given to.
#[async_trait::async_trait]
pub trait BatchHandler: Send + Sync {
    /// Takes a batch, or names the records from which on it failed.
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse>;
}

/// Where batches go that cannot succeed.
#[async_trait::async_trait]
pub trait Park: Send + Sync {
    /// Keeps the batch with its bytes; only then is it done with.
    async fn park(&self, shard: &str, event: &KinesisEvent, reason: &str) -> anyhow::Result<()>;
}

/// Polls one shard.
pub struct Poller {
    /// The shard.
    pub shard: Arc<Shard>,
    /// The settings.
    pub mapping: Mapping,
    /// What batches are given to.
    pub handler: Arc<dyn BatchHandler>,
    /// Where batches go that cannot succeed.
    pub park: Arc<dyn Park>,
    /// Ages of records.
    pub clock: Arc<dyn Clock>,
    /// Jitter of pauses.
    pub random: Arc<dyn Random>,
}

impl Poller {
    /// Polls until told to stop; the batch at hand is finished first.
    ///
    /// # Errors
    ///
    /// When the stream's files cannot be read or the checkpoint not be written.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut end = self.shard.end();
        let mut reader = self.shard.reader(self.shard.checkpoint());
        loop {
            let first = reader.read(self.mapping.batch_size, self.mapping.max_batch_bytes)?;
            if first.is_empty() {
                tokio::select! {
                    changed = end.changed() => changed?,
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                }
                continue;
            }
            let records = self.collect(first, &mut reader, &mut end, &mut stop).await?;
            self.deliver(records, &mut stop).await?;
            if *stop.borrow() {
                return Ok(());
            }
        }
    }

    fn jittered(&self, pause_ms: u64) -> Duration {
        let part = u64::try_from(self.random.next_u128() % 1_000).unwrap_or_default();
        Duration::from_millis(pause_ms / 2 + pause_ms * part / 2_000)
    }
}
