//! Replay: what was rejected or parked and can be read now goes through append after all.
//!
//! Killed anywhere and run again it ends right: a hot object's name has a digest of the records in
//! it, because they are no run of the stream: first and last do not tell which lie between. A
//! record is removed only after the hot object with it is there, and one that is appended twice
//! all the same is a copy by its id.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord, KinesisRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt as _;
use lake::account::{self, Account, Rejected};
use lake::hit::Hit;
use lake::layout;
use lake::limits::MAX_REPLAY_RECORDS;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::Deserialize;

use crate::append::Append;

/// What the names of replayed shards begin with, so that no batch of the stream has them.
const SHARD: &str = "replay-";

/// What a replay needs.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Takes the records, as from the stream.
    pub append: Append,
}

/// What became of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Rejected records that were appended and removed.
    pub replayed: usize,
    /// Objects that cannot be read still; they stay.
    pub unreadable: usize,
    /// Parked batches that were appended and removed.
    pub parked: usize,
}

/// An object of `rejected/` (CONTRACTS, "Objects").
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    /// The record.
    pub(crate) bytes_base64: String,
    /// When it came to the stream.
    pub(crate) received_at: jiff::Timestamp,
}

/// One that can be read now.
struct Readable {
    path: Path,
    record: KinesisEventRecord,
}

impl Replay {
    /// Replays everything in `rejected/` and `parked/`.
    ///
    /// # Errors
    ///
    /// When the store fails; what was replayed until then stays so, and the next run goes on.
    pub async fn run(&self) -> anyhow::Result<Replayed> {
        let mut done = Replayed::default();
        self.rejected(&mut done).await?;
        self.parked(&mut done).await?;
        tracing::info!(
            replayed = done.replayed,
            unreadable = done.unreadable,
            parked = done.parked,
            "{} rejected records replayed",
            done.replayed
        );
        Ok(done)
    }

    async fn rejected(&self, done: &mut Replayed) -> anyhow::Result<()> {
        let mut by_shard: BTreeMap<String, Vec<Readable>> = BTreeMap::new();
        for path in self.objects(layout::REJECTED).await? {
            let bytes = self.bytes(&path).await?;
            let Some((shard, record)) = readable(&path, &bytes) else {
                done.unreadable += 1;
                continue;
            };
            let waiting = by_shard.entry(shard.clone()).or_default();
            waiting.push(Readable { path, record });
            if waiting.len() >= MAX_REPLAY_RECORDS {
                let full = by_shard.remove(&shard).unwrap_or_default();
                done.replayed += self.append(&shard, full).await?;
            }
        }
        for (shard, waiting) in by_shard {
            done.replayed += self.append(&shard, waiting).await?;
        }
        Ok(())
    }

    /// Appends records of one shard and then removes them.
    async fn append(&self, shard: &str, waiting: Vec<Readable>) -> anyhow::Result<usize> {
        let (paths, mut records): (Vec<Path>, Vec<KinesisEventRecord>) =
            waiting.into_iter().map(|readable| (readable.path, readable.record)).unzip();
        let set = digest(&paths);
        for record in &mut records {
            let sequence = &record.kinesis.sequence_number;
            record.event_id = Some(format!("{SHARD}{shard}-{set:032x}:{sequence}"));
        }
        self.append.append(&records).await?;
        for (path, record) in paths.iter().zip(&records) {
            self.account(path, record).await?;
            self.remove(path).await?;
        }
        Ok(paths.len())
    }

    /// Notes that a rejected record was replayed: it is accepted under its new name alone.
    async fn account(&self, path: &Path, record: &KinesisEventRecord) -> anyhow::Result<()> {
        let (Some(dt), name) = (layout::date_of(path), account::name(path)) else { return Ok(()) };
        let arrived_ms = record.kinesis.approximate_arrival_timestamp.timestamp_millis();
        let rejected = Rejected {
            replayed: true,
            ..Rejected::of(&record.kinesis.data.0, arrived_ms, "replayed", 0)
        };
        let rejected = BTreeMap::from([(name.to_owned(), rejected)]);
        let account = Account { rejected, ..Account::default() };
        let created = account.create(self.append.store.as_ref(), dt, name).await;
        created.with_context(|| format!("writing the account of {path}"))
    }

    async fn parked(&self, done: &mut Replayed) -> anyhow::Result<()> {
        for path in self.objects(layout::PARKED).await? {
            let Some(event) = parked_event(&self.bytes(&path).await?) else {
                tracing::warn!(%path, "parked object {path} is no batch of records; it stays");
                done.unreadable += 1;
                continue;
            };
            // Records of it that cannot be read go to `rejected/`, as from the stream.
            self.append.append(&event.records).await?;
            self.remove(&path).await?;
            done.parked += 1;
        }
        Ok(())
    }

    async fn objects(&self, zone: &str) -> anyhow::Result<Vec<Path>> {
        let listed = self.append.store.list(Some(&Path::from(zone)));
        let mut paths: Vec<Path> = listed
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .with_context(|| format!("listing {zone}/"))?;
        paths.sort_unstable();
        Ok(paths)
    }

    async fn bytes(&self, path: &Path) -> anyhow::Result<bytes::Bytes> {
        let read = match self.append.store.get(path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        read.with_context(|| format!("reading {path}"))
    }

    async fn remove(&self, path: &Path) -> anyhow::Result<()> {
        let deleted = self.append.store.delete(path).await;
        deleted.with_context(|| format!("deleting {path}"))
    }
}

/// Of the names of rejected records: another set of them has another.
fn digest(paths: &[Path]) -> u128 {
    let mut digest = xxhash_rust::xxh3::Xxh3::new();
    for path in paths {
        digest.update(path.as_ref().as_bytes());
        digest.update(b"\n");
    }
    digest.digest128()
}

/// The record in a rejected object and the shard that it came from, if it is a hit now.
fn readable(path: &Path, bytes: &[u8]) -> Option<(String, KinesisEventRecord)> {
    let rejected: Stored = serde_json::from_slice(bytes).ok()?;
    let data = STANDARD.decode(rejected.bytes_base64).ok()?;
    Hit::decode(&data).ok()?;
    let (shard, sequence) = path.filename()?.strip_suffix(".json")?.rsplit_once('-')?;
    let mut kinesis = KinesisRecord::default();
    let arrived_ms = u64::try_from(rejected.received_at.as_millisecond()).unwrap_or_default();
    *kinesis.approximate_arrival_timestamp += Duration::from_millis(arrived_ms);
    kinesis.data.0 = data;
    kinesis.sequence_number = sequence.to_owned();
    let mut record = KinesisEventRecord::default();
    record.kinesis = kinesis;
    Some((shard.to_owned(), record))
}

fn parked_event(bytes: &[u8]) -> Option<KinesisEvent> {
    serde_json::from_slice(&layout::parked_event(bytes)).ok()
}
