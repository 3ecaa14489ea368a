//! The inputs of a date on local disk: its table object and its waiting hot objects, read a batch
//! at a time. Rows are numbered over all inputs, the table's first, the hot ones by name.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use bytes::Bytes;
use lake::columns::COLUMNS;
use lake::parquet_file::{self, reader_metadata};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

/// Rows read at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// One object, as a piece of a local file.
#[derive(Debug, Clone)]
pub(in crate::merge) struct Source {
    pub(in crate::merge) name: String,
    pub(in crate::merge) bytes: Slice,
    pub(in crate::merge) is_table: bool,
}

/// A piece of a file.
#[derive(Debug, Clone)]
pub(in crate::merge) struct Slice {
    pub(in crate::merge) file: Arc<File>,
    pub(in crate::merge) start: u64,
    pub(in crate::merge) len: u64,
}

impl Length for Slice {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Slice {
    type T = BufReader<SliceReader>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(SliceReader { slice: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.start + start)?;
        Ok(bytes.into())
    }
}

/// Reads a piece of a file from some place on.
#[derive(Debug)]
pub(in crate::merge) struct SliceReader {
    slice: Slice,
    at: u64,
}

impl Read for SliceReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.slice.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        let read = match buffer.get_mut(..want) {
            Some(buffer) => self.slice.file.read_at(buffer, self.slice.start + self.at)?,
            None => 0,
        };
        self.at += read as u64;
        Ok(read)
    }
}

/// Which columns are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Columns {
    /// Those with these names.
    Named(&'static [&'static str]),
    /// Those that the visits do not fill.
    Raw,
    /// All.
    All,
}

impl Columns {
    fn wants(self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(&name),
            Self::Raw => COLUMNS.iter().any(|column| column.name == name && !column.of_visit),
            Self::All => true,
        }
    }
}

impl Source {
    /// Rows and bytes (uncompressed), by the footer.
    pub(super) fn size(&self) -> anyhow::Result<(u64, u64)> {
        let metadata = self.metadata()?;
        let groups = metadata.metadata().row_groups();
        let rows = metadata.metadata().file_metadata().num_rows();
        let bytes: i64 = groups.iter().map(|group| group.total_byte_size()).sum();
        Ok((u64::try_from(rows).unwrap_or_default(), u64::try_from(bytes).unwrap_or_default()))
    }

    /// The lists that marked the rows of a hot object; empty where it does not say.
    pub(super) fn bots(&self) -> anyhow::Result<String> {
        let batch = parquet_file::batch(self.metadata()?.metadata());
        let batch = batch.with_context(|| format!("decoding {}", self.name))?;
        Ok(batch.map(|batch| batch.bots).unwrap_or_default())
    }

    fn metadata(&self) -> anyhow::Result<ArrowReaderMetadata> {
        let plain = ArrowReaderMetadata::load(&self.bytes, ArrowReaderOptions::new())
            .with_context(|| format!("decoding {}", self.name))?;
        reader_metadata(Arc::clone(plain.metadata()))
            .with_context(|| format!("decoding {}", self.name))
    }

    /// The rows with these columns; one that is null in the whole object is left out.
    pub(super) fn read(&self, columns: Columns) -> anyhow::Result<Batches> {
        let metadata = self.metadata()?;
        let schema = metadata.metadata().file_metadata().schema_descr_ptr();
        let leaves = schema.columns().iter().enumerate().filter(|(leaf, column)| {
            columns.wants(column.name()) && !is_null(metadata.metadata(), *leaf)
        });
        let mask = ProjectionMask::leaves(&schema, leaves.map(|(leaf, _)| leaf));
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), metadata)
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS)
                .build()
                .with_context(|| format!("decoding {}", self.name))?;
        Ok(Batches { name: self.name.clone(), reader })
    }
}

/// Whether the statistics say that a column has no value at all.
fn is_null(metadata: &ParquetMetaData, leaf: usize) -> bool {
    metadata.row_groups().iter().all(|group| {
        let column = group.columns().get(leaf);
        let nulls = column.and_then(|column| column.statistics()?.null_count_opt());
        nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(group.num_rows()))
    })
}

/// The batches of one object.
pub(super) struct Batches {
    name: String,
    reader: ParquetRecordBatchReader,
}

impl Iterator for Batches {
    type Item = anyhow::Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next()?;
        Some(next.with_context(|| format!("decoding {}", self.name)))
    }
}
