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
use crate::layout::{BATCH_KEY, Batch, HOLDS_KEY, Holds, VERSION, VERSION_KEY};
use crate::limits::ROW_GROUP_ROWS;

/// Why an object of hits could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The bytes are not the Parquet that this program writes.
    #[error("parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns of other types than the table has.
    #[error("columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The footer's list of hot objects is unreadable.
    #[error("footer {HOLDS_KEY}: {0}")]
    Holds(#[from] serde_json::Error),
    /// The footer's account of a batch is unreadable.
    #[error("footer {BATCH_KEY}: {0}")]
    Batch(serde_json::Error),
    /// The file could not be written.
    #[error("writing: {0}")]
    Io(#[from] std::io::Error),
}

/// Writes batches (of any encoding of the table's columns) as one Parquet file.
///
/// # Errors
///
/// [`FileError`] when the batches do not have the table's columns or `to` fails.
pub fn write<W: Write + Send>(
    to: W,
    schema: SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
    holds: &Holds,
) -> Result<W, FileError> {
    write_with_key(to, schema, batches, KeyValue::new(HOLDS_KEY.to_owned(), holds.to_footer()))
}

fn write_with_key<W: Write + Send>(
    to: W,
    schema: SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
    key: KeyValue,
) -> Result<W, FileError> {
    // Without the Arrow schema in the footer every reader sees plain text, not dictionaries.
    let options =
        ArrowWriterOptions::new().with_properties(properties(key)).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(to, schema, options)?;
    for batch in batches {
        writer.write(&batch)?;
    }
    Ok(writer.into_inner()?)
}

/// The same into memory.
///
/// # Errors
///
/// As [`write`].
pub fn encode(batch: &RecordBatch, holds: &Holds) -> Result<Bytes, FileError> {
    let bytes = write(Vec::new(), batch.schema(), [batch.clone()], holds)?;
    Ok(bytes.into())
}

/// A hot object into memory: the rows, and in the footer the batch that they came from.
///
/// # Errors
///
/// As [`write`].
pub fn encode_hot(rows: &RecordBatch, batch: &Batch) -> Result<Bytes, FileError> {
    let key = KeyValue::new(BATCH_KEY.to_owned(), batch.to_footer());
    Ok(write_with_key(Vec::new(), rows.schema(), [rows.clone()], key)?.into())
}

/// The batch that a hot object came from; `None` where the footer has none, as in table objects.
///
/// # Errors
///
/// [`FileError::Batch`] when the footer's value is unreadable.
pub fn batch(metadata: &ParquetMetaData) -> Result<Option<Batch>, FileError> {
    let keys = metadata.file_metadata().key_value_metadata();
    let value = keys.and_then(|keys| keys.iter().find(|key| key.key == BATCH_KEY));
    let text = value.and_then(|key| key.value.as_deref());
    text.map(Batch::from_footer).transpose().map_err(FileError::Batch)
}

fn properties(key: KeyValue) -> WriterProperties {
    let keys = vec![KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_owned()), key];
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(Some(keys));
    for column in COLUMNS {
        let path = ColumnPath::from(column.name);
        properties = match column.kind {
            Type::Id => properties.set_column_dictionary_enabled(path, false),
            Type::Time => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            _ => properties,
        };
    }
    properties.build()
}

/// The hot objects that the footer says the object holds.
///
/// # Errors
///
/// [`FileError::Holds`] when the footer's list is unreadable.
pub fn holds(metadata: &ParquetMetaData) -> Result<Holds, FileError> {
    let keys = metadata.file_metadata().key_value_metadata();
    let value = keys.and_then(|keys| keys.iter().find(|key| key.key == HOLDS_KEY));
    match value.and_then(|key| key.value.as_deref()) {
        Some(text) => Ok(Holds::from_footer(text)?),
        None => Ok(Holds::default()),
    }
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
