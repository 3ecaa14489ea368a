//! Opens a shard after whatever ended the last process.
//!
//! Everything behind the checkpoint is read and checked. An unfinished write at the very end is
//! cut off; damage anywhere else stops the opening.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lake::clock::Clock;

use super::backlog::Backlog;
use super::cursor::{Cursor, Next};
use super::error::StreamFileError;
use super::lengths::{as_u64, as_usize};
use super::record::{self, Decoded};
use super::state::{DurableEnd, ShardState};
use super::{checkpoint, segment};

/// A shard that is ready to be written and read.
#[derive(Debug)]
pub(super) struct OpenShard {
    pub(super) state: ShardState,
    /// The newest segment, for appending.
    pub(super) file: File,
    pub(super) next_sequence: u64,
}

/// Opens the shard `name` in `folder`, which is made when it is absent.
pub(super) fn open_shard(
    folder: &Path,
    name: &str,
    clock: &dyn Clock,
) -> Result<OpenShard, StreamFileError> {
    let folder = folder.join(name);
    if !folder.is_dir() {
        std::fs::create_dir_all(&folder).map_err(StreamFileError::io(&folder))?;
        folder.parent().map_or(Ok(()), segment::sync_folder)?;
    }
    let done = checkpoint::load(&folder)?;
    let floor = sequence_floor(clock.now_ms());
    let mut segments = segment::list(&folder)?;
    if segments.is_empty() {
        let first = floor.max(done.map_or(0, |done| done.saturating_add(1)));
        segment::create(&folder, first)?;
        segments.push(first);
    }
    let newest = segments.last().copied().unwrap_or(floor);
    let mut scan = Scan { backlog: Backlog::new(done), last: None, length: 0 };
    for (first, next) in segments.iter().zip(segments.iter().skip(1)) {
        if done.is_none_or(|done| *next > done.saturating_add(1)) {
            scan.closed_segment(&folder, *first)?;
        }
    }
    scan.newest_segment(&folder, newest)?;
    let last_sequence = scan.last.max(done);
    let next_sequence =
        last_sequence.map_or(0, |last| last.saturating_add(1)).max(newest).max(floor);
    let end = DurableEnd { segment: newest, length: scan.length, last_sequence };
    let file = segment::open_for_append(&folder, newest)?;
    let state = ShardState::new(name, folder, end, segments, scan.backlog);
    Ok(OpenShard { state, file, next_sequence })
}

/// The least sequence number that may be given from now on: the time, with room for a thousand
/// million records a second.
///
/// Taken at every opening, it is above every number that was ever given: those in a stream folder
/// that was deleted, and those of records that were seen in memory but lost with the power. The
/// names of hot objects are made of these numbers, so one that is used twice would lose hits.
fn sequence_floor(now_ms: i64) -> u64 {
    u64::try_from(now_ms).unwrap_or(0).min(1 << 43) << 20
}

/// What reading through the segments has found so far.
struct Scan {
    backlog: Backlog,
    last: Option<u64>,
    /// Bytes of whole records in the segment that was read last.
    length: u64,
}

impl Scan {
    /// A closed segment was durable before the next was begun: it has no excuse.
    fn closed_segment(&mut self, folder: &Path, first: u64) -> Result<(), StreamFileError> {
        let mut cursor = Cursor::open(folder, first)?;
        match self.whole_records(&mut cursor)? {
            None => Ok(()),
            Some(reason) => Err(damaged(&cursor, reason)),
        }
    }

    fn newest_segment(&mut self, folder: &Path, first: u64) -> Result<(), StreamFileError> {
        let mut cursor = Cursor::open(folder, first)?;
        if let Some(reason) = self.whole_records(&mut cursor)? {
            if acknowledged_bytes_follow(&cursor)? {
                return Err(damaged(&cursor, reason));
            }
            let cut = cursor.file_length()? - self.length;
            tracing::warn!(file = %cursor.path().display(), offset = self.length, cut, "cut an unfinished write off the stream");
        }
        // What a killed process wrote may be in the page cache only; from here on it counts as
        // durable, so it has to be.
        let file = segment::open_for_append(folder, first)?;
        let settle = || file.set_len(self.length).and_then(|()| file.sync_all());
        settle().map_err(StreamFileError::io(cursor.path()))?;
        segment::sync_folder(folder)
    }

    /// Reads whole records up to the end of the file, or to what is none.
    fn whole_records(
        &mut self,
        cursor: &mut Cursor,
    ) -> Result<Option<&'static str>, StreamFileError> {
        let limit = cursor.file_length()?;
        loop {
            self.length = cursor.offset();
            let stamp = match cursor.next(limit)? {
                Next::Frame(frame) => frame.stamp,
                Next::End => return Ok(None),
                Next::Broken(reason) => return Ok(Some(reason)),
            };
            if self.last >= Some(stamp.sequence) {
                cursor.step_back();
                return Err(damaged(cursor, "its sequence number is not above the one before"));
            }
            self.last = Some(stamp.sequence);
            self.backlog.push(stamp.sequence, stamp.sequence, stamp.arrival_ms);
        }
    }
}

/// Whether behind the broken record a whole one follows that was written after the broken one had
/// become durable.
///
/// The pages of one unfinished group may reach the disk in any order, so a whole record of the
/// same group proves nothing and may be cut: nobody was told that it is there.
fn acknowledged_bytes_follow(cursor: &Cursor) -> Result<bool, StreamFileError> {
    let broken_at = cursor.offset();
    let mut tail = vec![0; as_usize(cursor.file_length()?.saturating_sub(broken_at))];
    let read = File::open(cursor.path()).and_then(|file| file.read_exact_at(&mut tail, broken_at));
    read.map_err(StreamFileError::io(cursor.path()))?;
    let is_later_group = |at: &usize| {
        let bytes = tail.get(*at..).unwrap_or_default();
        let possible = broken_at + 1..=broken_at + as_u64(*at);
        record::peek_durable_before(bytes).is_some_and(|durable| possible.contains(&durable))
            && matches!(record::decode(bytes), Decoded::Frame { .. })
    };
    Ok((1..tail.len()).any(|at| is_later_group(&at)))
}

fn damaged(cursor: &Cursor, reason: &'static str) -> StreamFileError {
    StreamFileError::Damaged { path: cursor.path().to_owned(), offset: cursor.offset(), reason }
}
