//! Blocks of rows on scratch: each encoded by itself and compressed whole by zstd, so that a file
//! that is written needs no memory between two blocks.
//!
//! Not Arrow's own format: with a hundred columns and a few hundred rows its descriptions are
//! larger than the rows, and keys of dictionaries take four bytes where one is enough.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::gather::Pick;
use super::wide::Wide;
use encode::Encoder;

/// Fast: scratch is read once and thrown away.
const ZSTD_LEVEL: i32 = 1;
/// What stands before a block: its length, and that of what was compressed.
const HEAD_BYTES: usize = 16;

/// Writes blocks; one compressor for all files.
pub(super) struct BlockWriter {
    zstd: zstd::bulk::Compressor<'static>,
    encoder: Encoder,
    /// Bytes written to all files.
    pub(super) bytes: u64,
}

impl BlockWriter {
    pub(super) fn new() -> anyhow::Result<Self> {
        let zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        Ok(Self { zstd, encoder: Encoder::default(), bytes: 0 })
    }

    /// Appends the picked rows to the file, which is created where there is none.
    pub(super) fn append(
        &mut self,
        path: &Path,
        batches: &[&Wide],
        picks: impl ExactSizeIterator<Item = Pick> + Clone,
    ) -> anyhow::Result<()> {
        let plain = self.encoder.encode(batches, picks)?;
        let block = self.zstd.compress(plain)?;
        let mut head = [0; HEAD_BYTES];
        let (of_block, of_plain) = head.split_at_mut(HEAD_BYTES / 2);
        of_block.copy_from_slice(&(block.len() as u64).to_le_bytes());
        of_plain.copy_from_slice(&(plain.len() as u64).to_le_bytes());
        let written = OpenOptions::new().create(true).append(true).open(path).and_then(|mut to| {
            to.write_all(&head)?;
            to.write_all(&block)
        });
        self.bytes += (block.len() + HEAD_BYTES) as u64;
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

    fn length(&mut self) -> anyhow::Result<usize> {
        let mut length = [0; HEAD_BYTES / 2];
        self.from.read_exact(&mut length)?;
        Ok(usize::try_from(u64::from_le_bytes(length))?)
    }

    fn block(&mut self) -> anyhow::Result<Option<Wide>> {
        if self.from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let (of_block, of_plain) = (self.length()?, self.length()?);
        let mut block = vec![0; of_block];
        self.from.read_exact(&mut block)?;
        let plain = zstd::bulk::decompress(&block, of_plain)?;
        Ok(Some(decode::decode(&plain)?))
    }
}

impl Iterator for BlockReader {
    type Item = anyhow::Result<Wide>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.block().with_context(|| format!("reading {}", self.path.display()));
        block.transpose()
    }
}
