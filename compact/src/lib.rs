//! Append and merge: hits in, small files out; small files in, one sorted file a date out.
//!
//! Knows `lake` and the stream's batches; knows neither ingest nor query.

pub mod append;
pub mod enrich;
pub mod erase;
mod footer;
pub mod merge;
pub mod replay;
