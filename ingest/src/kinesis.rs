//! The stream on AWS: PutRecord for one record, PutRecords for many.
//!
//! A call that fails as a whole is tried again by the SDK's client, as [`KinesisStream::new`] sets
//! it; records that Kinesis refuses one by one inside a successful call are sent again here, and
//! only they. So no attempt multiplies another.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use lake::clock::Random;
use lake::limits::{
    AWS_CONNECT_TIMEOUT, KINESIS_ATTEMPT_TIMEOUT, KINESIS_ATTEMPTS, KINESIS_FIRST_PAUSE,
    KINESIS_OPERATION_TIMEOUT, KINESIS_PARTIAL_ATTEMPTS, KINESIS_PUT_TIMEOUT, MAX_PUT_BYTES,
    MAX_PUT_RECORDS, MAX_RECORD_BYTES,
};
use lake::stream::{HitStream, Position, Record, StreamError};

/// The first pause at the longest, before refused records are sent again; doubles.
const BACKOFF: Duration = Duration::from_millis(80);

/// A Kinesis stream.
#[derive(Debug, Clone)]
pub struct KinesisStream {
    client: Client,
    name: String,
    random: Arc<dyn Random>,
}

/// A record and its place among those to be put.
type Waiting = (usize, Record);

#[async_trait::async_trait]
impl HitStream for KinesisStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        // Kinesis counts the key, too.
        let bytes_of = |record: &Record| record.data.len() + record.partition_key.len();
        if let Some(bytes) = records.iter().map(bytes_of).find(|bytes| *bytes > MAX_RECORD_BYTES) {
            return Err(StreamError::TooLarge { bytes, limit: MAX_RECORD_BYTES });
        }
        let total = records.len();
        let mut put = Put {
            positions: vec![None; total],
            waiting: records.into_iter().enumerate().collect(),
            attempts: 0,
        };
        let reason = match tokio::time::timeout(KINESIS_PUT_TIMEOUT, self.put_all(&mut put)).await {
            Ok(Ok(())) => return Ok(put.positions.into_iter().flatten().collect()),
            Ok(Err(reason)) => reason,
            Err(_) => format!("not done within {} s", KINESIS_PUT_TIMEOUT.as_secs()),
        };
        let taken = put.positions.iter().flatten().count();
        Err(StreamError::Unavailable { taken, total, attempts: put.attempts, reason })
    }
}

/// How far records have come.
struct Put {
    positions: Vec<Option<Position>>,
    waiting: Vec<Waiting>,
    attempts: u32,
}

/// Why records are not on the stream.
enum Refusal {
    /// The call failed.
    Call(String),
    /// The call succeeded and refused some of its records.
    Records(String),
}

impl KinesisStream {
    /// The stream `name`, over a client of its own with the timeouts and attempts of a beacon.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, name: String, random: Arc<dyn Random>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(AWS_CONNECT_TIMEOUT)
            .operation_attempt_timeout(KINESIS_ATTEMPT_TIMEOUT)
            .operation_timeout(KINESIS_OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_kinesis::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(KINESIS_ATTEMPTS)
                    .with_initial_backoff(KINESIS_FIRST_PAUSE),
            )
            .build();
        Self { client: Client::from_conf(config), name, random }
    }

    /// Puts until every record has its place; why not all have, where no attempt is left.
    async fn put_all(&self, put: &mut Put) -> Result<(), String> {
        loop {
            put.attempts += 1;
            let failed = self.put_waiting(&put.waiting, &mut put.positions).await;
            put.waiting.retain(|(index, _)| put.positions.get(*index).is_some_and(Option::is_none));
            if put.waiting.is_empty() {
                return Ok(());
            }
            match failed {
                // The client has tried the call again already.
                Some(Refusal::Call(reason)) => return Err(reason),
                Some(Refusal::Records(reason)) if put.attempts == KINESIS_PARTIAL_ATTEMPTS => {
                    return Err(reason);
                }
                _ if put.attempts == KINESIS_PARTIAL_ATTEMPTS => return Err(String::new()),
                _ => {
                    let longest = BACKOFF * 2_u32.saturating_pow(put.attempts - 1);
                    tokio::time::sleep(self.random.jittered(longest)).await;
                }
            }
        }
    }

    /// Puts what waits, call by call, and notes where each record lies; stops at a failed call.
    async fn put_waiting(
        &self,
        waiting: &[Waiting],
        positions: &mut [Option<Position>],
    ) -> Option<Refusal> {
        let mut refusal = None;
        for chunk in chunks(waiting) {
            let placed = match self.put_chunk(chunk).await {
                Ok(placed) => placed,
                Err(reason) => return Some(Refusal::Call(reason)),
            };
            for ((index, _), outcome) in chunk.iter().zip(placed) {
                match outcome {
                    Ok(position) => {
                        if let Some(place) = positions.get_mut(*index) {
                            *place = Some(position);
                        }
                    }
                    Err(reason) => refusal = Some(Refusal::Records(reason)),
                }
            }
        }
        refusal
    }

    async fn put_chunk(&self, chunk: &[Waiting]) -> Result<Vec<Result<Position, String>>, String> {
        let text = |error: &dyn std::error::Error| DisplayErrorContext(error).to_string();
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
            return Ok(vec![Ok(Position { shard: put.shard_id, sequence: put.sequence_number })]);
        }
        let entry = |(_, record): &Waiting| {
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
            .map(|record| match (record.shard_id, record.sequence_number) {
                (Some(shard), Some(sequence)) => Ok(Position { shard, sequence }),
                _ => Err(record.error_code.unwrap_or_else(|| "refused".to_owned())),
            })
            .collect())
    }
}

/// Runs of records within the limits of one call.
fn chunks(records: &[Waiting]) -> Vec<&[Waiting]> {
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
        let records = |count: usize, bytes: usize| -> Vec<Waiting> {
            (0..count)
                .map(|n| (n, Record { partition_key: String::new(), data: vec![0; bytes].into() }))
                .collect()
        };
        let sizes = |records: &[Waiting]| {
            chunks(records).iter().map(|chunk| chunk.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&records(MAX_PUT_RECORDS, 1)), [MAX_PUT_RECORDS]);
        assert_eq!(sizes(&records(MAX_PUT_RECORDS + 1, 1)), [MAX_PUT_RECORDS, 1]);
        assert_eq!(sizes(&records(2, MAX_PUT_BYTES)), [1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
