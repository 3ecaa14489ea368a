//! The embedded stream as a source.

use std::sync::Arc;

use anyhow::Context;

use super::source::{Source, SourceRecord};
use crate::stream::{EmbeddedStream, StoredRecord};

#[async_trait::async_trait]
impl Source for Arc<EmbeddedStream> {
    async fn shards(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.shard_names().map(str::to_owned).collect())
    }

    async fn read(
        &self,
        shard: &str,
        after: Option<&str>,
        max_records: usize,
        max_bytes: usize,
    ) -> anyhow::Result<Vec<SourceRecord>> {
        let (stream, shard, after) = (Self::clone(self), shard.to_owned(), number(after)?);
        let read = move || EmbeddedStream::read(&stream, &shard, after, max_records, max_bytes);
        let records = tokio::task::spawn_blocking(read).await??;
        Ok(records.into_iter().map(SourceRecord::from).collect())
    }

    async fn wait_beyond(&self, shard: &str, after: Option<&str>) -> anyhow::Result<()> {
        Ok(EmbeddedStream::wait_beyond(self, shard, number(after)?).await?)
    }

    async fn last_sequence(&self, shard: &str) -> anyhow::Result<Option<String>> {
        Ok(EmbeddedStream::last_sequence(self, shard)?.map(|sequence| sequence.to_string()))
    }

    async fn checkpoint(&self, shard: &str) -> anyhow::Result<Option<String>> {
        Ok(EmbeddedStream::checkpoint(self, shard)?.map(|sequence| sequence.to_string()))
    }

    /// Also deletes the segments that are done with.
    async fn set_checkpoint(&self, shard: &str, sequence: &str) -> anyhow::Result<()> {
        let (stream, shard) = (Self::clone(self), shard.to_owned());
        let Some(sequence) = number(Some(sequence))? else {
            return Ok(());
        };
        let store = move || {
            EmbeddedStream::set_checkpoint(&stream, &shard, sequence)?;
            // The checkpoint holds; what could not be deleted is deleted after a later one.
            if let Err(error) = stream.trim() {
                tracing::warn!(%shard, %error, "segments that are done with could not be deleted");
            }
            anyhow::Ok(())
        };
        tokio::task::spawn_blocking(store).await?
    }
}

impl From<StoredRecord> for SourceRecord {
    fn from(record: StoredRecord) -> Self {
        Self {
            sequence: record.sequence.to_string(),
            arrival_ms: record.arrival_ms,
            partition_key: record.partition_key,
            data: record.data,
        }
    }
}

fn number(sequence: Option<&str>) -> anyhow::Result<Option<u64>> {
    let parse = |digits: &str| {
        digits.parse().with_context(|| format!("{digits} is no sequence number of this stream"))
    };
    sequence.map(parse).transpose()
}
