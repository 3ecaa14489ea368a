//! Reads a shard in order, up to its durable end, and stays where it stopped.

use std::cmp::Ordering;
use std::sync::Arc;

use super::cursor::{Cursor, Next};
use super::error::StreamFileError;
use super::record::StoredRecord;
use super::state::{DurableEnd, ShardState};

/// A place in a shard; reading on from there costs no search.
#[derive(Debug)]
pub struct ShardReader {
    shard: Arc<ShardState>,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    segment: u64,
    cursor: Cursor,
    /// The last record before the place, as far as one was read on the way here.
    passed: Option<u64>,
}

impl ShardReader {
    pub(super) fn new(shard: Arc<ShardState>) -> Self {
        Self { shard, place: None }
    }

    /// The records after `after` in order: at most `max_records`, and at most `max_bytes` of keys
    /// and data, but one record at least when there is one.
    ///
    /// # Errors
    ///
    /// [`StreamFileError`] when a file cannot be read or is damaged.
    pub fn read(
        &mut self,
        after: Option<u64>,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredRecord>, StreamFileError> {
        let result = self.read_from_place(after, max_records, max_bytes);
        if result.is_err() {
            // Records of this call may have been passed: the next one has to search.
            self.place = None;
        }
        result
    }

    fn read_from_place(
        &mut self,
        after: Option<u64>,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredRecord>, StreamFileError> {
        let end = self.shard.end();
        let mut records = Vec::new();
        if max_records == 0 || end.last_sequence <= after {
            return Ok(records);
        }
        let mut bytes = 0;
        let Some(mut place) = self.seek(after)? else {
            return Ok(records);
        };
        while records.len() < max_records {
            let limit = place.limit(&end)?;
            match place.cursor.next(limit)? {
                Next::Frame(frame) if after >= Some(frame.stamp.sequence) => {
                    place.passed = Some(frame.stamp.sequence)
                }
                Next::Frame(frame)
                    if !records.is_empty() && bytes + frame.payload() > max_bytes =>
                {
                    place.cursor.step_back();
                    break;
                }
                Next::Frame(frame) => {
                    bytes += frame.payload();
                    place.passed = Some(frame.stamp.sequence);
                    records.push(frame.to_record());
                }
                Next::End => match self
                    .shard
                    .segment_after(place.segment)
                    .filter(|next| *next <= end.segment)
                {
                    Some(next) => {
                        place = Place { passed: place.passed, ..Place::open(&self.shard, next)? }
                    }
                    None => break,
                },
                Next::Broken(reason) => return Err(place.damaged(reason)),
            }
        }
        self.place = Some(place);
        Ok(records)
    }

    /// The place kept from the last call if it is on the way to `after`, else the segment's start.
    fn seek(&mut self, after: Option<u64>) -> Result<Option<Place>, StreamFileError> {
        let Some(segment) = self.shard.segment_of_next(after) else {
            return Ok(None);
        };
        match self.place.take() {
            Some(place) if place.is_on_the_way(segment, after) => Ok(Some(place)),
            _ => Place::open(&self.shard, segment).map(Some),
        }
    }
}

impl Place {
    fn open(shard: &ShardState, segment: u64) -> Result<Self, StreamFileError> {
        Ok(Self { segment, cursor: Cursor::open(&shard.folder, segment)?, passed: None })
    }

    fn is_on_the_way(&self, segment: u64, after: Option<u64>) -> bool {
        match self.passed {
            Some(passed) => self.segment >= segment && Some(passed) <= after,
            None => self.segment == segment,
        }
    }

    /// A closed segment is durable to its last byte, the newest up to the published length.
    fn limit(&self, end: &DurableEnd) -> Result<u64, StreamFileError> {
        match self.segment.cmp(&end.segment) {
            Ordering::Less => self.cursor.file_length(),
            Ordering::Equal => Ok(end.length),
            Ordering::Greater => Ok(0),
        }
    }

    fn damaged(&self, reason: &'static str) -> StreamFileError {
        StreamFileError::Damaged {
            path: self.cursor.path().to_owned(),
            offset: self.cursor.offset(),
            reason,
        }
    }
}
