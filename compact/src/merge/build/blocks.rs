//! Batches on scratch: each a block of its own, Arrow IPC compressed whole by zstd, so that a file
//! that is written needs no memory between two blocks.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

/// Fast: scratch is read once and thrown away.
const ZSTD_LEVEL: i32 = 1;

/// Writes blocks; one compressor for all files.
pub(super) struct BlockWriter {
    zstd: zstd::bulk::Compressor<'static>,
    /// Bytes written to all files.
    pub(super) bytes: u64,
}

impl BlockWriter {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Compressor::new(ZSTD_LEVEL)?, bytes: 0 })
    }

    /// Appends a batch to the file, which is created where there is none.
    pub(super) fn append(&mut self, path: &Path, batch: &RecordBatch) -> anyhow::Result<()> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        writer.write(batch)?;
        writer.finish()?;
        let block = self.zstd.compress(writer.get_ref())?;
        let written = OpenOptions::new().create(true).append(true).open(path).and_then(|mut to| {
            to.write_all(&(block.len() as u64).to_le_bytes())?;
            to.write_all(&block)
        });
        self.bytes += block.len() as u64 + 8;
        written
            .with_context(|| format!("writing {}; the scratch folder may be full", path.display()))
    }
}

/// Reads the blocks of a file one after the other.
pub(super) struct BlockReader {
    path: PathBuf,
    from: BufReader<File>,
}

impl BlockReader {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { path: path.to_owned(), from: BufReader::new(file) })
    }

    fn block(&mut self) -> anyhow::Result<Option<RecordBatch>> {
        let mut length = [0; 8];
        if self.from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.from.read_exact(&mut length)?;
        let mut block = vec![0; usize::try_from(u64::from_le_bytes(length))?];
        self.from.read_exact(&mut block)?;
        let bytes = zstd::stream::decode_all(block.as_slice())?;
        let mut reader = StreamReader::try_new(bytes.as_slice(), None)?;
        Ok(reader.next().transpose()?)
    }
}

impl Iterator for BlockReader {
    type Item = anyhow::Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.block().with_context(|| format!("reading {}", self.path.display()));
        block.transpose()
    }
}
