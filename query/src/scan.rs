//! Reads the dates of a question and counts: one pass over the columns that it needs, pruned by
//! site, of the table and of the hot objects that the table does not hold yet.
//!
//! In sequence there are four reads at most: lists (of objects and of orders of erasure), footers,
//! and the columns; where hits wait or are to be left out, the hot objects and ids besides. Dates are read side by side. Knows objects; knows no request.

mod date;
mod decode;
mod error;
mod fetch;
mod footers;
mod links;
mod list;
mod open;
mod prune;
mod version;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::limits::{MAX_COUNTED, QUERY_CONCURRENT_DATES, QUERY_FOOTER_CACHE_BYTES};
use lake::orders::{OrderBook, Orders};
use lake::store::StoreRef;
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::Semaphore;

use crate::count::{Counted, Tally};
use crate::plan::Plan;
pub use error::ScanError;
pub use footers::{Footer, Footers};
use list::Objects;

/// What scans need; kept from question to question.
#[derive(Debug)]
pub struct Scanner {
    store: StoreRef,
    footers: Footers,
    cpu: Arc<Semaphore>,
    orders: OrderBook,
}

/// What was counted, and how complete it is.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The rows.
    pub counted: Counted,
    /// Partitions whose hits are not all merged.
    pub waiting: BTreeSet<Date>,
    /// The version of the data that was read, or of what it replaced meanwhile.
    pub version: u64,
}

impl Scanner {
    /// A scanner of a store.
    #[must_use]
    pub fn new(store: StoreRef) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            orders: OrderBook::new(Arc::clone(&store)),
            store,
            footers: Footers::new(QUERY_FOOTER_CACHE_BYTES),
            cpu: Arc::new(Semaphore::new(processors.max(2))),
        }
    }

    /// The footer of a listed table object.
    pub(crate) async fn table_footer(&self, listed: &ObjectMeta) -> Result<Footer, ScanError> {
        Ok(open::table(&self.store, &self.footers, listed, &Arc::default()).await?.footer)
    }

    /// The footer of a hot object.
    pub(crate) async fn hot_footer(&self, path: Path) -> Result<Footer, ScanError> {
        Ok(open::hot(&self.store, path, &Arc::default()).await?.footer)
    }

    /// Counts a question: for each of its sites a plan and the partitions, in the order of time.
    /// The plans differ in their sites alone.
    ///
    /// # Errors
    ///
    /// When an object cannot be read, or the answer needs too much memory.
    pub async fn scan(&self, sites: &[(Arc<Plan>, Vec<Date>)]) -> Result<Scanned, ScanError> {
        let Some((plan, _)) = sites.first() else { return Ok(Scanned::default()) };
        let (partitions, asked) = wanted(sites);
        let (objects, hidden) = self.lists(&partitions, &asked).await?;
        let version = version::of(&objects, &hidden);
        plan.work.listed();
        let none = Orders::default();
        let mut counts = Vec::new();
        for (plan, partitions) in sites {
            let hidden = hidden.get(&plan.site).unwrap_or(&none);
            for (dt, objects) in objects.iter().filter(|(dt, _)| partitions.contains(dt)) {
                counts.push(date::count(self, plan, (*dt, hidden), objects.clone()));
            }
        }
        let mut counts = futures_util::stream::iter(counts).buffered(QUERY_CONCURRENT_DATES);
        let mut tally = Tally::new(plan);
        let mut waiting = BTreeSet::new();
        while let Some(of_date) = counts.try_next().await? {
            if of_date.waiting {
                waiting.insert(of_date.dt);
            }
            tally = decode::on_thread(&self.cpu, move || {
                tally.take_over(of_date.tally);
                Ok(tally)
            })
            .await?;
            if tally.size() > MAX_COUNTED {
                return Err(ScanError::TooLarge { limit: MAX_COUNTED });
            }
        }
        let of_plan = Arc::clone(plan);
        let counted =
            decode::on_thread(&self.cpu, move || Ok(tally.into_counted(&of_plan))).await?;
        plan.work.scanned();
        Ok(Scanned { counted, waiting, version })
    }

    /// The rows of a plan's site in these partitions, as its columns say, in no order.
    ///
    /// # Errors
    ///
    /// When an object cannot be read.
    pub async fn rows(
        &self,
        plan: &Arc<Plan>,
        partitions: &[Date],
    ) -> Result<Vec<RecordBatch>, ScanError> {
        let (objects, hidden) = self.lists(partitions, &BTreeSet::from([plan.site])).await?;
        let hidden = hidden.into_values().next().unwrap_or_default();
        let mut rows = Vec::new();
        for (dt, objects) in objects {
            rows.extend(date::rows(self, plan, (dt, &hidden), objects).await?);
        }
        Ok(rows)
    }

    /// The objects of the dates, and what orders of erasure hide of each site that has any.
    async fn lists(
        &self,
        partitions: &[Date],
        sites: &BTreeSet<i32>,
    ) -> Result<(BTreeMap<Date, Objects>, BTreeMap<i32, Orders>), ScanError> {
        let hidden = async { Ok(self.orders.hiding(sites).await?) };
        futures_util::try_join!(list::dates(&self.store, partitions), hidden)
    }
}

/// The partitions of all plans in the order of time, and their sites.
fn wanted(sites: &[(Arc<Plan>, Vec<Date>)]) -> (Vec<Date>, BTreeSet<i32>) {
    let partitions: BTreeSet<Date> = sites.iter().flat_map(|(_, dates)| dates).copied().collect();
    let asked = sites.iter().map(|(plan, _)| plan.site).collect();
    (partitions.into_iter().collect(), asked)
}

#[cfg(test)]
mod tests;
