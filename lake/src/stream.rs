//! The stream of hits as producers see it: put records, be told where they lie.
//!
//! Kinesis (`ingest::kinesis`) and the embedded stream of the local program both
//! implement [`HitStream`]; one conformance suite runs over them.

use bytes::Bytes;

/// One record: a hit, encoded, with the key that chooses its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Chooses the shard; the hit's id, so that no client fills a shard alone.
    pub partition_key: String,
    /// The encoded hit.
    pub data: Bytes,
}

/// Where a record lies: shard and sequence number, as Kinesis prints them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Name of the shard, such as `shardId-000000000000`.
    pub shard: String,
    /// Decimal digits, up to 56 of them; compare with [`compare_sequences`].
    pub sequence: String,
}

/// Why records could not be put.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream did not take these records after all retries; nothing was acknowledged.
    #[error(
        "stream took {taken} of {total} records after {attempts} attempts: {reason}; send them again"
    )]
    Unavailable {
        /// Records that are on the stream all the same.
        taken: usize,
        /// Records that were to be put.
        total: usize,
        /// How often it was tried.
        attempts: u32,
        /// What the stream said last.
        reason: String,
    },
    /// A record is larger than the stream's limit.
    #[error("record of {bytes} bytes is above the limit of {limit} bytes")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// A durable stream of hits.
#[async_trait::async_trait]
pub trait HitStream: Send + Sync + std::fmt::Debug {
    /// Puts all records and returns, in their order, where each lies.
    ///
    /// Returns only when every record is durable.
    ///
    /// # Errors
    ///
    /// [`StreamError::Unavailable`] when at least one record is not on the stream; those that are
    /// may be put again, because a hit counts once by its id.
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError>;
}

/// Orders sequence numbers: decimal strings of up to 186 bits, which fit no integer type.
#[must_use]
pub fn compare_sequences(left: &str, right: &str) -> std::cmp::Ordering {
    let left = left.trim_start_matches('0');
    let right = right.trim_start_matches('0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}
