//! Stream, poller and append of one process, wired together.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use compact::append::Append;
use tokio::sync::watch;

use crate::internal::Waiting;
use crate::poller::{BatchHandler, EventSourceMapping, Park, Poller, PollerParts};
use crate::stream::EmbeddedStream;

/// The embedded stream and what consumes it.
#[derive(Debug)]
pub struct Pipeline {
    /// The stream.
    pub stream: Arc<EmbeddedStream>,
    poller: Arc<Poller>,
}

impl Pipeline {
    /// Wires a poller to the stream; nothing is polled before [`Pipeline::run`] or
    /// [`Pipeline::drain`].
    ///
    /// # Errors
    ///
    /// When the checkpoints cannot be read.
    pub async fn open(
        stream: Arc<EmbeddedStream>,
        append: Append,
        parked: PathBuf,
        chance: PollerChance,
    ) -> anyhow::Result<Self> {
        let parts = PollerParts {
            handler: Arc::new(append),
            park: Arc::new(ParkFolder(parked)),
            clock: chance.0,
            random: chance.1,
        };
        // Append fails for the store's absence only, so what fails is tried until it succeeds.
        let mapping = EventSourceMapping { retry_attempts: None, ..EventSourceMapping::local() };
        let poller = Poller::open(Arc::new(Arc::clone(&stream)), parts, mapping).await?;
        Ok(Self { stream, poller: Arc::new(poller) })
    }

    /// Polls until told to stop; batches at hand are finished first.
    ///
    /// # Errors
    ///
    /// When the stream's files cannot be read or a checkpoint not be written.
    pub async fn run(&self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        self.poller.run(stop).await
    }

    /// Returns when everything that was on the stream at the call is in hot objects or parked.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::run`].
    pub async fn drain(&self) -> anyhow::Result<()> {
        self.poller.drain().await
    }

    /// What no hot object holds yet.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        let waiting = self.stream.waiting();
        Waiting { records: waiting.records, oldest_ms: waiting.oldest_arrival_ms }
    }
}

/// The clock for ages of records, and the chance for the jitter of pauses.
pub type PollerChance = (Arc<dyn lake::clock::Clock>, Arc<dyn lake::clock::Random>);

#[async_trait::async_trait]
impl BatchHandler for Append {
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        Self::handle(self, event).await
    }
}

/// Parks batches as JSON files, one a batch, as Lambda's failure destination does on S3.
#[derive(Debug)]
struct ParkFolder(PathBuf);

#[async_trait::async_trait]
impl Park for ParkFolder {
    async fn park(
        &self,
        shard: &str,
        first: &str,
        last: &str,
        event: &KinesisEvent,
    ) -> anyhow::Result<()> {
        let name = format!("{shard}-{first}-{last}.json");
        tracing::error!(shard, "batch parked as {name}");
        std::fs::create_dir_all(&self.0)?;
        crate::private_file::write(&self.0.join(name), &serde_json::to_vec(event)?)
    }
}
