//! Sees one batch through: handed over, halved, tried again, parked, until all of it is done with.

use std::ops::Range;

use aws_lambda_events::event::streams::KinesisEventResponse;

use super::answer::{Verdict, verdict};
use super::backoff::{Backoff, Stop};
use super::event::kinesis_event;
use super::feed::Shard;
use super::run::Poller;
use super::source::SourceRecord;

/// The poller is to stop; what is not checkpointed comes again at the next start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// Consecutive records of the batch that are handed over together.
#[derive(Debug, Clone)]
struct Chunk {
    range: Range<usize>,
    /// Failures of this chunk since it could not be made smaller.
    failures: u32,
}

/// A batch on its way.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    pub(super) poller: &'a Poller,
    pub(super) shard: &'a Shard,
    pub(super) records: &'a [SourceRecord],
    pub(super) stop: Stop,
    pub(super) backoff: Backoff,
}

impl Delivery<'_> {
    /// Delivers the batch in order: the chunks that wait are a stack with the earliest on top.
    pub(super) async fn run(mut self) -> Result<(), Stopped> {
        let mut waiting = vec![Chunk { range: 0..self.records.len(), failures: 0 }];
        while let Some(chunk) = waiting.pop() {
            match self.attempt(&chunk).await {
                Verdict::Done => {
                    self.backoff.reset();
                    self.checkpoint(chunk.range.end).await?;
                }
                Verdict::FailedFrom(index) => {
                    self.after_failure(chunk, index, &mut waiting).await?;
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, chunk: &Chunk) -> Verdict {
        let records = self.slice(&chunk.range);
        let answer =
            self.poller.parts.handler.handle(kinesis_event(&self.shard.name, records)).await;
        let (verdict, error) = match answer {
            Ok(answer) => (verdict(&answer, records), describe(&answer)),
            Err(error) => (Verdict::FailedFrom(0), format!("{error:#}")),
        };
        if let Verdict::FailedFrom(index) = verdict {
            let from = self.sequence(chunk.range.start + index);
            let (shard, failures) = (&self.shard.name, chunk.failures);
            tracing::warn!(%shard, records = records.len(), %from, failures, %error, "a batch failed");
        }
        verdict
    }

    /// Moves the checkpoint to the failed record and decides what becomes of the rest.
    async fn after_failure(
        &mut self,
        chunk: Chunk,
        index: usize,
        waiting: &mut Vec<Chunk>,
    ) -> Result<(), Stopped> {
        let Range { start, end } = chunk.range;
        if index > 0 {
            self.backoff.reset();
            self.checkpoint(start + index).await?;
            waiting.push(Chunk { range: start + index..end, failures: 0 });
        } else if self.poller.mapping.bisect && end - start > 1 {
            let middle = start + (end - start).div_ceil(2);
            waiting.push(Chunk { range: middle..end, failures: 0 });
            waiting.push(Chunk { range: start..middle, failures: 0 });
        } else {
            let failures = chunk.failures.saturating_add(1);
            let given_up = start..start + self.hopeless(start..end, failures);
            if given_up.end < end {
                let failures = if given_up.is_empty() { failures } else { 0 };
                waiting.push(Chunk { range: given_up.end..end, failures });
            }
            if !given_up.is_empty() {
                return self.park(given_up).await;
            }
        }
        self.pause().await
    }

    /// How many records from the chunk's first on are not to be tried again.
    fn hopeless(&self, range: Range<usize>, failures: u32) -> usize {
        let mapping = &self.poller.mapping;
        if mapping.retry_attempts.is_some_and(|attempts| failures > attempts) {
            return range.len();
        }
        let Some(max_age_ms) = mapping.max_record_age_ms else {
            return 0;
        };
        let oldest_ms = self.poller.parts.clock.now_ms().saturating_sub(max_age_ms);
        self.slice(&range).iter().take_while(|record| record.arrival_ms < oldest_ms).count()
    }

    /// Parks records and moves the checkpoint behind them; tries until it succeeds.
    async fn park(&mut self, range: Range<usize>) -> Result<(), Stopped> {
        let (first, last) = (self.sequence(range.start), self.sequence(range.end - 1));
        let event = kinesis_event(&self.shard.name, self.slice(&range));
        while let Err(error) =
            self.poller.parts.park.park(&self.shard.name, first, last, &event).await
        {
            tracing::error!(shard = %self.shard.name, %first, %last, error = %format_args!("{error:#}"), "could not park records");
            self.pause().await?;
        }
        tracing::warn!(shard = %self.shard.name, %first, %last, records = range.len(), "parked records that cannot succeed");
        self.backoff.reset();
        self.checkpoint(range.end).await
    }

    /// Everything before the record number `end` of the batch is done with.
    async fn checkpoint(&mut self, end: usize) -> Result<(), Stopped> {
        let sequence = self.sequence(end - 1);
        while let Err(error) = self.poller.source.set_checkpoint(&self.shard.name, sequence).await {
            tracing::error!(shard = %self.shard.name, %sequence, error = %format_args!("{error:#}"), "could not store the checkpoint");
            self.pause().await?;
        }
        self.shard.checkpoint.send_replace(Some(sequence.to_owned()));
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), Stopped> {
        let goes_on = self
            .backoff
            .pause(&self.poller.mapping, &*self.poller.parts.random, &mut self.stop)
            .await;
        if goes_on { Ok(()) } else { Err(Stopped) }
    }
}

impl<'a> Delivery<'a> {
    fn slice(&self, range: &Range<usize>) -> &'a [SourceRecord] {
        self.records.get(range.clone()).unwrap_or_default()
    }

    fn sequence(&self, index: usize) -> &'a str {
        self.records.get(index).map_or("", |record| &record.sequence)
    }
}

fn describe(answer: &KinesisEventResponse) -> String {
    format!("the handler reported {} failed records", answer.batch_item_failures.len())
}
