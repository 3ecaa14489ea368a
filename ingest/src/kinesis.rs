//! The stream on AWS: PutRecord for one record, PutRecords for many; what was not taken is sent
//! again, and only that.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use lake::clock::Random;
use lake::limits::{MAX_PUT_BYTES, MAX_PUT_RECORDS, MAX_RECORD_BYTES};
use lake::stream::{HitStream, Position, Record, StreamError};

/// Attempts at a record before the client is told to come again.
const MAX_ATTEMPTS: u32 = 4;
/// First pause between attempts; doubles, with jitter.
const BACKOFF_MS: u64 = 40;

/// A Kinesis stream.
#[derive(Debug, Clone)]
pub struct KinesisStream {
    /// Built once, before the runtime starts.
    pub client: Client,
    /// The stream's name.
    pub name: String,
    /// Jitter of pauses.
    pub random: Arc<dyn Random>,
}

#[async_trait::async_trait]
impl HitStream for KinesisStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        // Kinesis counts the key, too.
        let bytes_of = |record: &Record| record.data.len() + record.partition_key.len();
        if let Some(bytes) = records.iter().map(bytes_of).find(|bytes| *bytes > MAX_RECORD_BYTES) {
            return Err(StreamError::TooLarge { bytes, limit: MAX_RECORD_BYTES });
        }
        let total = records.len();
        let mut positions: Vec<Option<Position>> = vec![None; total];
        let mut waiting: Vec<(usize, Record)> = records.into_iter().enumerate().collect();
        let mut reason = String::new();
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(self.pause(attempt)).await;
            }
            for chunk in chunks(&waiting) {
                match self.put_chunk(chunk).await {
                    Ok(placed) => {
                        for ((index, _), position) in chunk.iter().zip(placed) {
                            if let (Some(place), Some(position)) =
                                (positions.get_mut(*index), position)
                            {
                                *place = Some(position);
                            }
                        }
                    }
                    Err(error) => reason = error,
                }
            }
            waiting.retain(|(index, _)| positions.get(*index).is_some_and(Option::is_none));
            if waiting.is_empty() {
                return Ok(positions.into_iter().flatten().collect());
            }
        }
        if reason.is_empty() {
            "records were throttled".clone_into(&mut reason);
        }
        Err(StreamError::Unavailable {
            taken: total - waiting.len(),
            total,
            attempts: MAX_ATTEMPTS,
            reason,
        })
    }
}

impl KinesisStream {
    async fn put_chunk(&self, chunk: &[(usize, Record)]) -> Result<Vec<Option<Position>>, String> {
        let text = |error: &dyn std::error::Error| {
            aws_sdk_kinesis::error::DisplayErrorContext(error).to_string()
        };
        if let [(_, record)] = chunk {
            let put = self
                .client
                .put_record()
                .stream_name(&self.name)
                .partition_key(&record.partition_key)
                .data(Blob::new(record.data.to_vec()))
                .send()
                .await
                .map_err(|error| text(&error))?;
            return Ok(vec![Some(Position { shard: put.shard_id, sequence: put.sequence_number })]);
        }
        let entry = |(_, record): &(usize, Record)| {
            PutRecordsRequestEntry::builder()
                .partition_key(&record.partition_key)
                .data(Blob::new(record.data.to_vec()))
                .build()
        };
        let entries =
            chunk.iter().map(entry).collect::<Result<Vec<_>, _>>().map_err(|error| text(&error))?;
        let put = self
            .client
            .put_records()
            .stream_name(&self.name)
            .set_records(Some(entries))
            .send()
            .await
            .map_err(|error| text(&error))?;
        Ok(put
            .records
            .into_iter()
            .map(|record| {
                Some(Position { shard: record.shard_id?, sequence: record.sequence_number? })
            })
            .collect())
    }

    fn pause(&self, attempt: u32) -> Duration {
        let most = BACKOFF_MS << attempt;
        let part = u64::try_from(self.random.next_u128() % 1_000).unwrap_or_default();
        Duration::from_millis(most / 2 + most * part / 2_000)
    }
}

/// Runs of records within the limits of one call.
fn chunks(records: &[(usize, Record)]) -> Vec<&[(usize, Record)]> {
    let mut out = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(MAX_PUT_RECORDS).take_while(|(_, record)| {
            bytes += record.data.len() + record.partition_key.len();
            bytes <= MAX_PUT_BYTES
        });
        let (chunk, later) = rest.split_at(fits.count().max(1));
        out.push(chunk);
        rest = later;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stay_within_the_limits() {
        let records = |count: usize, bytes: usize| -> Vec<(usize, Record)> {
            (0..count)
                .map(|n| (n, Record { partition_key: String::new(), data: vec![0; bytes].into() }))
                .collect()
        };
        let sizes = |records: &[(usize, Record)]| {
            chunks(records).iter().map(|chunk| chunk.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&records(MAX_PUT_RECORDS, 1)), [MAX_PUT_RECORDS]);
        assert_eq!(sizes(&records(MAX_PUT_RECORDS + 1, 1)), [MAX_PUT_RECORDS, 1]);
        assert_eq!(sizes(&records(2, MAX_PUT_BYTES)), [1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
