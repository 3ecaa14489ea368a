//! One Parquet object of hits: written and read, always with the columns of [`crate::columns`].
//!
//! Knows encodings and footers; knows no store and no visit.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::columns::{COLUMNS, Type, find, schema_for_reading};
use crate::layout::{
    BATCH_KEY, Batch, HOLDS_KEY, Holds, MERGED_KEY, MergedFooter, VERSION, VERSION_KEY,
};
use crate::limits::{LARGE_OBJECT_ROWS, LARGE_ROW_GROUP_ROWS, ROW_GROUP_ROWS};

/// Why an object of hits could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The bytes are not the Parquet that this program writes.
    #[error("parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns of other types than the table has.
    #[error("columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A value of the footer is unreadable.
    #[error("footer {key}: {source}")]
    Footer {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        source: serde_json::Error,
    },
    /// The file could not be written.
    #[error("writing: {0}")]
    Io(#[from] std::io::Error),
}

/// Writes one Parquet file of hits, batch by batch, in bounded memory.
pub struct Writer<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> Writer<W> {
    /// Begins a file of batches with this schema (any encoding of the table's columns), laid out
    /// for about so many rows.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the schema cannot be written as Parquet.
    pub fn new(to: W, schema: SchemaRef, rows: u64) -> Result<Self, FileError> {
        // Without the Arrow schema in the footer every reader sees plain text, not dictionaries.
        let options = ArrowWriterOptions::new()
            .with_properties(properties(rows))
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(to, schema, options)?;
        Ok(Self(writer))
    }

    /// Adds rows; full row groups go out.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the rows do not have the schema or the file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), FileError> {
        Ok(self.0.write(batch)?)
    }

    /// Sets a key of the footer.
    pub fn set(&mut self, key: &str, value: String) {
        self.0.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    ///
    /// As [`Writer::write`].
    pub fn finish(self) -> Result<W, FileError> {
        Ok(self.0.into_inner()?)
    }
}

/// One batch as a file in memory.
///
/// # Errors
///
/// [`FileError`] when the batch does not have the table's columns.
pub fn encode(batch: &RecordBatch, holds: &Holds) -> Result<Bytes, FileError> {
    let mut writer = Writer::new(Vec::new(), batch.schema(), batch.num_rows() as u64)?;
    writer.write(batch)?;
    writer.set(HOLDS_KEY, holds.to_footer());
    Ok(writer.finish()?.into())
}

/// A hot object into memory: the rows, and in the footer the batch that they came from.
///
/// # Errors
///
/// As [`encode`].
pub fn encode_hot(rows: &RecordBatch, batch: &Batch) -> Result<Bytes, FileError> {
    let mut writer = Writer::new(Vec::new(), rows.schema(), rows.num_rows() as u64)?;
    writer.write(rows)?;
    writer.set(BATCH_KEY, batch.to_footer());
    Ok(writer.finish()?.into())
}

/// The columns that rows are sorted by; only of these can pages be told apart by their bounds.
const SORTED: [&str; 4] = ["site", "visitor_id", "visit_start", "ts"];

/// How a file is laid out; docs/decisions/table.md has what was measured.
fn properties(rows: u64) -> WriterProperties {
    let keys = vec![KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_owned())];
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(zstd(TEXT_ZSTD_LEVEL))
        .set_max_row_group_row_count(Some(row_group_rows(rows)))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(keys));
    for name in SORTED {
        properties = properties.set_column_statistics_enabled(name.into(), EnabledStatistics::Page);
    }
    for column in COLUMNS {
        let path = ColumnPath::from(column.name);
        properties = match column.kind {
            Type::Id => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), id_encoding(column.name))
                .set_column_compression(path, zstd(ID_ZSTD_LEVEL)),
            Type::Time => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            // Nearly as many values as visits: a dictionary is larger than what it replaces.
            _ if column.name == "visit_duration_s" => {
                properties.set_column_dictionary_enabled(path, false)
            }
            _ => properties,
        };
    }
    properties.build()
}

/// Rows of a row group of a file of about so many rows. Each row group has dictionaries of its
/// own, which cost most where there are many rows; a small file needs several to be read by.
const fn row_group_rows(rows: u64) -> usize {
    if rows > LARGE_OBJECT_ROWS { LARGE_ROW_GROUP_ROWS } else { ROW_GROUP_ROWS }
}

/// How ids are laid out. Measured on sorted rows, bytes a hit, plain to this: `hit_id` 18.0 to 16.0
/// (times lead UUIDs of version 7, and neighbours share them), `visit_id` 3.3 to 2.5, `page_view`
/// 4.3 to 3.1; lengths apart from the text cost nothing where all are equal.
fn id_encoding(column: &str) -> Encoding {
    if column == "hit_id" { Encoding::DELTA_BYTE_ARRAY } else { Encoding::DELTA_LENGTH_BYTE_ARRAY }
}

/// On random digits zstd's higher levels find matches that cost more than they save.
const ID_ZSTD_LEVEL: i32 = 1;

/// For dictionaries of texts that are alike, and their keys; 9 saves another 1.5% of a hit's bytes
/// for a good part of the merge's time.
const TEXT_ZSTD_LEVEL: i32 = 5;

fn zstd(level: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default())
}

/// The hot objects that the footer says the object holds.
///
/// # Errors
///
/// [`FileError::Footer`] when the footer's list is unreadable.
pub fn holds(metadata: &ParquetMetaData) -> Result<Holds, FileError> {
    let read = |text| Holds::from_footer(text).map_err(|source| unreadable(HOLDS_KEY, source));
    footer(metadata, HOLDS_KEY).map_or_else(|| Ok(Holds::default()), read)
}

/// What the footer says the merges counted; none in an object that no merge wrote.
///
/// # Errors
///
/// [`FileError::Footer`] when it is unreadable.
pub fn merged(metadata: &ParquetMetaData) -> Result<Option<MergedFooter>, FileError> {
    let read =
        |text| MergedFooter::from_footer(text).map_err(|source| unreadable(MERGED_KEY, source));
    footer(metadata, MERGED_KEY).map(read).transpose()
}

/// The batch that a hot object came from; `None` where the footer has none, as in table objects.
///
/// # Errors
///
/// [`FileError::Footer`] when it is unreadable.
pub fn batch(metadata: &ParquetMetaData) -> Result<Option<Batch>, FileError> {
    let read = |text| Batch::from_footer(text).map_err(|source| unreadable(BATCH_KEY, source));
    footer(metadata, BATCH_KEY).map(read).transpose()
}

/// The value of a key of the footer.
fn footer<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let keys = metadata.file_metadata().key_value_metadata()?;
    keys.iter().find(|found| found.key == key)?.value.as_deref()
}

const fn unreadable(key: &'static str, source: serde_json::Error) -> FileError {
    FileError::Footer { key, source }
}

/// Reader options that keep dictionaries as dictionaries, for a file with these metadata.
///
/// # Errors
///
/// [`FileError`] when the file's columns have other types than the table's.
pub fn reader_metadata(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, FileError> {
    let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), ArrowReaderOptions::new())?;
    let fields = plain.schema().fields().iter().map(|field| {
        let kind = find(field.name()).map(|column| column.kind.arrow_for_reading());
        Field::new(
            field.name(),
            kind.unwrap_or_else(|| field.data_type().clone()),
            field.is_nullable(),
        )
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(schema))?)
}

/// Reads a whole file of hits, with the columns of [`schema_for_reading`] and the footer's list.
///
/// # Errors
///
/// [`FileError`] when the bytes are not such a file.
pub fn decode(bytes: &Bytes) -> Result<(Vec<RecordBatch>, Holds), FileError> {
    let plain = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())?;
    let metadata = reader_metadata(Arc::clone(plain.metadata()))?;
    let holds = holds(metadata.metadata())?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata)
        .with_batch_size(ROW_GROUP_ROWS)
        .build()?;
    let batches = reader.map(|batch| Ok(adapt(&batch?, &schema_for_reading())?));
    Ok((batches.collect::<Result<_, FileError>>()?, holds))
}

/// The batch with exactly the columns of `schema`: absent ones null, others left out.
///
/// # Errors
///
/// When a column cannot be cast to the type asked for.
pub fn adapt(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let column = |field: &Arc<Field>| -> Result<ArrayRef, arrow::error::ArrowError> {
        match batch.column_by_name(field.name()) {
            Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
            Some(array) => arrow::compute::cast(array, field.data_type()),
            None => Ok(null_column(field.data_type(), batch.num_rows())),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn null_column(kind: &DataType, rows: usize) -> ArrayRef {
    new_null_array(kind, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_objects_have_large_row_groups() {
        let of = |rows| properties(rows).max_row_group_row_count();
        assert_eq!(of(0), Some(ROW_GROUP_ROWS));
        assert_eq!(of(LARGE_OBJECT_ROWS), Some(ROW_GROUP_ROWS));
        assert_eq!(of(LARGE_OBJECT_ROWS + 1), Some(LARGE_ROW_GROUP_ROWS));
    }

    #[test]
    fn the_page_index_has_bounds_of_what_rows_are_sorted_by_alone() {
        let properties = properties(0);
        let of = |name| properties.statistics_enabled(&ColumnPath::from(name));
        let names = COLUMNS.iter().map(|column| column.name);
        let names: Vec<_> = names.filter(|name| of(*name) == EnabledStatistics::Page).collect();
        assert_eq!(names, ["site", "ts", "visitor_id", "visit_start"]);
    }
}
