//! The one thread that writes a shard: takes all puts that wait, writes them at once, syncs once,
//! and only then answers them. While it syncs, the next group gathers.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use lake::clock::Clock;
use lake::stream::Record;
use tokio::sync::oneshot;

use super::lengths::as_u64;
use super::open::OpenShard;
use super::record::{self, OVERHEAD, Stamp};
use super::segment;
use super::state::{DurableEnd, ShardState};

/// A group is written when it has reached this size, even if more puts wait.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// The sequence number of a put's first record (the others follow it), or why nothing was put.
pub(super) type PutAnswer = Result<u64, Arc<str>>;

/// Records for one shard, and who waits for them.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) records: Vec<Record>,
    pub(super) answer: oneshot::Sender<PutAnswer>,
}

/// Appends to the newest segment of a shard.
#[derive(Debug)]
pub(super) struct ShardWriter {
    state: Arc<ShardState>,
    clock: Arc<dyn Clock>,
    segment_bytes: u64,
    file: File,
    end: DurableEnd,
    next_sequence: u64,
    /// Why this shard takes nothing more until it is opened again.
    failed: Option<Arc<str>>,
    /// Kept, so that no group allocates.
    buffer: Vec<u8>,
}

impl ShardWriter {
    pub(super) fn new(opened: OpenShard, clock: Arc<dyn Clock>, segment_bytes: u64) -> Self {
        let end = opened.state.end();
        Self {
            state: Arc::new(opened.state),
            clock,
            segment_bytes,
            file: opened.file,
            end,
            next_sequence: opened.next_sequence,
            failed: None,
            buffer: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> &Arc<ShardState> {
        &self.state
    }

    /// Writes until all senders are gone.
    pub(super) fn run(mut self, puts: &Receiver<Put>) {
        let mut group = Vec::new();
        while let Ok(put) = puts.recv() {
            let mut bytes = size(&put);
            group.push(put);
            while bytes < GROUP_BYTES
                && let Ok(put) = puts.try_recv()
            {
                bytes += size(&put);
                group.push(put);
            }
            self.write_group(&mut group);
        }
    }

    /// Makes a group durable and answers it.
    fn write_group(&mut self, group: &mut Vec<Put>) {
        let mut sequence = self.next_sequence;
        match self.append(group) {
            Ok(()) => {
                for put in group.drain(..) {
                    let first = sequence;
                    sequence += as_u64(put.records.len());
                    // A writer that has gone is no trouble: its records are there.
                    let _ = put.answer.send(Ok(first));
                }
            }
            Err(reason) => {
                tracing::error!(shard = %self.state.name, %reason, puts = group.len(), "the stream took no records");
                for put in group.drain(..) {
                    let _ = put.answer.send(Err(Arc::clone(&reason)));
                }
            }
        }
    }

    fn append(&mut self, group: &[Put]) -> Result<(), Arc<str>> {
        if let Some(reason) = &self.failed {
            return Err(Arc::clone(reason));
        }
        self.roll_when_full()?;
        let arrival_ms = self.clock.now_ms();
        let first = self.next_sequence;
        let next = self.encode(group, arrival_ms);
        if next == first {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            return Err(self.undo(&error));
        }
        if let Err(error) = self.file.sync_data() {
            return Err(self.fail(&error));
        }
        self.next_sequence = next;
        self.end.length += as_u64(self.buffer.len());
        self.end.last_sequence = Some(next - 1);
        self.state.backlog().push(first, next - 1, arrival_ms);
        self.state.durable.send_replace(self.end);
        Ok(())
    }

    /// Fills the buffer; returns the sequence number after the group's last.
    fn encode(&mut self, group: &[Put], arrival_ms: i64) -> u64 {
        self.buffer.clear();
        let mut stamp =
            Stamp { sequence: self.next_sequence, arrival_ms, durable_before: self.end.length };
        for record in group.iter().flat_map(|put| &put.records) {
            record::encode(&mut self.buffer, stamp, record.partition_key.as_bytes(), &record.data);
            stamp.sequence += 1;
        }
        stamp.sequence
    }

    fn roll_when_full(&mut self) -> Result<(), Arc<str>> {
        if self.end.length < self.segment_bytes {
            return Ok(());
        }
        let first = self.next_sequence;
        self.file = segment::create(&self.state.folder, first).map_err(|error| reason(&error))?;
        self.state.add_segment(first);
        self.end = DurableEnd { segment: first, length: 0, ..self.end };
        self.state.durable.send_replace(self.end);
        Ok(())
    }

    /// After a failed write: takes back what part of it was written. A full disk may have room
    /// again later, so the shard goes on.
    fn undo(&mut self, error: &std::io::Error) -> Arc<str> {
        match self.file.set_len(self.end.length) {
            Ok(()) => reason(error),
            Err(_) => self.fail(error),
        }
    }

    /// After a failed fsync: refuses everything until the stream is opened again.
    ///
    /// Linux reports such a failure once and then takes the lost pages for clean, so a later fsync
    /// may succeed over a hole in the file. Reading the file again from the start, in a new
    /// process, is the only way to know what is there.
    fn fail(&mut self, error: &std::io::Error) -> Arc<str> {
        // Refused records should not come back at the next opening; it would be harmless.
        let _ = self.file.set_len(self.end.length);
        let reason = reason(&format_args!(
            "shard {} failed ({error}) and takes nothing more until a restart",
            self.state.name
        ));
        self.failed = Some(Arc::clone(&reason));
        reason
    }
}

fn reason(error: &dyn std::fmt::Display) -> Arc<str> {
    error.to_string().into()
}

fn size(put: &Put) -> usize {
    put.records.iter().map(|record| OVERHEAD + record.partition_key.len() + record.data.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::open::open_shard;
    use lake::clock::ManualClock;
    use std::fs::OpenOptions;

    fn writer(folder: &std::path::Path) -> ShardWriter {
        let clock = Arc::new(ManualClock::at(1_000));
        ShardWriter::new(open_shard(folder, "shard", &*clock).unwrap(), clock, u64::MAX)
    }

    fn put(writer: &mut ShardWriter) -> PutAnswer {
        let (answer, mut answered) = oneshot::channel();
        let record = Record { partition_key: "k".into(), data: "data".into() };
        writer.write_group(&mut vec![Put { records: vec![record], answer }]);
        answered.try_recv().unwrap()
    }

    #[test]
    fn after_a_failed_fsync_nothing_is_acknowledged_until_the_shard_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        let good = std::mem::replace(
            &mut writer.file,
            OpenOptions::new().write(true).open("/dev/null").unwrap(),
        );
        let before = writer.state.end();
        assert!(put(&mut writer).unwrap_err().contains("until a restart"));
        writer.file = good;
        assert!(put(&mut writer).is_err(), "a later fsync proves nothing");
        assert_eq!(writer.state.end(), before);
        drop(writer);
        assert!(put(&mut self::writer(folder.path())).is_ok());
    }

    #[test]
    fn a_failed_write_that_can_be_taken_back_does_not_stop_the_shard() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        put(&mut writer).unwrap();
        let path = segment::path(&writer.state.folder, writer.end.segment);
        // Half of a failed group stands in the file.
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"half").unwrap();
        let answer = writer.undo(&std::io::Error::other("no space left"));
        assert!(answer.contains("no space left"));
        assert!(put(&mut writer).is_ok());
        drop(writer);
        assert_eq!(self::writer(folder.path()).state.backlog().records(), 2);
    }

    #[test]
    fn a_failed_write_that_cannot_be_taken_back_stops_the_shard() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path());
        writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(put(&mut writer).is_err());
        assert!(put(&mut writer).unwrap_err().contains("until a restart"));
    }
}
