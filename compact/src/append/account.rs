//! The accounts of one batch, one a date (`lake::account`): of its rows by their dates, of what
//! was rejected or dropped by the date of its arrival.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_lambda_events::event::kinesis::KinesisEventRecord;
use jiff::civil::Date;
use lake::account::{Account, Rejected, hour_of};
use lake::clock::utc_date;
use lake::dropped::Dropped;
use lake::layout::Batch;
use lake::store::StoreRef;

/// Accounts by date, while the batch is taken.
#[derive(Debug, Default)]
pub(super) struct Accounts(BTreeMap<Date, Account>);

impl Accounts {
    /// Rows of the hot object of a date, and hits that an order kept out of it.
    pub(super) fn rows(&mut self, dt: Date, batch: &Batch) {
        self.0.entry(dt).or_default().add(&Account::of_batch(batch));
    }

    /// What ingest dropped.
    pub(super) fn dropped(&mut self, record: &KinesisEventRecord, dropped: &Dropped) {
        let account = self.0.entry(arrival(record).1).or_default();
        for ((site, reason), count) in &dropped.counts {
            account.dropped.count((*site, hour_of(dropped.received)), reason, *count);
        }
    }

    /// A record that went to `rejected/`, under the name of its object.
    pub(super) fn rejected(
        &mut self,
        record: &KinesisEventRecord,
        name: &str,
        reason: &str,
        bytes: usize,
    ) {
        let (arrived_ms, dt) = arrival(record);
        let data = &record.kinesis.data.0;
        let rejected = Rejected::of(data, arrived_ms, reason, bytes as u64);
        self.0.entry(dt).or_default().rejected.insert(name.to_owned(), rejected);
    }

    /// Writes them, after everything that they tell of: an account of what is not there would be
    /// missed for ever, while a hot object without one counts by its footer.
    pub(super) async fn write(self, store: &StoreRef, name: &str) -> anyhow::Result<()> {
        for (dt, account) in self.0.into_iter().filter(|(_, account)| !account.is_empty()) {
            let written = account.create(store.as_ref(), dt, name).await;
            written.with_context(|| format!("writing the account of {name} for {dt}"))?;
        }
        Ok(())
    }
}

/// When a record arrived on the stream: Unix milliseconds, and the date in UTC.
pub(super) fn arrival(record: &KinesisEventRecord) -> (i64, Date) {
    let arrived_ms = record.kinesis.approximate_arrival_timestamp.timestamp_millis();
    (arrived_ms, utc_date(arrived_ms))
}
