//! One shard of an open stream: its state, the reader kept for it, and its writer thread.

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use lake::clock::Clock;
use lake::stream::Record;
use tokio::sync::oneshot;

use super::error::StreamFileError;
use super::open::open_shard;
use super::reader::ShardReader;
use super::state::ShardState;
use super::writer::{Put, PutAnswer, ShardWriter};

/// A shard with its writer running.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) state: Arc<ShardState>,
    pub(super) reader: Mutex<ShardReader>,
    /// None only while the stream is dropped.
    pub(super) puts: Option<Sender<Put>>,
    writer: Option<JoinHandle<()>>,
}

impl Shard {
    pub(super) fn open(
        folder: &Path,
        name: &str,
        clock: Arc<dyn Clock>,
        segment_bytes: u64,
    ) -> Result<Self, StreamFileError> {
        let writer = ShardWriter::new(open_shard(folder, name, &*clock)?, clock, segment_bytes);
        let state = Arc::clone(writer.state());
        let (puts, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("stream-{}", name.trim_start_matches("shardId-0000")));
        let thread =
            thread.spawn(move || writer.run(&waiting)).map_err(StreamFileError::io(folder))?;
        let reader = Mutex::new(ShardReader::new(Arc::clone(&state)));
        Ok(Self { state, reader, puts: Some(puts), writer: Some(thread) })
    }

    /// Hands records to the writer; none when there are none.
    pub(super) fn send(&self, records: Vec<Record>) -> Option<oneshot::Receiver<PutAnswer>> {
        if records.is_empty() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        if let Some(puts) = &self.puts {
            // When the writer has gone, the answer's sender goes too, and the receiver says so.
            let _ = puts.send(Put { records, answer });
        }
        Some(answered)
    }
}

impl Drop for Shard {
    /// Lets the writer finish what waits.
    fn drop(&mut self) {
        self.puts = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
