//! Columns of pieces of an object: which bytes they need, and the batches that these make.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Schema, SchemaRef};
use bytes::Bytes;
use lake::columns::schema_for_reading;
use lake::limits::QUERY_BUFFERED_KIB;
use lake::parquet_file::adapt;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use tokio::sync::OwnedSemaphorePermit;

use super::Scanner;
use super::dictionary::{self, Fetched};
use super::error::ScanError;
use super::fetch::{fetch, slice};
use super::open::Opened;
use super::prune::Piece;
use crate::plan::Plan;

/// Rows of one piece that belong to the site.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) batch: RecordBatch,
    /// Number of the first within the object, where they follow one another there.
    pub(super) first_row: usize,
}

/// The schema of some columns, in the order of the table.
pub(super) fn schema_of(columns: &[&str]) -> SchemaRef {
    let all = schema_for_reading();
    let fields = all.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}

/// A piece on its way: its decoder, and the bytes that this waits for.
pub(super) struct Pending {
    piece: Piece,
    decoder: ParquetPushDecoder,
    needs: Vec<Range<u64>>,
    batches: Vec<RecordBatch>,
    /// Whose rows are wanted only where they can count.
    plan: Option<Arc<Plan>>,
}

impl Pending {
    /// Begins to read some columns of a piece; of its rows only those that are `chosen`.
    pub(super) fn new(
        opened: &Opened,
        piece: Piece,
        columns: &[&str],
        chosen: Option<RowSelection>,
    ) -> Result<Self, ScanError> {
        let metadata = opened.footer.metadata.clone();
        let schema = metadata.parquet_schema();
        // The number of rows must come from some column; and the site tells whose they are.
        let site = (!piece.exact || columns.is_empty()).then_some("site");
        let names = columns.iter().copied().chain(site);
        let mask = ProjectionMask::columns(schema, names);
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(metadata)
            .with_row_groups(vec![piece.row_group])
            .with_batch_size(piece.all_rows.max(1))
            .with_projection(mask);
        if let Some(selection) = chosen.or_else(|| selection(&piece)) {
            builder = builder.with_row_selection(selection);
        }
        let decoder = builder.build().map_err(ScanError::parquet(&opened.path))?;
        let mut pending =
            Self { piece, decoder, needs: Vec::new(), batches: Vec::new(), plan: None };
        pending.advance(opened)?;
        Ok(pending)
    }

    /// The same, of the rows that can count for a plan.
    pub(super) fn for_plan(self, plan: &Arc<Plan>) -> Self {
        Self { plan: Some(Arc::clone(plan)).filter(|plan| plan.counts_rows_apart()), ..self }
    }

    /// Decodes as far as the bytes go.
    fn advance(&mut self, opened: &Opened) -> Result<(), ScanError> {
        self.needs.clear();
        loop {
            match self.decoder.try_decode().map_err(ScanError::parquet(&opened.path))? {
                DecodeResult::Data(batch) => self.batches.push(batch),
                DecodeResult::Finished => return Ok(()),
                DecodeResult::NeedsData(ranges) => {
                    self.needs = ranges;
                    return Ok(());
                }
            }
        }
    }

    fn push(&mut self, opened: &Opened, bytes: Vec<Bytes>) -> Result<(), ScanError> {
        let ranges = std::mem::take(&mut self.needs);
        if ranges.is_empty() {
            return Ok(());
        }
        if self.is_ruled_out(opened, &ranges, &bytes) {
            opened.work.take_row_group_back();
            return Ok(());
        }
        self.decoder.push_ranges(ranges, bytes).map_err(ScanError::parquet(&opened.path))?;
        self.advance(opened)
    }

    fn is_ruled_out(&self, opened: &Opened, ranges: &[Range<u64>], bytes: &[Bytes]) -> bool {
        let metadata = opened.footer.metadata.metadata();
        let fetched = Fetched { ranges, bytes };
        self.plan.as_ref().is_some_and(|plan| {
            dictionary::rules_out(plan, metadata, self.piece.row_group, &fetched)
        })
    }

    /// The rows, cut to the site if one is given, with exactly the columns of the schema.
    fn finish(self, site: Option<i32>, schema: &SchemaRef) -> Result<Vec<Rows>, ScanError> {
        let mut first_row = self.piece.first_row;
        let mut out = Vec::new();
        for batch in self.batches {
            let (start, cut) = match site.filter(|_| !self.piece.exact) {
                None => (0, batch.clone()),
                Some(site) => of_site(&batch, site)?,
            };
            out.push(Rows { batch: adapt_rows(&cut, schema)?, first_row: first_row + start });
            first_row += batch.num_rows();
        }
        out.retain(|rows| rows.batch.num_rows() > 0);
        Ok(out)
    }
}

pub(super) fn adapt_rows(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ScanError> {
    if schema.fields().is_empty() {
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        return Ok(RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)?);
    }
    Ok(adapt(batch, schema)?)
}

fn selection(piece: &Piece) -> Option<RowSelection> {
    if piece.rows.len() == piece.all_rows {
        return None;
    }
    Some(RowSelection::from(vec![
        RowSelector::skip(piece.rows.start),
        RowSelector::select(piece.rows.len()),
        RowSelector::skip(piece.all_rows - piece.rows.end),
    ]))
}

/// The rows of the site, and the number of the first. In the table they follow one another; in hot
/// objects they lie anywhere.
pub(super) fn of_site(batch: &RecordBatch, site: i32) -> Result<(usize, RecordBatch), ScanError> {
    let column = batch.column_by_name("site").and_then(|it| it.as_primitive_opt::<Int32Type>());
    let Some(sites) = column.map(|column| column.values()) else {
        return Ok((0, batch.slice(0, 0)));
    };
    if !sites.is_sorted() {
        let mask: BooleanArray = sites.iter().map(|it| Some(*it == site)).collect();
        return Ok((0, filter_record_batch(batch, &mask)?));
    }
    let start = sites.partition_point(|it| *it < site);
    let end = sites.partition_point(|it| *it <= site);
    Ok((start, batch.slice(start, end - start)))
}

/// Reads pieces of an opened object: bytes by one round of reads, decoding and what is done with the
/// rows on a thread for it.
pub(super) async fn read<T: Send + 'static>(
    scanner: &Scanner,
    opened: &Arc<Opened>,
    mut pending: Vec<Pending>,
    (site, schema): (Option<i32>, &SchemaRef),
    take: impl FnOnce(Vec<Rows>) -> Result<T, ScanError> + Send + 'static,
) -> Result<T, ScanError> {
    let mut take = take;
    loop {
        let ranges: Vec<Range<u64>> =
            pending.iter().flat_map(|pending| pending.needs.iter().cloned()).collect();
        let _room = room(scanner, &ranges).await;
        let bytes = match opened.whole.as_ref().and_then(|whole| slice(whole, &ranges)) {
            Some(bytes) => bytes,
            None => {
                let version = (&opened.path, opened.e_tag.as_deref());
                fetch(&scanner.store, version, &ranges, &opened.work).await?
            }
        };
        let (opened, schema) = (Arc::clone(opened), Arc::clone(schema));
        let step = scanner.threads.run(move || {
            let mut bytes = bytes.into_iter();
            for pending in &mut pending {
                let own: Vec<Bytes> = bytes.by_ref().take(pending.needs.len()).collect();
                pending.push(&opened, own)?;
            }
            if pending.iter().any(|pending| !pending.needs.is_empty()) {
                return Ok(Err((pending, take)));
            }
            let mut rows = Vec::new();
            for pending in pending {
                rows.extend(pending.finish(site, &schema)?);
            }
            take(rows).map(Ok)
        });
        match step.await? {
            Ok(done) => return Ok(done),
            Err(more) => (pending, take) = more,
        }
    }
}

/// Room for the bytes of some ranges, among those of all that is read at the time.
async fn room(scanner: &Scanner, ranges: &[Range<u64>]) -> Option<OwnedSemaphorePermit> {
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(QUERY_BUFFERED_KIB);
    // The semaphore is never closed; without a permit the read is merely not held back.
    Arc::clone(&scanner.buffers).acquire_many_owned(kib).await.ok()
}
