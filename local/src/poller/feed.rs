//! One shard of the poller: gathers records into a batch.

use std::collections::VecDeque;
use std::time::Duration;

use lake::stream::compare_sequences;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::backoff::Stop;
use super::event::payload_bytes;
use super::run::Poller;
use super::source::SourceRecord;

/// While a batch gathers, the shard is read this often at most, not at each of its fsyncs.
const READ_PAUSE: Duration = Duration::from_millis(25);

/// A shard and how far it is done with.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) name: String,
    pub(super) checkpoint: watch::Sender<Option<String>>,
    /// Held while a batch is gathered and delivered, so that batches of a shard keep their order.
    pub(super) feed: Mutex<Feed>,
}

impl Shard {
    pub(super) fn new(name: String, checkpoint: Option<String>) -> Self {
        let feed = Feed { read_up_to: checkpoint.clone(), ..Feed::default() };
        Self { name, checkpoint: watch::Sender::new(checkpoint), feed: Mutex::new(feed) }
    }

    /// Whether everything up to `sequence` is done with.
    pub(super) fn is_done(&self, sequence: &str) -> bool {
        is_at_or_beyond(self.checkpoint.borrow().as_deref(), sequence)
    }
}

pub(super) fn is_at_or_beyond(checkpoint: Option<&str>, sequence: &str) -> bool {
    checkpoint.is_some_and(|done| compare_sequences(done, sequence).is_ge())
}

/// Records that were read and not yet handed over.
#[derive(Debug, Default)]
pub(super) struct Feed {
    read_up_to: Option<String>,
    pending: VecDeque<SourceRecord>,
    /// A batch was taken and did not come to its end: its records have to be read again.
    pub(super) in_flight: bool,
}

impl Feed {
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && !self.in_flight
    }

    pub(super) fn read_up_to(&self) -> Option<&str> {
        self.read_up_to.as_deref()
    }

    /// After a delivery that was stopped or dropped half-way: starts again at the checkpoint.
    fn recover(&mut self, shard: &Shard) {
        if std::mem::take(&mut self.in_flight) {
            self.pending.clear();
            self.read_up_to = shard.checkpoint.borrow().clone();
        }
    }

    /// How many records make a batch, and whether that batch can take no more.
    fn batch(&self, batch_size: usize, max_bytes: usize) -> (usize, bool) {
        let mut bytes = 0;
        let fits = |record: &&SourceRecord| {
            bytes += payload_bytes(record);
            bytes <= max_bytes
        };
        // A single record is a batch however large it is.
        let count = self
            .pending
            .iter()
            .take(batch_size)
            .take_while(fits)
            .count()
            .max(self.pending.len().min(1));
        (count, count == batch_size || count < self.pending.len())
    }
}

impl Poller {
    /// Gathers a batch: until it is full, or its window is over, or somebody is in a hurry.
    pub(super) async fn gather(
        &self,
        shard: &Shard,
        feed: &mut Feed,
        stop: &mut Stop,
    ) -> anyhow::Result<Vec<SourceRecord>> {
        feed.recover(shard);
        let mut hurry = self.hurry.subscribe();
        let mut window_end = None;
        loop {
            self.read_more(shard, feed).await?;
            let (count, full) = feed.batch(self.mapping.batch_size, self.mapping.max_batch_bytes);
            let now = Instant::now();
            let window_end =
                *window_end.get_or_insert(now + Duration::from_millis(self.mapping.window_ms));
            if count == 0 || full || now >= window_end || *hurry.borrow() > 0 || stop.is_requested()
            {
                feed.in_flight = count > 0;
                return Ok(feed.pending.drain(..count).collect());
            }
            tokio::select! {
                more = self.more_to_read(shard, feed) => more?,
                () = tokio::time::sleep_until(window_end) => {}
                _ = hurry.wait_for(|waiting| *waiting > 0) => {}
                () = stop.requested() => {}
            }
        }
    }

    async fn read_more(&self, shard: &Shard, feed: &mut Feed) -> anyhow::Result<()> {
        let missing = self.mapping.batch_size.saturating_sub(feed.pending.len());
        if missing == 0 {
            return Ok(());
        }
        let after = feed.read_up_to.as_deref();
        let records =
            self.source.read(&shard.name, after, missing, self.mapping.max_batch_bytes).await?;
        if let Some(last) = records.last() {
            feed.read_up_to = Some(last.sequence.clone());
        }
        feed.pending.extend(records);
        Ok(())
    }

    async fn more_to_read(&self, shard: &Shard, feed: &Feed) -> anyhow::Result<()> {
        self.source.wait_beyond(&shard.name, feed.read_up_to()).await?;
        tokio::time::sleep(READ_PAUSE).await;
        Ok(())
    }
}
