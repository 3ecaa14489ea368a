//! The poller over the embedded stream: over restarts, with several shards.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use hitlake::poller::{BatchHandler, EventSourceMapping, Park, Poller, PollerParts};
use hitlake::stream::EmbeddedStream;
use lake::clock::{ManualClock, SeededRandom};
use lake::stream::{HitStream, Position, Record, compare_sequences};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

/// Remembers what it was given; hangs, once it has remembered, while it is told to.
#[derive(Default)]
struct Remembering {
    given: Mutex<Vec<(String, String)>>,
    hangs: bool,
    reached: Notify,
}

#[async_trait::async_trait]
impl BatchHandler for Remembering {
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        for record in event.records {
            let id = record.event_id.unwrap();
            let (shard, sequence) = id.split_once(':').unwrap();
            self.given.lock().unwrap().push((shard.to_owned(), sequence.to_owned()));
        }
        if self.hangs {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(KinesisEventResponse::default())
    }
}

struct NoPark;

#[async_trait::async_trait]
impl Park for NoPark {
    async fn park(&self, _: &str, _: &str, _: &str, _: &KinesisEvent) -> anyhow::Result<()> {
        anyhow::bail!("nothing is to be parked")
    }
}

async fn open(data: &Path, handler: Arc<Remembering>) -> (Arc<EmbeddedStream>, Arc<Poller>) {
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let stream = Arc::new(EmbeddedStream::open(data, clock.clone()).unwrap());
    let parts = PollerParts {
        handler,
        park: Arc::new(NoPark),
        clock,
        random: Arc::new(SeededRandom::new(1)),
    };
    let mapping =
        EventSourceMapping { batch_size: 7, window_ms: 20, ..EventSourceMapping::local() };
    let poller = Poller::open(Arc::new(Arc::clone(&stream)), parts, mapping).await.unwrap();
    (stream, Arc::new(poller))
}

async fn put(stream: &EmbeddedStream, count: usize) -> Vec<Position> {
    let record = |number| Record { partition_key: format!("{number}"), data: "hit".into() };
    stream.put((0..count).map(record).collect()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_put_is_handled_in_order_while_it_runs() {
    let data = TempDir::new().unwrap();
    let handler = Arc::new(Remembering::default());
    let (stream, poller) = open(data.path(), Arc::clone(&handler)).await;
    let (shutdown, stop) = watch::channel(false);
    let running = tokio::spawn({
        let poller = Arc::clone(&poller);
        async move { poller.run(stop).await }
    });
    let mut expected = HashSet::new();
    for _ in 0..20 {
        expected.extend(put(&stream, 10).await);
    }
    poller.wait_for(&expected.iter().cloned().collect::<Vec<_>>()).await.unwrap();
    shutdown.send_replace(true);
    running.await.unwrap().unwrap();
    let mut last = HashMap::new();
    for (shard, sequence) in handler.given.lock().unwrap().clone() {
        if let Some(before) = last.insert(shard.clone(), sequence.clone()) {
            assert!(compare_sequences(&before, &sequence).is_lt());
        }
        assert!(expected.remove(&Position { shard, sequence }));
    }
    assert!(expected.is_empty());
    assert_eq!((last.len(), stream.waiting().records), (2, 0));
}

#[tokio::test]
async fn what_was_handled_before_a_crash_but_not_checkpointed_comes_again() {
    let data = TempDir::new().unwrap();
    let hanging = Arc::new(Remembering { hangs: true, ..Remembering::default() });
    let (stream, poller) = open(data.path(), Arc::clone(&hanging)).await;
    let positions = put(&stream, 3).await;
    let crashing = tokio::spawn(async move { poller.drain().await });
    hanging.reached.notified().await;
    crashing.abort();
    assert!(crashing.await.unwrap_err().is_cancelled());
    drop(stream);
    let handler = Arc::new(Remembering::default());
    let (stream, poller) = open(data.path(), Arc::clone(&handler)).await;
    assert_eq!(stream.waiting().records, 3);
    poller.drain().await.unwrap();
    let given: HashSet<_> = handler.given.lock().unwrap().iter().cloned().collect();
    assert!(hanging.given.lock().unwrap().iter().all(|record| given.contains(record)));
    assert_eq!(
        given,
        positions.into_iter().map(|position| (position.shard, position.sequence)).collect()
    );
    assert_eq!(stream.waiting().records, 0);
    poller.drain().await.unwrap();
    assert_eq!(handler.given.lock().unwrap().len(), 3, "once");
}
