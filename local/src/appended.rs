//! Kinesis as an import sees it: remembers what was put, and waits until append has written it.
//!
//! Append runs elsewhere and tells nobody when it is done, but the names of hot objects do: each
//! holds a run of sequence numbers of one shard. Knows names; opens no object.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::layout;
use lake::store::StoreRef;
use lake::stream::{HitStream, Position, Record, StreamError, compare_sequences};
use serde::Deserialize;

/// How often the store is listed while hits are waited for; a list costs as much as a PUT.
const LIST_EVERY: Duration = Duration::from_secs(2);
/// Without a new hot object for this long, append is taken not to run: its window is a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// A stream that remembers, by shard and date, the last record put.
#[derive(Debug)]
pub struct AppendedStream {
    inner: Arc<dyn HitStream>,
    store: StoreRef,
    last: Mutex<BTreeMap<(Date, String), String>>,
}

impl AppendedStream {
    /// Nothing put yet.
    #[must_use]
    pub fn new(inner: Arc<dyn HitStream>, store: StoreRef) -> Self {
        Self { inner, store, last: Mutex::default() }
    }

    /// Returns when hot objects hold everything that was put through this.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed, or append writes nothing for five minutes.
    pub async fn drain(&self) -> anyhow::Result<()> {
        let mut waiting = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut patience = PATIENCE;
        loop {
            let before = waiting.len();
            let dates: std::collections::BTreeSet<Date> =
                waiting.keys().map(|(dt, _)| *dt).collect();
            for dt in dates {
                let batches = self.batches(dt).await?;
                waiting.retain(|(of, shard), last| {
                    *of != dt || !batches.iter().any(|batch| batch.holds(shard, last))
                });
            }
            if waiting.is_empty() {
                return Ok(());
            }
            patience = if waiting.len() < before { PATIENCE } else { patience };
            patience = patience.checked_sub(LIST_EVERY).with_context(|| {
                format!(
                    "the hits are on Kinesis, but append has written no object for {} s; see whether its event source mapping is enabled. Nothing is lost: importing again adds nothing twice",
                    PATIENCE.as_secs()
                )
            })?;
            tokio::time::sleep(LIST_EVERY).await;
        }
    }

    async fn batches(&self, dt: Date) -> anyhow::Result<Vec<Batch>> {
        let prefix = layout::date_prefix(layout::HOT, dt);
        let listed: Vec<_> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .with_context(|| format!("listing {prefix}"))?;
        Ok(listed.iter().filter_map(|object| Batch::of(&object.location)).collect())
    }

    fn remember(&self, records: &[Option<Date>], positions: &[Position]) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for (dt, at) in records.iter().zip(positions) {
            // What is no hit makes no hot object.
            let Some(dt) = dt else { continue };
            let known = last.entry((*dt, at.shard.clone())).or_default();
            if compare_sequences(known, &at.sequence).is_lt() {
                known.clone_from(&at.sequence);
            }
        }
    }
}

#[async_trait::async_trait]
impl HitStream for AppendedStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        let dates: Vec<Option<Date>> = records.iter().map(date_of).collect();
        let positions = self.inner.put(records).await?;
        self.remember(&dates, &positions);
        Ok(positions)
    }
}

/// The date of a record that ingest has just encoded; none of one that is no hit.
fn date_of(record: &Record) -> Option<Date> {
    #[derive(Deserialize)]
    struct OfDate {
        dt: Date,
    }
    serde_json::from_slice::<OfDate>(&record.data).map(|hit| hit.dt).ok()
}

/// The run of sequence numbers that a hot object's name tells.
#[derive(Debug)]
struct Batch {
    shard: String,
    first: String,
    last: String,
}

impl Batch {
    fn of(path: &object_store::path::Path) -> Option<Self> {
        let (shard, first, last) = layout::batch_of(path)?;
        Some(Self { shard: shard.to_owned(), first: first.to_owned(), last: last.to_owned() })
    }

    fn holds(&self, shard: &str, sequence: &str) -> bool {
        self.shard == shard
            && compare_sequences(&self.first, sequence).is_le()
            && compare_sequences(sequence, &self.last).is_le()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::hit::Hit;
    use object_store::{ObjectStoreExt as _, PutPayload};

    #[derive(Debug)]
    struct Fixed;

    #[async_trait::async_trait]
    impl HitStream for Fixed {
        async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
            let at = |number: usize| Position {
                shard: "shardId-000000000000".to_owned(),
                sequence: format!("{}", 98 + number),
            };
            Ok((0..records.len()).map(at).collect())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_objects_that_hold_the_last_records_and_for_no_others() {
        let store: StoreRef = Arc::new(lake::store::memory::MemoryStore::new());
        let stream = AppendedStream::new(Arc::new(Fixed), Arc::clone(&store));
        let dt = jiff::civil::date(2026, 11, 24);
        let hit = Hit { v: 1, dt, ..Hit::default() };
        let record = Record { partition_key: "k".into(), data: hit.encode() };
        stream.put(vec![record.clone(), record.clone(), record]).await.unwrap();
        let mut draining = Box::pin(stream.drain());
        let write = async |first: &str, last: &str| {
            let path = layout::hot_object(dt, "shardId-000000000000", first, last);
            store.put(&path, PutPayload::from_static(b"x")).await.unwrap();
        };
        for (first, last) in [("1", "99"), ("101", "200")] {
            write(first, last).await;
            let early = tokio::time::timeout(LIST_EVERY * 3, &mut draining).await;
            assert!(early.is_err(), "record 100 lies in none of the objects so far");
        }
        write("99", "100").await;
        draining.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn says_that_append_does_not_run() {
        let store: StoreRef = Arc::new(lake::store::memory::MemoryStore::new());
        let stream = AppendedStream::new(Arc::new(Fixed), store);
        let record = Record { partition_key: "k".into(), data: Hit::default().encode() };
        stream.put(vec![record]).await.unwrap();
        let error = stream.drain().await.unwrap_err().to_string();
        assert!(error.contains("event source mapping"), "{error}");
    }
}
