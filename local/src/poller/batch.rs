//! Collecting a batch, and the event that Lambda would get for it.

use std::time::Duration;

use aws_lambda_events::encodings::SecondTimestamp;
use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord, KinesisRecord};
use tokio::sync::watch;

use super::Poller;
use crate::stream::{ShardReader, StoredRecord};

impl Poller {
    /// Adds to a batch until it is full or its window is over.
    pub(super) async fn collect(
        &self,
        mut records: Vec<StoredRecord>,
        reader: &mut ShardReader,
        end: &mut watch::Receiver<u64>,
        stop: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<Vec<StoredRecord>> {
        let over = tokio::time::sleep(Duration::from_millis(self.mapping.window_ms));
        tokio::pin!(over);
        let mut bytes: usize = records.iter().map(|record| record.data.len()).sum();
        while records.len() < self.mapping.batch_size && bytes < self.mapping.max_batch_bytes {
            tokio::select! {
                () = &mut over => break,
                _ = stop.wait_for(|stop| *stop) => break,
                changed = end.changed() => changed?,
            }
            let more = reader.read(self.mapping.batch_size - records.len(), self.mapping.max_batch_bytes - bytes)?;
            bytes += more.iter().map(|record| record.data.len()).sum::<usize>();
            records.extend(more);
        }
        Ok(records)
    }

    pub(super) fn event(&self, records: &[StoredRecord]) -> KinesisEvent {
        let mut event = KinesisEvent::default();
        event.records = records.iter().map(|record| self.event_record(record)).collect();
        event
    }

    fn event_record(&self, stored: &StoredRecord) -> KinesisEventRecord {
        let mut kinesis = KinesisRecord::default();
        let arrived = std::time::UNIX_EPOCH + Duration::from_millis(stored.arrival_ms.unsigned_abs());
        kinesis.approximate_arrival_timestamp = SecondTimestamp(arrived.into());
        *kinesis.data = stored.data.to_vec();
        kinesis.partition_key = stored.partition_key.clone();
        kinesis.sequence_number = stored.sequence.to_string();
        kinesis.kinesis_schema_version = Some("1.0".to_owned());
        let mut record = KinesisEventRecord::default();
        record.event_id = Some(format!("{}:{}", self.shard.name(), stored.sequence));
        record.event_name = Some("aws:kinesis:record".to_owned());
        record.event_source = Some("aws:kinesis".to_owned());
        record.event_version = Some("1.0".to_owned());
        record.kinesis = kinesis;
        record
    }
}
