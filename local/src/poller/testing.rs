//! A source, a handler and a place to park in memory.

use std::sync::{Arc, Mutex};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use lake::clock::{ManualClock, SeededRandom};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{BatchHandler, EventSourceMapping, Park, Poller, PollerParts, Source, SourceRecord};

pub(super) const SHARD: &str = "shardId-000000000000";

/// One shard in memory.
#[derive(Debug)]
pub(super) struct MemorySource {
    records: watch::Sender<Vec<SourceRecord>>,
    pub(super) checkpoints: Mutex<Vec<u64>>,
    /// How many more times a checkpoint cannot be stored.
    pub(super) refuse_checkpoints: Mutex<u32>,
}

impl MemorySource {
    pub(super) fn new() -> Arc<Self> {
        let (checkpoints, refuse_checkpoints) = (Mutex::default(), Mutex::default());
        Arc::new(Self { records: watch::Sender::default(), checkpoints, refuse_checkpoints })
    }

    /// Adds the records that have these numbers, with 30 bytes of data each.
    pub(super) fn add(&self, numbers: impl IntoIterator<Item = u64>) {
        let record = |number: u64| SourceRecord {
            sequence: number.to_string(),
            arrival_ms: 1_000,
            partition_key: "k".to_owned(),
            data: vec![b'x'; 30].into(),
        };
        self.records.send_modify(|records| records.extend(numbers.into_iter().map(record)));
    }

    pub(super) fn done(&self) -> Option<u64> {
        self.checkpoints.lock().unwrap().last().copied()
    }
}

fn after(records: &[SourceRecord], after: Option<&str>) -> Vec<SourceRecord> {
    let after = after.map(|digits| digits.parse::<u64>().unwrap());
    records.iter().filter(|r| Some(r.sequence.parse().unwrap()) > after).cloned().collect()
}

#[async_trait::async_trait]
impl Source for Arc<MemorySource> {
    async fn shards(&self) -> anyhow::Result<Vec<String>> {
        Ok(vec![SHARD.to_owned()])
    }

    async fn read(
        &self,
        _: &str,
        from: Option<&str>,
        max: usize,
        _: usize,
    ) -> anyhow::Result<Vec<SourceRecord>> {
        let mut records = after(&self.records.borrow(), from);
        records.truncate(max);
        Ok(records)
    }

    async fn wait_beyond(&self, _: &str, from: Option<&str>) -> anyhow::Result<()> {
        self.records.subscribe().wait_for(|records| !after(records, from).is_empty()).await?;
        Ok(())
    }

    async fn last_sequence(&self, _: &str) -> anyhow::Result<Option<String>> {
        Ok(self.records.borrow().last().map(|record| record.sequence.clone()))
    }

    async fn checkpoint(&self, _: &str) -> anyhow::Result<Option<String>> {
        Ok(self.done().map(|sequence| sequence.to_string()))
    }

    async fn set_checkpoint(&self, _: &str, sequence: &str) -> anyhow::Result<()> {
        let mut refuse = self.refuse_checkpoints.lock().unwrap();
        if *refuse > 0 {
            *refuse -= 1;
            anyhow::bail!("the disk is full");
        }
        self.checkpoints.lock().unwrap().push(sequence.parse()?);
        Ok(())
    }
}

/// What a handler does with the numbers of a batch: the numbers that failed, or an error.
type Behaviour = Box<dyn FnMut(&[u64]) -> anyhow::Result<Vec<u64>> + Send>;

/// A handler that behaves as it is told and remembers what it was given, and when.
pub(super) struct Scripted {
    behaviour: Mutex<Behaviour>,
    pub(super) calls: Mutex<Vec<(Instant, Vec<u64>)>>,
}

impl Scripted {
    pub(super) fn new(
        behaviour: impl FnMut(&[u64]) -> anyhow::Result<Vec<u64>> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { behaviour: Mutex::new(Box::new(behaviour)), calls: Mutex::default() })
    }

    pub(super) fn batches(&self) -> Vec<Vec<u64>> {
        self.calls.lock().unwrap().iter().map(|(_, numbers)| numbers.clone()).collect()
    }
}

pub(super) fn numbers(event: &KinesisEvent) -> Vec<u64> {
    event.records.iter().map(|record| record.kinesis.sequence_number.parse().unwrap()).collect()
}

#[async_trait::async_trait]
impl BatchHandler for Scripted {
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        let numbers = numbers(&event);
        self.calls.lock().unwrap().push((Instant::now(), numbers.clone()));
        let failed = (*self.behaviour.lock().unwrap())(&numbers)?;
        let mut answer = KinesisEventResponse::default();
        answer.set_failures(failed.iter().map(u64::to_string));
        Ok(answer)
    }
}

/// Remembers what was parked.
#[derive(Default)]
pub(super) struct MemoryPark {
    pub(super) parked: Mutex<Vec<u64>>,
    /// How many more times parking fails.
    pub(super) refuse: Mutex<u32>,
}

#[async_trait::async_trait]
impl Park for MemoryPark {
    async fn park(
        &self,
        shard: &str,
        first: &str,
        last: &str,
        event: &KinesisEvent,
    ) -> anyhow::Result<()> {
        let mut refuse = self.refuse.lock().unwrap();
        if *refuse > 0 {
            *refuse -= 1;
            anyhow::bail!("nowhere to park");
        }
        let numbers = numbers(event);
        assert_eq!(shard, SHARD);
        assert_eq!(
            (first.parse().ok(), last.parse().ok()),
            (numbers.first().copied(), numbers.last().copied())
        );
        self.parked.lock().unwrap().extend(numbers);
        Ok(())
    }
}

/// A poller with everything around it in memory.
pub(super) struct Bench {
    pub(super) source: Arc<MemorySource>,
    pub(super) handler: Arc<Scripted>,
    pub(super) park: Arc<MemoryPark>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) poller: Arc<Poller>,
}

impl Bench {
    pub(super) async fn new(
        mapping: EventSourceMapping,
        behaviour: impl FnMut(&[u64]) -> anyhow::Result<Vec<u64>> + Send + 'static,
    ) -> Self {
        let (source, handler) = (MemorySource::new(), Scripted::new(behaviour));
        let (park, clock) = (Arc::new(MemoryPark::default()), Arc::new(ManualClock::at(1_000)));
        let parts = PollerParts {
            handler: handler.clone(),
            park: park.clone(),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(7)),
        };
        let poller = Poller::open(Arc::new(source.clone()), parts, mapping).await.unwrap();
        Self { source, handler, park, clock, poller: Arc::new(poller) }
    }

    pub(super) fn parked(&self) -> Vec<u64> {
        self.park.parked.lock().unwrap().clone()
    }
}
