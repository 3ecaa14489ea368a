//! What the poller needs from its surroundings: a source of records, a handler, a place to park.

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use bytes::Bytes;

/// A record as any source gives it; its sequence number is text, because Kinesis's fit no integer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// Decimal digits; [`lake::stream::compare_sequences`] orders them.
    pub sequence: String,
    /// When the stream took the record, in Unix milliseconds.
    pub arrival_ms: i64,
    /// The key that chose the shard.
    pub partition_key: String,
    /// What was put.
    pub data: Bytes,
}

/// A stream that can be read, with a checkpoint per shard.
#[async_trait::async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// The names of all shards.
    async fn shards(&self) -> anyhow::Result<Vec<String>>;

    /// Records after `after` in order, about `max_bytes` of them at most, or none when there are
    /// none at the moment.
    async fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        max_records: usize,
        max_bytes: usize,
    ) -> anyhow::Result<Vec<SourceRecord>>;

    /// Waits until it is worth reading after `after`.
    async fn wait_beyond(&self, shard: &str, after: Option<&str>) -> anyhow::Result<()>;

    /// The last record that is durable at this moment, if the shard has any.
    async fn last_sequence(&self, shard: &str) -> anyhow::Result<Option<String>>;

    /// Up to which record everything is done with.
    async fn checkpoint(&self, shard: &str) -> anyhow::Result<Option<String>>;

    /// Stores durably that everything up to `sequence` is done with.
    async fn set_checkpoint(&self, shard: &str, sequence: &str) -> anyhow::Result<()>;
}

/// What Lambda would call: takes a batch, says which of it failed.
#[async_trait::async_trait]
pub trait BatchHandler: Send + Sync {
    /// Handles a batch; an error is a failure of the whole batch.
    async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse>;
}

/// Where records go that cannot succeed: the destination for failures.
#[async_trait::async_trait]
pub trait Park: Send + Sync {
    /// Keeps the records from `first` to `last` durably; the checkpoint moves on only after that.
    async fn park(
        &self,
        shard: &str,
        first: &str,
        last: &str,
        event: &KinesisEvent,
    ) -> anyhow::Result<()>;
}
