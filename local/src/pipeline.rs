//! Stream, pollers and append of one process, wired together.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use compact::append::Append;
use lake::clock::{Clock, Random};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::internal::Waiting;
use crate::poller::{BatchHandler, Mapping, Park, Poller};
use crate::stream::EmbeddedStream;

/// The embedded stream and what consumes it.
#[derive(Debug)]
pub struct Pipeline {
    /// The stream.
    pub stream: Arc<EmbeddedStream>,
}

/// What the pollers of a process are made of.
pub struct Consumers {
    /// The stream.
    pub stream: Arc<EmbeddedStream>,
    /// What takes the batches.
    pub append: Append,
    /// Folder for batches that cannot succeed.
    pub parked: PathBuf,
    /// The settings of the pollers.
    pub mapping: Mapping,
    /// Ages of records.
    pub clock: Arc<dyn Clock>,
    /// Jitter of pauses.
    pub random: Arc<dyn Random>,
}

impl Consumers {
    /// Starts one poller a shard; they run until `stop` says so.
    #[must_use]
    pub fn start(self, stop: &watch::Receiver<bool>) -> JoinSet<anyhow::Result<()>> {
        let handler: Arc<dyn BatchHandler> = Arc::new(self.append);
        let park: Arc<dyn Park> = Arc::new(ParkFolder(self.parked));
        let mut running = JoinSet::new();
        for shard in self.stream.shards() {
            let poller = Poller {
                shard: Arc::clone(shard),
                mapping: self.mapping,
                handler: Arc::clone(&handler),
                park: Arc::clone(&park),
                clock: Arc::clone(&self.clock),
                random: Arc::clone(&self.random),
            };
            let stop = stop.clone();
            running.spawn(async move { poller.run(stop).await });
        }
        running
    }
}

impl Pipeline {
    /// Returns when everything that was on the stream at the call is in hot objects or parked.
    ///
    /// # Errors
    ///
    /// When the pollers have ended.
    pub async fn drain(&self) -> anyhow::Result<()> {
        let ends: Vec<u64> = self.stream.shards().iter().map(|shard| *shard.end().borrow()).collect();
        for (shard, end) in self.stream.shards().iter().zip(ends) {
            shard.checkpoints().wait_for(|&checkpoint| checkpoint >= end).await?;
        }
        Ok(())
    }

    /// What no hot object holds yet.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        for shard in self.stream.shards() {
            waiting.records += shard.end().borrow().saturating_sub(shard.checkpoint());
            let oldest = shard.reader(shard.checkpoint()).read(1, 1).ok().and_then(|records| Some(records.first()?.arrival_ms));
            waiting.oldest_ms = waiting.oldest_ms.into_iter().chain(oldest).min();
        }
        waiting
    }
}

#[async_trait::async_trait]
impl BatchHandler for Append {
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        Self::handle(self, event).await
    }
}

/// Parks batches as JSON files, one a batch, as Lambda's failure destination does on S3.
struct ParkFolder(PathBuf);

#[async_trait::async_trait]
impl Park for ParkFolder {
    async fn park(&self, shard: &str, event: &KinesisEvent, reason: &str) -> anyhow::Result<()> {
        let number = |record: Option<&aws_lambda_events::event::kinesis::KinesisEventRecord>| {
            record.map_or_else(String::new, |record| record.kinesis.sequence_number.clone())
        };
        let name = format!("{shard}-{}-{}.json", number(event.records.first()), number(event.records.last()));
        tracing::error!(shard, reason, "batch parked as {name}");
        std::fs::create_dir_all(&self.0)?;
        crate::private_file::write(&self.0.join(name), &serde_json::to_vec(event)?)
    }
}
