//! What the writer, the readers and the checkpoint of one shard share.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::backlog::Backlog;
use super::error::StreamFileError;
use super::{checkpoint, segment};

/// Up to where the shard is durable; nobody reads beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DurableEnd {
    /// The newest segment.
    pub(super) segment: u64,
    /// How many of its bytes are durable.
    pub(super) length: u64,
    /// The last durable record, or the checkpoint when the records are gone.
    pub(super) last_sequence: Option<u64>,
}

/// One shard.
#[derive(Debug)]
pub(super) struct ShardState {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// A watch: its value is the end, its notification wakes the readers.
    pub(super) durable: watch::Sender<DurableEnd>,
    segments: Mutex<Vec<u64>>,
    backlog: Mutex<Backlog>,
}

impl ShardState {
    pub(super) fn new(
        name: &str,
        folder: PathBuf,
        end: DurableEnd,
        segments: Vec<u64>,
        backlog: Backlog,
    ) -> Self {
        Self {
            name: name.to_owned(),
            folder,
            durable: watch::Sender::new(end),
            segments: Mutex::new(segments),
            backlog: Mutex::new(backlog),
        }
    }

    pub(super) fn end(&self) -> DurableEnd {
        *self.durable.borrow()
    }

    pub(super) fn backlog(&self) -> MutexGuard<'_, Backlog> {
        locked(&self.backlog)
    }

    pub(super) fn add_segment(&self, first: u64) {
        locked(&self.segments).push(first);
    }

    /// The segment in which the record after `after` lies, if it lies in any.
    pub(super) fn segment_of_next(&self, after: Option<u64>) -> Option<u64> {
        let segments = locked(&self.segments);
        let next = after.map_or(0, |after| after.saturating_add(1));
        segments.iter().rev().find(|first| **first <= next).or(segments.first()).copied()
    }

    /// The segment that follows the one named `first`.
    pub(super) fn segment_after(&self, first: u64) -> Option<u64> {
        locked(&self.segments).iter().find(|other| **other > first).copied()
    }

    /// Stores that everything up to `sequence` is done with; never goes back.
    pub(super) fn set_checkpoint(&self, sequence: u64) -> Result<(), StreamFileError> {
        if self.backlog().checkpoint() >= Some(sequence) {
            return Ok(());
        }
        checkpoint::save(&self.folder, sequence)?;
        self.backlog().advance(sequence);
        Ok(())
    }

    /// Deletes the segments that hold nothing but what is done with; the newest stays always.
    ///
    /// The deletions need no fsync: a segment that comes back after a crash lies below the
    /// checkpoint and is deleted again.
    pub(super) fn trim(&self) -> Result<usize, StreamFileError> {
        let Some(done) = self.backlog().checkpoint() else {
            return Ok(0);
        };
        let mut segments = locked(&self.segments);
        let keep =
            segments.iter().skip(1).take_while(|next| **next <= done.saturating_add(1)).count();
        for first in segments.drain(..keep) {
            let path = segment::path(&self.folder, first);
            std::fs::remove_file(&path).map_err(StreamFileError::io(&path))?;
        }
        Ok(keep)
    }
}

/// A lock whose data stay usable when a holder panicked: every change under it is one assignment.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
