//! The stream as the program uses it: shards opened, puts spread over them, reads and checkpoints.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use lake::clock::Clock;
use lake::limits::MAX_RECORD_BYTES;
use lake::stream::{HitStream, Position, Record, StreamError};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

use super::error::StreamFileError;
use super::lengths::{as_u64, as_usize};
use super::open::open_shard;
use super::reader::ShardReader;
use super::record::StoredRecord;
use super::state::{ShardState, locked};
use super::writer::{Put, PutAnswer, ShardWriter};
use super::{SEGMENT_BYTES, SHARDS, segment};

/// What may differ between streams.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions {
    /// A segment is closed when it has reached this size.
    pub segment_bytes: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
        }
    }
}

/// What lies behind the checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Records that are durable and not yet done with.
    pub records: u64,
    /// Arrival of the oldest of them in Unix milliseconds, at most a second too early.
    pub oldest_arrival_ms: Option<i64>,
}

/// A durable stream in a folder.
#[derive(Debug)]
pub struct EmbeddedStream {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    state: Arc<ShardState>,
    reader: Mutex<ShardReader>,
    /// None only while the stream is dropped.
    puts: Option<Sender<Put>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStream {
    /// Opens `DATA/stream/`, which is made when it is absent.
    ///
    /// The caller holds the lock of the data folder: two openings at once would destroy each
    /// other's records.
    ///
    /// # Errors
    ///
    /// [`StreamFileError`] when a file cannot be read, or is damaged where records were
    /// acknowledged.
    pub fn open(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StreamFileError> {
        Self::open_with(data_dir, clock, StreamOptions::default())
    }

    /// Opens the stream with other options than the usual ones.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedStream::open`].
    pub fn open_with(
        data_dir: &Path,
        clock: Arc<dyn Clock>,
        options: StreamOptions,
    ) -> Result<Self, StreamFileError> {
        let folder = data_dir.join("stream");
        if !folder.is_dir() {
            std::fs::create_dir_all(&folder).map_err(StreamFileError::io(&folder))?;
            segment::sync_folder(data_dir)?;
        }
        let names = (0..SHARDS).map(|number| format!("shardId-{number:012}"));
        let shards = names.map(|name| Shard::open(&folder, &name, Arc::clone(&clock), options));
        Ok(Self {
            shards: shards.collect::<Result<_, _>>()?,
        })
    }

    /// The names of the shards.
    pub fn shard_names(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().map(|shard| shard.state.name.as_str())
    }

    /// Reads as [`ShardReader::read`] does, with the reader that the stream keeps for the shard;
    /// it is quick when each call goes on where the last one stopped. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`StreamFileError`] when there is no such shard, or its files cannot be read.
    pub fn read(
        &self,
        shard: &str,
        after_sequence: Option<u64>,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredRecord>, StreamFileError> {
        locked(&self.shard(shard)?.reader).read(after_sequence, max_records, max_bytes)
    }

    /// A reader of one's own.
    ///
    /// # Errors
    ///
    /// [`StreamFileError::NoShard`].
    pub fn reader(&self, shard: &str) -> Result<ShardReader, StreamFileError> {
        Ok(ShardReader::new(Arc::clone(&self.shard(shard)?.state)))
    }

    /// The last record of the shard that is durable, if it ever had one.
    ///
    /// # Errors
    ///
    /// [`StreamFileError::NoShard`].
    pub fn last_sequence(&self, shard: &str) -> Result<Option<u64>, StreamFileError> {
        Ok(self.shard(shard)?.state.end().last_sequence)
    }

    /// Waits until the shard has a durable record after `after_sequence`.
    ///
    /// # Errors
    ///
    /// [`StreamFileError::NoShard`].
    pub async fn wait_beyond(
        &self,
        shard: &str,
        after_sequence: Option<u64>,
    ) -> Result<(), StreamFileError> {
        let mut durable = self.shard(shard)?.state.durable.subscribe();
        // The sender lives in `self`, so that the wait cannot end without a record.
        let _ = durable
            .wait_for(|end| end.last_sequence > after_sequence)
            .await;
        Ok(())
    }

    /// Up to which record of the shard everything is done with.
    ///
    /// # Errors
    ///
    /// [`StreamFileError::NoShard`].
    pub fn checkpoint(&self, shard: &str) -> Result<Option<u64>, StreamFileError> {
        Ok(self.shard(shard)?.state.backlog().checkpoint())
    }

    /// Stores durably that everything up to `sequence` is done with; an earlier number changes
    /// nothing. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`StreamFileError`] when there is no such shard, or the checkpoint cannot be written; then
    /// the old one holds.
    pub fn set_checkpoint(&self, shard: &str, sequence: u64) -> Result<(), StreamFileError> {
        self.shard(shard)?.state.set_checkpoint(sequence)
    }

    /// Deletes the segments that lie wholly at or below the checkpoint, except the newest of each
    /// shard; returns how many. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`StreamFileError`] when a file cannot be deleted.
    pub fn trim(&self) -> Result<usize, StreamFileError> {
        self.shards.iter().map(|shard| shard.state.trim()).sum()
    }

    /// What lies behind the checkpoints of all shards.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.shards.iter().fold(Waiting::default(), |sum, shard| {
            let backlog = shard.state.backlog();
            let oldest = [sum.oldest_arrival_ms, backlog.oldest_arrival_ms()];
            Waiting {
                records: sum.records + backlog.records(),
                oldest_arrival_ms: oldest.into_iter().flatten().min(),
            }
        })
    }

    fn shard(&self, name: &str) -> Result<&Shard, StreamFileError> {
        let found = self.shards.iter().find(|shard| shard.state.name == name);
        found.ok_or_else(|| StreamFileError::NoShard {
            shard: name.to_owned(),
        })
    }
}

impl Shard {
    fn open(
        folder: &Path,
        name: &str,
        clock: Arc<dyn Clock>,
        options: StreamOptions,
    ) -> Result<Self, StreamFileError> {
        let writer = ShardWriter::new(
            open_shard(folder, name, &*clock)?,
            clock,
            options.segment_bytes,
        );
        let state = Arc::clone(writer.state());
        let (puts, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new().name(format!(
            "stream-{}",
            name.trim_start_matches("shardId-0000")
        ));
        let thread = thread
            .spawn(move || writer.run(&waiting))
            .map_err(StreamFileError::io(folder))?;
        let reader = Mutex::new(ShardReader::new(Arc::clone(&state)));
        Ok(Self {
            state,
            reader,
            puts: Some(puts),
            writer: Some(thread),
        })
    }

    /// Hands records to the writer; none when there are none.
    fn send(&self, records: Vec<Record>) -> Option<oneshot::Receiver<PutAnswer>> {
        if records.is_empty() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        if let Some(puts) = &self.puts {
            // When the writer has gone, the answer's sender goes too, and the receiver says so.
            let _ = puts.send(Put { records, answer });
        }
        Some(answered)
    }
}

impl Drop for Shard {
    /// Lets the writer finish what waits.
    fn drop(&mut self) {
        self.puts = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[async_trait::async_trait]
impl HitStream for EmbeddedStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        refuse_too_large(&records)?;
        let (groups, placement) = self.spread(records);
        let counts: Vec<usize> = groups.iter().map(Vec::len).collect();
        let answers: Vec<_> = self
            .shards
            .iter()
            .zip(groups)
            .map(|(shard, group)| shard.send(group))
            .collect();
        let mut firsts = Vec::with_capacity(answers.len());
        let mut taken = 0;
        let mut failure = None;
        for (answer, count) in answers.into_iter().zip(counts) {
            match settle(answer).await {
                Ok(first) => {
                    taken += count;
                    firsts.push(first);
                }
                Err(reason) => failure = Some(reason),
            }
        }
        if let Some(reason) = failure {
            return Err(StreamError::Unavailable {
                taken,
                total: placement.len(),
                attempts: 1,
                reason,
            });
        }
        Ok(self.positions(&firsts, &placement))
    }
}

/// Where a record of a put went: shard, and number among the put's records there.
type Placement = Vec<(usize, u64)>;

impl EmbeddedStream {
    fn spread(&self, records: Vec<Record>) -> (Vec<Vec<Record>>, Placement) {
        let mut groups: Vec<Vec<Record>> = self.shards.iter().map(|_| Vec::new()).collect();
        let mut placement = Vec::with_capacity(records.len());
        for record in records {
            let shard =
                as_usize(xxh3_64(record.partition_key.as_bytes()) % as_u64(groups.len().max(1)));
            if let Some(group) = groups.get_mut(shard) {
                placement.push((shard, as_u64(group.len())));
                group.push(record);
            }
        }
        (groups, placement)
    }

    fn positions(&self, firsts: &[u64], placement: &[(usize, u64)]) -> Vec<Position> {
        let position = |(shard, number): &(usize, u64)| {
            let (shard, first) = self.shards.get(*shard).zip(firsts.get(*shard))?;
            Some(Position {
                shard: shard.state.name.clone(),
                sequence: (first + number).to_string(),
            })
        };
        placement.iter().filter_map(position).collect()
    }
}

fn refuse_too_large(records: &[Record]) -> Result<(), StreamError> {
    let sizes = records
        .iter()
        .map(|record| record.partition_key.len() + record.data.len());
    match sizes.max() {
        Some(bytes) if bytes > MAX_RECORD_BYTES => Err(StreamError::TooLarge {
            bytes,
            limit: MAX_RECORD_BYTES,
        }),
        _ => Ok(()),
    }
}

/// Waits for the writer's answer; a shard that was given nothing answers at once.
async fn settle(answer: Option<oneshot::Receiver<PutAnswer>>) -> Result<u64, String> {
    match answer {
        None => Ok(0),
        Some(answer) => match answer.await {
            Ok(Ok(first)) => Ok(first),
            Ok(Err(reason)) => Err(reason.to_string()),
            Err(_) => Err("the writer of the shard has ended".to_owned()),
        },
    }
}
