//! Erasure: what orders cover is found and removed from every object (DESIGN section 3).
//!
//! Three steps, each of which may be killed, repeated, and run twice at once: orders that follow
//! from a site's retention are given; orders of persons are closed (`close`); what is left of
//! anybody is removed from parked, rejected, hot and table objects, in this order, which is that
//! of a hit's way: whoever moves a hit meanwhile moves it to where it is looked for next. What is
//! rewritten is rewritten by the merge. docs/decisions/erasure.md says why this is enough.

mod close;
mod columns;
mod objects;
mod records;
pub mod report;

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::civil::Date;
use lake::layout::RowsOfHour;
use lake::orders::{
    Entry, Order, Orders, Receipt, State, Whom, delete_superseded, finish, give, put_progress,
    retention_id, status,
};
use lake::site::{SiteError, list_sites, read_site};
use lake::store::StoreRef;
use object_store::path::Path;
use serde::Serialize;

use crate::merge::Merge;

/// What an erasure needs; built once.
#[derive(Debug, Clone)]
pub struct Erase {
    merge: Merge,
    /// Where batches are parked: a store, and the folder in it.
    parked: Vec<(StoreRef, Option<Path>)>,
    /// How long after an order somebody who has not seen it can still write hits.
    seen_ms: i64,
}

/// An order and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub receipt: Receipt,
    /// Bytes of table objects that this run wrote; of those written for several orders at once they
    /// are told with the first.
    pub bytes_written: u64,
}

/// What the erase function returns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The orders that it worked on.
    pub erasures: Vec<Carried>,
}

/// Orders that are being carried out, and what was done for each so far.
struct Round {
    entries: Vec<Entry>,
    receipts: Vec<Receipt>,
    /// By order: bytes written in this round.
    bytes_written: Vec<u64>,
    /// All of them together.
    orders: Orders,
    /// Each by itself, to tell how much of an object is whose.
    one_by_one: Vec<Orders>,
}

impl Erase {
    /// An erasure that rewrites by this merge. `seen_ms` is how long after an order an append that
    /// has not seen it can still write: nothing where the caller waits for that itself.
    #[must_use]
    pub fn new(merge: Merge, seen_ms: i64) -> Self {
        let own = (merge.store.clone(), Some(Path::from(lake::layout::PARKED)));
        Self { merge, parked: vec![own], seen_ms }
    }

    /// The same with another store that batches are parked in.
    #[must_use]
    pub fn with_parked(mut self, store: StoreRef) -> Self {
        self.parked.push((store, None));
        self
    }

    /// All three steps.
    ///
    /// # Errors
    ///
    /// When an order could not be carried out; the next run goes on.
    pub async fn run(&self) -> anyhow::Result<Vec<Carried>> {
        // What can be carried out is, even where a site or another order stands in the way.
        let kept = self.keep_retention().await;
        let closed = self.close().await;
        let carried = self.carry_out().await;
        kept.and(closed).and(carried)
    }

    /// Gives the orders that follow from the retention of sites: one a site and date.
    ///
    /// # Errors
    ///
    /// When the store fails, or a site's settings cannot be read.
    pub async fn keep_retention(&self) -> anyhow::Result<()> {
        let sites = list_sites(self.store()).await.context("listing the sites")?;
        let known = self.merge.orders.erasing().await.context("reading the orders")?.orders;
        let mut done = Ok(());
        for site in sites {
            if let Err(error) = self.keep_retention_of(site, &known).await {
                tracing::error!(site, "retention of site {site} not looked at: {error:#}");
                done = Err(error);
            }
        }
        done
    }

    async fn keep_retention_of(&self, site: i32, known: &Orders) -> anyhow::Result<()> {
        let settings = match read_site(self.store(), site).await {
            Ok(settings) => settings,
            // Removed since it was listed.
            Err(SiteError::Unknown(_)) => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("reading site {site}")),
        };
        let Some(days) = settings.settings.retention_days else { return Ok(()) };
        let now_ms = self.merge.clock.now_ms();
        let today = settings.local_date(now_ms);
        let before = today.saturating_sub(jiff::Span::new().days(i64::from(days)));
        if before.yesterday().is_ok_and(|last| known.cover_date(site, last)) {
            return Ok(());
        }
        let whom = Whom::Before(before);
        let order = Order { site, whom, before_ms: now_ms, given_ms: now_ms };
        give(self.store(), &retention_id(site, before), &order).await?;
        Ok(())
    }

    /// Removes what closed orders cover, and makes final those of which no copy is left.
    ///
    /// # Errors
    ///
    /// When a store fails or an object cannot be read; what was removed stays so.
    pub async fn carry_out(&self) -> anyhow::Result<Vec<Carried>> {
        let began_ms = self.merge.clock.now_ms();
        let Some(mut round) = self.round().await? else { return Ok(Vec::new()) };
        let removed = self.remove(&mut round).await;
        if let Err(error) = removed {
            round.receipts.iter_mut().for_each(|receipt| receipt.state = State::Failed);
            for (entry, receipt) in round.entries.iter().zip(&round.receipts) {
                if let Err(error) = put_progress(self.store(), &entry.id, receipt).await {
                    tracing::warn!(id = entry.id, "the failure was not noted: {error}");
                }
            }
            return Err(error);
        }
        let mut carried = Vec::new();
        let told = round.receipts.into_iter().zip(round.bytes_written);
        for (entry, (receipt, bytes_written)) in round.entries.iter().zip(told) {
            let receipt = self.end(entry, receipt, began_ms).await?;
            carried.push(Carried { id: entry.id.clone(), receipt, bytes_written });
        }
        Ok(carried)
    }

    async fn round(&self) -> anyhow::Result<Option<Round>> {
        let mut entries = self.merge.orders.open().await.context("reading the orders")?;
        entries.retain(|entry| entry.is_closed);
        if entries.is_empty() {
            return Ok(None);
        }
        let mut receipts = Vec::with_capacity(entries.len());
        for entry in &entries {
            let receipt = status(self.store(), &entry.id).await?.unwrap_or_default();
            receipts.push(Receipt { state: State::Running, ..receipt });
        }
        let orders = entries.iter().map(|entry| (entry.id.clone(), entry.order.clone()));
        let one_by_one = orders.clone().map(|order| Orders::of([order])).collect();
        let (orders, bytes_written) = (Orders::of(orders), vec![0; entries.len()]);
        Ok(Some(Round { orders, one_by_one, entries, receipts, bytes_written }))
    }

    async fn remove(&self, round: &mut Round) -> anyhow::Result<()> {
        self.clean_parked(round).await?;
        self.clean_rejected(round).await?;
        self.clean_hot(round).await?;
        self.clean_table(round).await
    }

    /// Makes an order final, if everybody who writes hits has seen it when this round began.
    async fn end(&self, entry: &Entry, receipt: Receipt, began_ms: i64) -> anyhow::Result<Receipt> {
        let order = entry.order.as_ref();
        if self.seen_ms > 0 && began_ms - order.given_ms < self.seen_ms {
            put_progress(self.store(), &entry.id, &receipt).await?;
            return Ok(receipt);
        }
        let done_ms = Some(self.merge.clock.now_ms());
        let receipt = Receipt { state: State::Done, done_ms, ..receipt };
        finish(self.store(), entry, receipt.clone()).await?;
        if let Whom::Before(before) = order.whom {
            delete_superseded(self.store(), order.site, before).await?;
        }
        tracing::info!(
            id = entry.id,
            site = order.site,
            objects_rewritten = receipt.objects_rewritten,
            rows_before = receipt.rows_before,
            rows_after = receipt.rows_after,
            "erasure {} done",
            entry.id
        );
        Ok(receipt)
    }

    const fn store(&self) -> &StoreRef {
        &self.merge.store
    }
}

impl Round {
    /// Notes that an object was rewritten or deleted for the orders with these numbers, and how many
    /// bytes were written for it.
    fn rewritten(&mut self, orders: &BTreeMap<usize, u64>, rows: u64, bytes: u64) {
        let first = orders.keys().next().and_then(|&number| self.bytes_written.get_mut(number));
        if let Some(written) = first {
            *written += bytes;
        }
        for (&number, &covered) in orders {
            if let Some(receipt) = self.receipts.get_mut(number) {
                receipt.objects_rewritten += 1;
                receipt.rows_before += rows;
                receipt.rows_after += rows.saturating_sub(covered);
            }
        }
    }

    /// Notes that a record was removed, under the first order of its site: its number.
    fn removed_record(&mut self, site: i32, received_ms: i64) -> Option<usize> {
        let number = self.entries.iter().position(|entry| entry.order.site == site)?;
        let receipt = self.receipts.get_mut(number)?;
        receipt.objects_rewritten += 1;
        RowsOfHour::add(&mut receipt.erased, site, received_ms, 1);
        Some(number)
    }

    /// Writes down how far the orders with these numbers are.
    async fn note(
        &self,
        store: &StoreRef,
        orders: impl IntoIterator<Item = usize>,
    ) -> anyhow::Result<()> {
        for number in orders {
            if let (Some(entry), Some(receipt)) =
                (self.entries.get(number), self.receipts.get(number))
            {
                put_progress(store, &entry.id, receipt).await?;
            }
        }
        Ok(())
    }

    /// By number of an order: how many rows of a batch it covers, added to what is counted.
    fn count(
        &self,
        dt: Date,
        batch: &arrow::array::RecordBatch,
        counts: &mut BTreeMap<usize, u64>,
    ) -> anyhow::Result<()> {
        if self.orders.keep(dt, batch)?.is_none() {
            return Ok(());
        }
        for (number, one) in self.one_by_one.iter().enumerate() {
            if let Some(keep) = one.keep(dt, batch)? {
                *counts.entry(number).or_default() += keep.false_count() as u64;
            }
        }
        Ok(())
    }
}
