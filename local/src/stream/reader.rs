//! Reads a shard in order, up to its durable end.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use tokio::sync::watch;

use super::record::{Parsed, parse};
use super::{FileError, StoredRecord, segment};

/// Bytes read from a file at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// A place in a shard from which records are read on.
#[derive(Debug)]
pub struct ShardReader {
    folder: PathBuf,
    next: u64,
    end: watch::Receiver<u64>,
    open: Option<(segment::Segment, File)>,
    buffer: Vec<u8>,
    used: usize,
}

impl ShardReader {
    pub(super) const fn new(folder: PathBuf, next: u64, end: watch::Receiver<u64>) -> Self {
        Self { folder, next, end, open: None, buffer: Vec::new(), used: 0 }
    }

    /// The next records, at most this many and about this many bytes; empty at the durable end.
    ///
    /// # Errors
    ///
    /// [`FileError`] when a file cannot be read or a record is damaged.
    pub fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<Vec<StoredRecord>, FileError> {
        let end = *self.end.borrow();
        let mut records = Vec::new();
        let mut bytes = 0;
        while self.next < end && records.len() < max_records && bytes < max_bytes {
            let record = self.one()?;
            if record.sequence < self.next {
                continue;
            }
            self.next = record.sequence + 1;
            bytes += record.data.len();
            records.push(record);
        }
        Ok(records)
    }

    fn one(&mut self) -> Result<StoredRecord, FileError> {
        loop {
            let rest = self.buffer.get(self.used..).unwrap_or_default();
            match parse(rest) {
                Parsed::Record(record, taken) => {
                    self.used += taken;
                    return Ok(record);
                }
                Parsed::Incomplete => {
                    if self.fill()? == 0 {
                        self.open_next()?;
                    }
                }
                Parsed::Damaged => return Err(self.damaged()),
            }
        }
    }

    fn fill(&mut self) -> Result<usize, FileError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let Some((segment, file)) = &mut self.open else { return Ok(0) };
        let start = self.buffer.len();
        self.buffer.resize(start + CHUNK_BYTES, 0);
        let free = self.buffer.get_mut(start..).unwrap_or_default();
        let read = file.read(free).map_err(|source| FileError::Io { path: segment.path.clone(), source })?;
        self.buffer.truncate(start + read);
        Ok(read)
    }

    /// Opens the segment that holds the next record: the last that begins at or before it, and
    /// after the one that has just been read to its end.
    fn open_next(&mut self) -> Result<(), FileError> {
        let segments = segment::list(&self.folder)?;
        let read = self.open.as_ref().map(|(segment, _)| segment.first);
        let holding = segments.iter().rposition(|segment| segment.first <= self.next).unwrap_or_default();
        let candidate = match read {
            None => segments.get(holding),
            Some(read) => segments.iter().find(|segment| segment.first > read),
        };
        let Some(segment) = candidate else { return Err(self.damaged()) };
        let mut file = File::open(&segment.path).map_err(|source| FileError::Io { path: segment.path.clone(), source })?;
        file.seek(SeekFrom::Start(0)).map_err(|source| FileError::Io { path: segment.path.clone(), source })?;
        self.buffer.clear();
        self.used = 0;
        self.open = Some((segment.clone(), file));
        Ok(())
    }

    fn damaged(&mut self) -> FileError {
        let path = self.open.as_ref().map_or_else(|| self.folder.clone(), |(segment, _)| segment.path.clone());
        let read = self.open.as_mut().and_then(|(_, file)| file.stream_position().ok()).unwrap_or_default();
        FileError::Damaged { path, offset: read.saturating_sub((self.buffer.len() - self.used) as u64) }
    }
}
