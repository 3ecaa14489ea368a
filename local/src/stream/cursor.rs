//! Reads the records of one segment one after the other, in large positioned reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::StreamFileError;
use super::lengths::{as_u64, as_usize};
use super::record::{self, Decoded, Frame};
use super::segment;

/// Bytes of one read, unless a record is longer.
const READ_BYTES: usize = 256 * 1024;
/// Enough bytes to tell how long the record is.
const HEAD: usize = 8;
const CUT_SHORT: &str = "the record is cut short";

/// A place in a segment.
#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    path: PathBuf,
    /// Where `buffer` begins in the file.
    base: u64,
    buffer: Vec<u8>,
    /// Where the next record begins in `buffer`.
    start: usize,
    /// Length of the record that was read last, for [`Cursor::step_back`].
    last_length: usize,
}

/// What the next record is.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// A whole record; the cursor stands behind it.
    Frame(Frame<'a>),
    /// The limit is reached.
    End,
    /// What stands here is no record; the cursor stays before it.
    Broken(&'static str),
}

impl Cursor {
    /// Stands before the first record of a segment.
    pub(super) fn open(folder: &Path, first: u64) -> Result<Self, StreamFileError> {
        let path = segment::path(folder, first);
        let file = File::open(&path).map_err(StreamFileError::io(&path))?;
        Ok(Self { file, path, base: 0, buffer: Vec::new(), start: 0, last_length: 0 })
    }

    /// Where the next record begins in the file.
    pub(super) fn offset(&self) -> u64 {
        self.base + as_u64(self.start)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file at this moment.
    pub(super) fn file_length(&self) -> Result<u64, StreamFileError> {
        Ok(self.file.metadata().map_err(StreamFileError::io(&self.path))?.len())
    }

    /// The next record that ends at or before `limit`.
    pub(super) fn next(&mut self, limit: u64) -> Result<Next<'_>, StreamFileError> {
        if self.offset() >= limit {
            return Ok(Next::End);
        }
        if !self.fill(HEAD, limit)? {
            return Ok(Next::Broken(CUT_SHORT));
        }
        let head = self.buffer.get(self.start..self.start + HEAD).unwrap_or_default();
        let needed = match record::decode(head) {
            Decoded::NeedsBytes(needed) => needed,
            Decoded::Broken(reason) => return Ok(Next::Broken(reason)),
            Decoded::Frame { length, .. } => length,
        };
        if !self.fill(needed, limit)? {
            return Ok(Next::Broken(CUT_SHORT));
        }
        match record::decode(self.buffer.get(self.start..).unwrap_or_default()) {
            Decoded::Frame { frame, length } => {
                self.start += length;
                self.last_length = length;
                Ok(Next::Frame(frame))
            }
            Decoded::Broken(reason) => Ok(Next::Broken(reason)),
            Decoded::NeedsBytes(_) => Ok(Next::Broken(CUT_SHORT)),
        }
    }

    /// Stands before the record that was read last, so that it is read again.
    pub(super) fn step_back(&mut self) {
        self.start -= std::mem::take(&mut self.last_length);
    }

    /// Makes `needed` bytes from the next record's start available; false when `limit` is nearer.
    fn fill(&mut self, needed: usize, limit: u64) -> Result<bool, StreamFileError> {
        if self.buffer.len() - self.start >= needed {
            return Ok(true);
        }
        self.buffer.drain(..self.start);
        self.base += as_u64(std::mem::take(&mut self.start));
        self.last_length = 0;
        let below_limit = as_usize(limit.saturating_sub(self.base));
        if below_limit < needed {
            return Ok(false);
        }
        let have = self.buffer.len();
        self.buffer.resize(needed.max(READ_BYTES).min(below_limit), 0);
        let rest = self.buffer.get_mut(have..).unwrap_or_default();
        let read = self.file.read_exact_at(rest, self.base + as_u64(have));
        if let Err(source) = read {
            self.buffer.truncate(have);
            return Err(StreamFileError::Io { path: self.path.clone(), source });
        }
        Ok(true)
    }
}
