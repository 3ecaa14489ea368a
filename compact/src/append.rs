//! Append: one batch of the stream in, one hot object a local date out.
//!
//! Knows the record, the columns and the store; knows no visit and no table. A record's content
//! never fails a batch: what cannot be read is kept in `rejected/` with its bytes, and what an
//! order of erasure covers is counted and not stored. Only the store's absence fails it, and then all of it, because every object is written create-only.

mod account;
pub mod report;
pub mod row;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use aws_lambda_events::event::streams::KinesisEventResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::account::name;
use lake::dropped::Dropped;
use lake::hit::{DecodeError, Hit};
use lake::layout::{self, Batch, RowsOfHour, hour_start_ms};
use lake::metrics::Started;
use lake::orders::{Covered, OrderBook, Orders};
use lake::parquet_file;
use object_store::path::Path;
use object_store::{PutMode, PutOptions, PutPayload};

use crate::enrich::{BOTS_VERSION, Enricher};
use crate::footer;
use account::{Accounts, arrival};
use lake::store::StoreRef;
use report::{Appended, Report};
use row::Row;

/// Records put into `rejected/` at a time.
const CONCURRENT_REJECTS: usize = 16;

/// What append needs; built once.
#[derive(Debug, Clone)]
pub struct Append {
    /// Where hot objects go.
    pub store: StoreRef,
    /// Devices, bots and channels.
    pub enricher: Arc<Enricher>,
    orders: Arc<OrderBook>,
}

/// What a batch has for one date.
#[derive(Debug, Default)]
struct OfDate {
    rows: Vec<Row>,
    /// Hits that are not stored because an order covers them.
    erased: Vec<RowsOfHour>,
}

/// A batch by what becomes of its records.
#[derive(Default)]
struct Sorted<'a> {
    by_date: BTreeMap<Date, OfDate>,
    unreadable: Vec<(&'a KinesisEventRecord, DecodeError)>,
    dropped: Vec<Dropped>,
    accounts: Accounts,
}

impl Sorted<'_> {
    /// A date has an object even if all its hits are erased: it carries the count.
    fn erase(&mut self, dt: Date, site: i32, received_ms: i64) {
        RowsOfHour::add(&mut self.by_date.entry(dt).or_default().erased, site, received_ms, 1);
    }
}

impl Append {
    /// Append into a store.
    #[must_use]
    pub fn new(store: StoreRef, enricher: Arc<Enricher>) -> Self {
        let orders = Arc::new(OrderBook::new(Arc::clone(&store)));
        Self { store, enricher, orders }
    }

    /// Takes one batch of one shard, and ends in one log event.
    ///
    /// # Errors
    ///
    /// When the store does not take the objects; the whole batch is to be delivered again.
    pub async fn handle(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        self.report(&event.records).await?;
        Ok(KinesisEventResponse::default())
    }

    /// The same, with the report that was logged.
    ///
    /// # Errors
    ///
    /// As [`Append::handle`].
    pub async fn report(&self, records: &[KinesisEventRecord]) -> anyhow::Result<Report> {
        let started = Started::now();
        let report = Report { done: self.append(records).await?, ended: started.ended() };
        report.log();
        Ok(report)
    }

    /// Takes one batch of one shard.
    ///
    /// # Errors
    ///
    /// As [`Append::handle`].
    pub async fn append(&self, records: &[KinesisEventRecord]) -> anyhow::Result<Appended> {
        let mut done = Appended { received: records.len(), ..Appended::default() };
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(done) };
        let orders = self.orders.erasing().await;
        let orders = orders.context("reading the orders of erasure; the batch comes again")?;
        let Sorted { by_date, unreadable, dropped, mut accounts } =
            self.sort(records, &orders.orders);
        for dropped in &dropped {
            done.tell(dropped);
        }
        for (_, error) in &unreadable {
            *done.rejected.entry(error.reason()).or_default() += 1;
        }
        // Futures in a list of their own: a closure over borrowed records is not general enough.
        let mut rejects = Vec::with_capacity(unreadable.len());
        for (record, error) in &unreadable {
            rejects.push(self.reject(record, error));
        }
        futures_util::stream::iter(rejects)
            .buffered(CONCURRENT_REJECTS)
            .try_collect::<Vec<(Path, usize)>>()
            .await?
            .iter()
            .zip(&unreadable)
            .for_each(|((path, bytes), (record, error))| {
                accounts.rejected(record, name(path), error.reason(), *bytes);
            });
        for (dt, of_date) in by_date {
            let path = layout::hot_object(dt, shard(first), sequence(first), sequence(last));
            let batch = self.write(&path, &of_date, &mut done).await?;
            accounts.rows(dt, &batch);
        }
        let name = format!("{}-{}-{}", shard(first), sequence(first), sequence(last));
        accounts.write(&self.store, &name).await?;
        Ok(done)
    }

    fn sort<'a>(&self, records: &'a [KinesisEventRecord], orders: &Orders) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        for record in records {
            let data = &record.kinesis.data.0;
            match Hit::decode(data) {
                Ok(hit) if orders.cover(&hit) => sorted.erase(hit.dt, hit.site, hit.received),
                Ok(hit) => sorted.by_date.entry(hit.dt).or_default().rows.push(self.enrich(hit)),
                Err(error) => Self::sort_other(record, error, orders, &mut sorted),
            }
        }
        sorted
    }

    /// A record that is no hit: what ingest dropped, or what cannot be read.
    fn sort_other<'a>(
        record: &'a KinesisEventRecord,
        error: DecodeError,
        orders: &Orders,
        sorted: &mut Sorted<'a>,
    ) {
        let data = &record.kinesis.data.0;
        if let Some(dropped) = Dropped::decode(data) {
            sorted.accounts.dropped(record, &dropped);
            sorted.dropped.push(dropped);
            return;
        }
        let (arrived_ms, arrived) = arrival(record);
        match orders.cover_unreadable(data, arrived_ms) {
            Some(Covered { site, received_ms, dt }) => {
                sorted.erase(dt.unwrap_or(arrived), site, received_ms);
            }
            None => sorted.unreadable.push((record, error)),
        }
    }

    fn enrich(&self, hit: Hit) -> Row {
        let device = self.enricher.device(hit.user_agent.as_deref(), hit.client_hints.as_deref());
        let source = self.enricher.source(&hit);
        let attributed = row::Attributed::of(&hit, |hit| self.enricher.source(hit));
        Row { hit, device, source, attributed }
    }

    /// Keeps a record: its object, and how many bytes that has.
    async fn reject(
        &self,
        record: &KinesisEventRecord,
        error: &DecodeError,
    ) -> anyhow::Result<(Path, usize)> {
        tracing::warn!(
            shard = shard(record),
            sequence = sequence(record),
            reason = error.reason(),
            "record rejected"
        );
        let (arrived_ms, dt) = arrival(record);
        let arrived = jiff::Timestamp::from_millisecond(arrived_ms).unwrap_or_default();
        let body = serde_json::json!({
            "reason": error.reason(),
            "bytes_base64": STANDARD.encode(&record.kinesis.data.0),
            "received_at": arrived.to_string(),
        });
        let path = layout::rejected_object(dt, shard(record), sequence(record));
        let body = serde_json::to_vec(&body)?;
        let length = body.len();
        self.create(&path, body.into()).await?;
        Ok((path, length))
    }

    /// Writes one date's hot object, unless an earlier attempt did: what is counted of the one that
    /// is there. Rows of an order that was closed since the attempt are for the merge to take out.
    async fn write(
        &self,
        path: &Path,
        of_date: &OfDate,
        done: &mut Appended,
    ) -> anyhow::Result<Batch> {
        let mut batch = counted(of_date, done);
        let bytes = encode(&of_date.rows, &batch)?;
        let length = bytes.len();
        if self.create(path, bytes).await? {
            done.bytes += length;
        } else {
            done.existed += 1;
            // Where it is gone again, whoever deleted it had its account by this name first.
            batch = footer::batch(&self.store, path).await?.unwrap_or(batch);
        }
        done.objects += 1;
        done.stored += rows(&batch.rows);
        done.erased += rows(&batch.erased);
        Ok(batch)
    }

    /// Writes an object that must not exist yet; false when it does: an earlier attempt at this
    /// very batch wrote it, and it has all that this one has, and perhaps hits of orders that were
    /// closed since.
    async fn create(&self, path: &Path, bytes: bytes::Bytes) -> anyhow::Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(path, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => {
                Err(error).with_context(|| format!("writing {path}; the batch comes again"))
            }
        }
    }
}

/// What is counted of one date's object.
fn counted(of_date: &OfDate, done: &Appended) -> Batch {
    let rejected = done.rejected.iter().map(|(reason, count)| ((*reason).to_owned(), *count));
    Batch {
        received: done.received as u64,
        rejected: rejected.collect(),
        rows: by_site_and_hour(&of_date.rows),
        erased: of_date.erased.clone(),
        bots: BOTS_VERSION.to_owned(),
    }
}

fn encode(rows: &[Row], batch: &Batch) -> anyhow::Result<bytes::Bytes> {
    let rows = row::batch(rows).context("laying out a hot object")?;
    parquet_file::encode_hot(&rows, batch).context("encoding a hot object")
}

fn rows(counts: &[RowsOfHour]) -> usize {
    let rows: u64 = counts.iter().map(|of_hour| of_hour.rows).sum();
    usize::try_from(rows).unwrap_or(usize::MAX)
}

fn by_site_and_hour(rows: &[Row]) -> Vec<RowsOfHour> {
    let mut counts: BTreeMap<(i32, i64), u64> = BTreeMap::new();
    for row in rows {
        *counts.entry((row.hit.site, hour_start_ms(row.hit.received))).or_default() += 1;
    }
    let rows_of = |((site, hour_ms), rows)| RowsOfHour { site, hour_ms, rows };
    counts.into_iter().map(rows_of).collect()
}

/// The part of the event id before the colon, as the event source mapping makes it.
fn shard(record: &KinesisEventRecord) -> &str {
    let id = record.event_id.as_deref().unwrap_or_default();
    id.split_once(':').map_or("shardId-unknown", |(shard, _)| shard)
}

fn sequence(record: &KinesisEventRecord) -> &str {
    &record.kinesis.sequence_number
}

#[cfg(test)]
mod tests;
