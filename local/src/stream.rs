//! The embedded durable stream: shards, ordered sequence numbers, an fsync before the answer.
//!
//! Knows files and records; knows no hit. One writer thread a shard takes everything that waits,
//! writes it with one call and syncs once, so that many writers share one sync (group commit).
//!
//! A shard is a folder of segment files, named by their first sequence number. Sequence numbers
//! begin at the time of the stream's creation (Unix ms << 20): they are never used again, not even
//! after the folder was deleted while the store stayed, where they name hot objects.

mod reader;
mod record;
mod segment;
mod shard;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lake::clock::Clock;
use lake::limits::MAX_RECORD_BYTES;
use lake::stream::{HitStream, Position, Record, StreamError};

pub use reader::ShardReader;
pub use record::StoredRecord;
pub use shard::Shard;

/// Shards of a new stream.
pub const SHARDS: usize = 2;
/// A segment file is closed when it reaches this size.
pub const MAX_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Why the stream's files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading or writing failed.
    #[error("stream file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record in the middle of the stream is damaged.
    #[error("stream file {} is damaged at byte {offset}: restore the file, or move it away and lose the hits in it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
    },
}

/// The stream of a data folder.
#[derive(Debug)]
pub struct EmbeddedStream {
    shards: Vec<Arc<Shard>>,
}

impl EmbeddedStream {
    /// Opens the stream in `folder`, creating it if there is none; cuts what a crash left half
    /// written at the end of a shard, none of which was acknowledged.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the folder cannot be used or a record in the middle is damaged.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        let open = |number: usize| {
            let name = format!("shardId-{number:012}");
            Shard::open(&folder.join(&name), name, Arc::clone(&clock)).map(Arc::new)
        };
        Ok(Self { shards: (0..SHARDS).map(open).collect::<Result<_, _>>()? })
    }

    /// The shards, in the order of their numbers.
    #[must_use]
    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    fn shard_of(&self, key: &str) -> usize {
        let hash = xxhash_rust::xxh3::xxh3_64(key.as_bytes());
        usize::try_from(hash % self.shards.len().max(1) as u64).unwrap_or_default()
    }
}

#[async_trait::async_trait]
impl HitStream for EmbeddedStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        let total = records.len();
        if let Some(record) = records.iter().find(|record| record.data.len() > MAX_RECORD_BYTES) {
            return Err(StreamError::TooLarge { bytes: record.data.len(), limit: MAX_RECORD_BYTES });
        }
        let mut of_shard: Vec<Vec<Record>> = self.shards.iter().map(|_| Vec::new()).collect();
        let mut placed = Vec::with_capacity(total);
        for record in records {
            let number = self.shard_of(&record.partition_key);
            if let Some(waiting) = of_shard.get_mut(number) {
                placed.push((number, waiting.len() as u64));
                waiting.push(record);
            }
        }
        let puts = self.shards.iter().zip(of_shard).map(|(shard, records)| shard.put(records));
        let firsts = futures_util::future::join_all(puts).await;
        let taken = firsts.iter().filter(|first| first.is_ok()).count();
        let firsts = firsts.into_iter().collect::<Result<Vec<u64>, String>>().map_err(|reason| {
            StreamError::Unavailable { taken: if taken == 0 { 0 } else { total - 1 }, total, attempts: 1, reason }
        })?;
        let position = |(number, offset): (usize, u64)| Some(Position {
            shard: self.shards.get(number)?.name().to_owned(),
            sequence: (firsts.get(number)? + offset).to_string(),
        });
        Ok(placed.into_iter().filter_map(position).collect())
    }
}
