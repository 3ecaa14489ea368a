//! The embedded durable stream: what Kinesis is on AWS, in a folder.
//!
//! It owns `DATA/stream/`: shards, segment files, checkpoints. A put is answered when its records
//! are on the disk; many writers share one fsync. It knows nothing of hits or of who reads it, and
//! one process at a time may open it (the caller holds `DATA/lock`).
//!
//! One record's way: `put` chooses the shard, `writer` frames it (`record`) and
//! appends it to a segment (`segment`), [`ShardReader`] reads it up to the durable end (`state`),
//! and the checkpoint lets its segment go.

mod backlog;
mod checkpoint;
mod cursor;
mod embedded;
mod error;
mod lengths;
mod open;
mod put;
mod reader;
mod record;
mod segment;
mod shard;
mod state;
mod writer;

pub use embedded::{EmbeddedStream, StreamOptions, Waiting};
pub use error::StreamFileError;
pub use reader::ShardReader;
pub use record::StoredRecord;

/// Shards of an embedded stream: two, so that one is written while the other syncs.
pub const SHARDS: usize = 2;
/// A segment is closed when it has reached this size.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
