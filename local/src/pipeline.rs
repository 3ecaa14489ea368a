//! Stream, poller and append of one process, wired together.

use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use compact::append::Append;
use compact::enrich::Enricher;
use lake::layout;
use lake::store::StoreRef;
use object_store::ObjectStoreExt as _;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

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
        chance: PollerChance,
    ) -> anyhow::Result<Self> {
        let parts = PollerParts {
            park: Arc::new(ParkInStore(Arc::clone(&append.store))),
            handler: Arc::new(append),
            clock: chance.0,
            random: chance.1,
        };
        // Append fails for the store's absence only, so what fails is tried until it is too old; then it
        // is parked when the store takes it, and the shard goes on.
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
        // The first batch need not wait for the lists.
        spawn_blocking(Enricher::prepare);
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

/// On a thread of its own: enriching and encoding a batch takes a tenth of a second of a processor,
/// in which the beacons and questions that share the runtime's threads would wait.
#[async_trait::async_trait]
impl BatchHandler for Append {
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        let (append, runtime) = (self.clone(), Handle::current());
        spawn_blocking(move || runtime.block_on(Self::handle(&append, event))).await?
    }
}

/// Parks batches as objects, one a batch, where replay and the ledger look for them.
#[derive(Debug)]
struct ParkInStore(StoreRef);

#[async_trait::async_trait]
impl Park for ParkInStore {
    async fn park(
        &self,
        shard: &str,
        first: &str,
        last: &str,
        event: &KinesisEvent,
    ) -> anyhow::Result<()> {
        let path = layout::parked_object(shard, first, last);
        tracing::error!(shard, "batch parked as {path}; hitlake replay takes it up again");
        self.0.put(&path, serde_json::to_vec(event)?.into()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::event::kinesis::KinesisEventRecord;
    use compact::replay::Replay;
    use lake::store::memory::MemoryStore;

    #[tokio::test]
    async fn what_is_parked_is_found_by_replay() {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let mut event = KinesisEvent::default();
        event.records.push(KinesisEventRecord::default());
        let park = ParkInStore(Arc::clone(&store));
        park.park("shardId-000000000000", "1", "1", &event).await.unwrap();
        let append = Append::new(store, Arc::new(Enricher::default()));
        let done = Replay { append }.run().await.unwrap();
        assert_eq!(done.parked, 1);
    }
}
