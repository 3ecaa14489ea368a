//! One shard: a writer thread, its durable end, its checkpoint.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use lake::clock::Clock;
use lake::stream::Record;
use tokio::sync::{oneshot, watch};

use super::{FileError, MAX_SEGMENT_BYTES, ShardReader, record, segment};

/// Bytes that one write takes at most before it is synced.
pub(super) const MAX_GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Sequence number of the first record, or why none was written.
type Answer = Result<u64, String>;

struct Put {
    records: Vec<Record>,
    answer: oneshot::Sender<Answer>,
}

/// One shard of the embedded stream.
#[derive(Debug)]
pub struct Shard {
    name: String,
    folder: PathBuf,
    puts: Sender<Put>,
    /// The sequence number after the last durable record.
    end: watch::Receiver<u64>,
    /// The sequence number after the last record that is done with.
    checkpoint: watch::Sender<u64>,
}

impl Shard {
    pub(super) fn open(folder: &Path, name: String, clock: Arc<dyn Clock>) -> Result<Self, FileError> {
        std::fs::create_dir_all(folder).map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
        if let Some(parent) = folder.parent() {
            segment::sync_folder(parent)?;
        }
        let segments = segment::list(folder)?;
        let (next, bytes, first) = match segments.last() {
            Some(newest) => {
                let checked = segment::check_newest(newest)?;
                (checked.next, checked.bytes, newest.first)
            }
            None => {
                let first = u64::try_from(clock.now_ms()).unwrap_or_default() << 20;
                (first, 0, first)
            }
        };
        let file = segment::create(folder, first)?;
        let oldest = segments.first().map_or(first, |segment| segment.first);
        let checkpoint = watch::Sender::new(read_checkpoint(folder)?.unwrap_or(oldest));
        let (puts, waiting) = channel();
        let (publish, end) = watch::channel(next);
        let writer = Writer { folder: folder.to_owned(), file, next, bytes, clock, publish, failed: None, buffer: Vec::new() };
        let started = std::thread::Builder::new().name(name.clone()).spawn(move || writer.run(&waiting));
        started.map_err(|source| FileError::Io { path: folder.to_owned(), source })?;
        Ok(Self { name, folder: folder.to_owned(), puts, end, checkpoint })
    }

    /// Its name, such as `shardId-000000000000`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts records; the first's sequence number, the others follow it.
    pub(super) async fn put(&self, records: Vec<Record>) -> Answer {
        if records.is_empty() {
            return Ok(0);
        }
        let (answer, answered) = oneshot::channel();
        let gone = || format!("the writer of {} has ended", self.name);
        self.puts.send(Put { records, answer }).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// The sequence number after the last durable record; changes when records become durable.
    #[must_use]
    pub fn end(&self) -> watch::Receiver<u64> {
        self.end.clone()
    }

    /// The sequence number after the last record that is done with.
    #[must_use]
    pub fn checkpoint(&self) -> u64 {
        *self.checkpoint.borrow()
    }

    /// Changes when the checkpoint does.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<u64> {
        self.checkpoint.subscribe()
    }

    /// Notes durably that all records before `next` are done with, and deletes segments that hold
    /// only such records.
    ///
    /// # Errors
    ///
    /// When the checkpoint cannot be written; it stays where it was.
    pub fn set_checkpoint(&self, next: u64) -> Result<(), FileError> {
        let path = self.folder.join("checkpoint");
        let temporary = self.folder.join("checkpoint.tmp");
        let written = (|| {
            let mut file = File::create(&temporary)?;
            file.write_all(next.to_string().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        })();
        written.map_err(|source| FileError::Io { path, source })?;
        segment::sync_folder(&self.folder)?;
        self.checkpoint.send_replace(next);
        self.trim(next)
    }

    fn trim(&self, next: u64) -> Result<(), FileError> {
        let segments = segment::list(&self.folder)?;
        for pair in segments.windows(2) {
            if let [old, newer] = pair
                && newer.first <= next
            {
                std::fs::remove_file(&old.path).map_err(|source| FileError::Io { path: old.path.clone(), source })?;
            }
        }
        Ok(())
    }

    /// A reader from a sequence number on.
    #[must_use]
    pub fn reader(&self, from: u64) -> ShardReader {
        ShardReader::new(self.folder.clone(), from, self.end())
    }
}

fn read_checkpoint(folder: &Path) -> Result<Option<u64>, FileError> {
    let path = folder.join("checkpoint");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Io { path, source }),
    }
}

struct Writer {
    folder: PathBuf,
    file: File,
    next: u64,
    bytes: u64,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<u64>,
    /// After a failed write or sync nobody knows what is on the disk, and a later sync that
    /// succeeds proves nothing about it: the shard takes no more until it is opened anew.
    failed: Option<String>,
    buffer: Vec<u8>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Put>) {
        while let Ok(first) = waiting.recv() {
            let group = self.gather(first, waiting);
            match self.commit() {
                Ok(()) => {
                    for (put, sequence) in group {
                        let _ = put.answer.send(Ok(sequence));
                    }
                    self.publish.send_replace(self.next);
                }
                Err(reason) => {
                    for (put, _) in group {
                        let _ = put.answer.send(Err(reason.clone()));
                    }
                }
            }
        }
    }

    /// Everything that waits, up to a size, laid out in the buffer.
    fn gather(&mut self, first: Put, waiting: &Receiver<Put>) -> Vec<(Put, u64)> {
        let arrival_ms = self.clock.now_ms();
        self.buffer.clear();
        let mut group = Vec::new();
        let mut put = first;
        loop {
            let sequence = self.next;
            for record in &put.records {
                record::write(&mut self.buffer, self.next, arrival_ms, &record.partition_key, &record.data);
                self.next += 1;
            }
            group.push((put, sequence));
            if self.buffer.len() >= MAX_GROUP_BYTES / 2 {
                return group;
            }
            put = match waiting.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return group,
            };
        }
    }

    fn commit(&mut self) -> Result<(), String> {
        if let Some(reason) = &self.failed {
            return Err(reason.clone());
        }
        let written = self.file.write_all(&self.buffer).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let reason = format!("writing to {} failed ({error}); start again after mending the disk", self.folder.display());
            tracing::error!("{reason}");
            self.failed = Some(reason.clone());
            return Err(reason);
        }
        self.bytes += self.buffer.len() as u64;
        if self.bytes >= MAX_SEGMENT_BYTES {
            match segment::create(&self.folder, self.next) {
                Ok(file) => {
                    self.file = file;
                    self.bytes = 0;
                }
                // The old segment goes on; the next commit tries again.
                Err(error) => tracing::warn!("a new stream segment was not begun: {error}"),
            }
        }
        Ok(())
    }
}
