//! The stream as the program uses it: opened, read, checkpointed; puts are in `put`.

use std::path::Path;
use std::sync::Arc;

use lake::clock::Clock;

use super::error::StreamFileError;
use super::reader::ShardReader;
use super::record::StoredRecord;
use super::shard::Shard;
use super::state::locked;
use super::{SEGMENT_BYTES, SHARDS, segment};

/// What may differ between streams.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions {
    /// A segment is closed when it has reached this size.
    pub segment_bytes: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES }
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
    pub(super) shards: Vec<Shard>,
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
        let shards = names
            .map(|name| Shard::open(&folder, &name, Arc::clone(&clock), options.segment_bytes));
        Ok(Self { shards: shards.collect::<Result<_, _>>()? })
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
        let _ = durable.wait_for(|end| end.last_sequence > after_sequence).await;
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
        found.ok_or_else(|| StreamFileError::NoShard { shard: name.to_owned() })
    }
}
