//! Puts: spreads records over the shards and waits until all of them are durable.

use lake::limits::MAX_RECORD_BYTES;
use lake::stream::{HitStream, Position, Record, StreamError};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

use super::embedded::EmbeddedStream;
use super::lengths::{as_u64, as_usize};
use super::writer::PutAnswer;

#[async_trait::async_trait]
impl HitStream for EmbeddedStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        refuse_too_large(&records)?;
        let (groups, placement) = self.spread(records);
        let counts: Vec<usize> = groups.iter().map(Vec::len).collect();
        let answers: Vec<_> =
            self.shards.iter().zip(groups).map(|(shard, group)| shard.send(group)).collect();
        let mut firsts = Vec::with_capacity(answers.len());
        let mut taken = 0;
        let mut failure = None;
        for (answer, count) in answers.into_iter().zip(counts) {
            match settle(answer).await {
                Ok(first) => {
                    taken += count;
                    firsts.push(first);
                }
                Err(reason) => failure = Some(reason),
            }
        }
        if let Some(reason) = failure {
            return Err(StreamError::Unavailable {
                taken,
                total: placement.len(),
                attempts: 1,
                reason,
            });
        }
        Ok(self.positions(&firsts, &placement))
    }
}

/// Where a record of a put went: shard, and number among the put's records there.
type Placement = Vec<(usize, u64)>;

impl EmbeddedStream {
    fn spread(&self, records: Vec<Record>) -> (Vec<Vec<Record>>, Placement) {
        let mut groups: Vec<Vec<Record>> = self.shards.iter().map(|_| Vec::new()).collect();
        let mut placement = Vec::with_capacity(records.len());
        for record in records {
            let shard =
                as_usize(xxh3_64(record.partition_key.as_bytes()) % as_u64(groups.len().max(1)));
            if let Some(group) = groups.get_mut(shard) {
                placement.push((shard, as_u64(group.len())));
                group.push(record);
            }
        }
        (groups, placement)
    }

    fn positions(&self, firsts: &[u64], placement: &[(usize, u64)]) -> Vec<Position> {
        let position = |(shard, number): &(usize, u64)| {
            let (shard, first) = self.shards.get(*shard).zip(firsts.get(*shard))?;
            Some(Position {
                shard: shard.state.name.clone(),
                sequence: (first + number).to_string(),
            })
        };
        placement.iter().filter_map(position).collect()
    }
}

fn refuse_too_large(records: &[Record]) -> Result<(), StreamError> {
    let sizes = records.iter().map(|record| record.partition_key.len() + record.data.len());
    match sizes.max() {
        Some(bytes) if bytes > MAX_RECORD_BYTES => {
            Err(StreamError::TooLarge { bytes, limit: MAX_RECORD_BYTES })
        }
        _ => Ok(()),
    }
}

/// Waits for the writer's answer; a shard that was given nothing answers at once.
async fn settle(answer: Option<oneshot::Receiver<PutAnswer>>) -> Result<u64, String> {
    match answer {
        None => Ok(0),
        Some(answer) => match answer.await {
            Ok(Ok(first)) => Ok(first),
            Ok(Err(reason)) => Err(reason.to_string()),
            Err(_) => Err("the writer of the shard has ended".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::clock::ManualClock;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_shard_without_a_writer_makes_the_put_unavailable_and_says_how_many_were_taken() {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(1_000));
        let mut stream = EmbeddedStream::open(data.path(), clock).unwrap();
        stream.shards[1].puts = None;
        let record = |number: u32| Record { partition_key: number.to_string(), data: "x".into() };
        let error = stream.put((0..100).map(record).collect()).await.unwrap_err();
        let stored = stream.waiting().records;
        assert!(0 < stored && stored < 100);
        assert!(
            matches!(error, StreamError::Unavailable { taken, total: 100, .. } if as_u64(taken) == stored)
        );
    }
}
