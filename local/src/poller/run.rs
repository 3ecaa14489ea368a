//! The poller: one loop for each shard, and what waits for them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lake::clock::{Clock, Random};
use lake::stream::Position;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::backoff::{Backoff, Stop};
use super::deliver::Delivery;
use super::feed::{Shard, is_at_or_beyond};
use super::settings::EventSourceMapping;
use super::source::{BatchHandler, Park, Source};

/// How long draining waits before it asks again a source that gave nothing although it had more.
const DRAIN_PAUSE: Duration = Duration::from_millis(25);

/// What a poller works with.
#[derive(Clone)]
pub struct PollerParts {
    /// Takes the batches.
    pub handler: Arc<dyn BatchHandler>,
    /// Takes what cannot succeed.
    pub park: Arc<dyn Park>,
    /// Tells the age of records.
    pub clock: Arc<dyn Clock>,
    /// Spreads the pauses between attempts.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for PollerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollerParts").finish_non_exhaustive()
    }
}

/// Takes records off a source, in order for each shard, and has them handled.
#[derive(Debug)]
pub struct Poller {
    pub(super) source: Arc<dyn Source>,
    pub(super) parts: PollerParts,
    pub(super) mapping: EventSourceMapping,
    /// How many wait for everything to be handled now: windows end at once while any do.
    pub(super) hurry: watch::Sender<usize>,
    shards: Vec<Arc<Shard>>,
}

/// What one turn of a shard's loop came to.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// A batch is done with.
    Delivered,
    /// There was nothing to do.
    Idle,
    /// The poller is to stop.
    Stopped,
}

impl Poller {
    /// A poller that goes on where the source's checkpoints stand.
    ///
    /// # Errors
    ///
    /// When the source cannot name its shards or their checkpoints.
    pub async fn open(
        source: Arc<dyn Source>,
        parts: PollerParts,
        mapping: EventSourceMapping,
    ) -> anyhow::Result<Self> {
        let mut shards = Vec::new();
        for name in source.shards().await? {
            let checkpoint = source.checkpoint(&name).await?;
            shards.push(Arc::new(Shard::new(name, checkpoint)));
        }
        Ok(Self { source, parts, mapping, hurry: watch::Sender::new(0), shards })
    }

    /// Polls until `shutdown` shows true (or its sender is gone); then finishes the batches at
    /// hand, without further retries, and returns. Several may run at once; batches of a shard
    /// never do.
    ///
    /// # Errors
    ///
    /// When a shard's loop panicked. Failures of source and handler are logged and tried again.
    pub async fn run(self: &Arc<Self>, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut loops = JoinSet::new();
        for shard in &self.shards {
            let (poller, shard, stop) =
                (Arc::clone(self), Arc::clone(shard), Stop(shutdown.clone()));
            loops.spawn(async move { poller.poll_shard(&shard, stop).await });
        }
        while let Some(ended) = loops.join_next().await {
            ended.context("the loop of a shard ended early")?;
        }
        Ok(())
    }

    /// Handles everything that is durable at the moment of the call, at once, whether the poller
    /// runs or not; returns when it is checkpointed.
    ///
    /// # Errors
    ///
    /// When the source fails. A handler that fails is tried again by the mapping's rules.
    pub async fn drain(self: &Arc<Self>) -> anyhow::Result<()> {
        let _hurry = Hurry::new(&self.hurry);
        let (_never, stop) = watch::channel(false);
        let mut loops = JoinSet::new();
        for shard in &self.shards {
            let Some(end) = self.source.last_sequence(&shard.name).await? else {
                continue;
            };
            let (poller, shard, stop) = (Arc::clone(self), Arc::clone(shard), Stop(stop.clone()));
            loops.spawn(async move { poller.drain_shard(&shard, &end, stop).await });
        }
        while let Some(ended) = loops.join_next().await {
            ended.context("draining a shard ended early")??;
        }
        Ok(())
    }

    /// Waits until the records at `positions`, and all before them, are done with. Something has
    /// to poll meanwhile.
    ///
    /// # Errors
    ///
    /// When the source has no such shard.
    pub async fn wait_for(&self, positions: &[Position]) -> anyhow::Result<()> {
        for Position { shard, sequence } in positions {
            let found = self.shards.iter().find(|candidate| candidate.name == *shard);
            let found = found.with_context(|| format!("the stream has no shard {shard}"))?;
            let mut checkpoint = found.checkpoint.subscribe();
            checkpoint.wait_for(|done| is_at_or_beyond(done.as_deref(), sequence)).await?;
        }
        Ok(())
    }

    async fn poll_shard(&self, shard: &Shard, mut stop: Stop) {
        let mut backoff = Backoff::default();
        while !stop.is_requested() {
            let turn = tokio::select! {
                ready = self.wait_for_records(shard) => match ready {
                    Ok(()) => self.turn(shard, stop.clone()).await,
                    Err(error) => Err(error),
                },
                () = stop.requested() => return,
            };
            match turn {
                Ok(Turn::Stopped) => return,
                Ok(Turn::Delivered | Turn::Idle) => backoff.reset(),
                Err(error) => {
                    tracing::error!(shard = %shard.name, error = %format_args!("{error:#}"), "the stream cannot be read");
                    backoff.pause(&self.mapping, &*self.parts.random, &mut stop).await;
                }
            }
        }
    }

    async fn drain_shard(&self, shard: &Shard, end: &str, stop: Stop) -> anyhow::Result<()> {
        while !shard.is_done(end) {
            if self.turn(shard, stop.clone()).await? == Turn::Idle && !shard.is_done(end) {
                tokio::time::sleep(DRAIN_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Waits without the shard's lock, so that draining gets it.
    async fn wait_for_records(&self, shard: &Shard) -> anyhow::Result<()> {
        let read_up_to = {
            let feed = shard.feed.lock().await;
            if !feed.is_empty() {
                return Ok(());
            }
            feed.read_up_to().map(str::to_owned)
        };
        self.source.wait_beyond(&shard.name, read_up_to.as_deref()).await
    }

    /// Gathers one batch and delivers it.
    async fn turn(&self, shard: &Shard, mut stop: Stop) -> anyhow::Result<Turn> {
        let mut feed = shard.feed.lock().await;
        let records = self.gather(shard, &mut feed, &mut stop).await?;
        if records.is_empty() {
            return Ok(Turn::Idle);
        }
        let delivery =
            Delivery { poller: self, shard, records: &records, stop, backoff: Backoff::default() };
        if delivery.run().await.is_err() {
            return Ok(Turn::Stopped);
        }
        feed.in_flight = false;
        Ok(Turn::Delivered)
    }
}

/// While it lives, windows end at once.
struct Hurry<'a>(&'a watch::Sender<usize>);

impl<'a> Hurry<'a> {
    fn new(hurry: &'a watch::Sender<usize>) -> Self {
        hurry.send_modify(|waiting| *waiting += 1);
        Self(hurry)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}
