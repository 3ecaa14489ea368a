//! Reads the dates of a question and counts: one pass over the columns that it needs, pruned by
//! site, of the table and of the hot objects that the table does not hold yet.
//!
//! In sequence there are three reads, two in a warm process: lists (of objects and of orders of
//! erasure), footers, and the columns; where hits wait or are to be left out, one more
//! (docs/decisions/scan.md). Dates are read side by side, and each counts whole or not at all. Knows
//! objects; knows no request.

mod date;
mod decode;
mod dictionary;
mod error;
mod fetch;
mod footers;
mod links;
mod list;
mod listing;
mod memory;
mod open;
mod parts;
mod pool;
mod prune;
mod standing;
mod threads;
mod together;
pub(crate) mod version;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::limits::{
    MAX_COUNTED_BYTES, QUERY_BUFFERED_KIB, QUERY_CONCURRENT_DATES, QUERY_FOOTER_CACHE_BYTES,
};
use lake::orders::{OrderBook, Orders};
use lake::store::StoreRef;
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::Semaphore;

use crate::count::Counted;
use crate::plan::Plan;
pub use error::ScanError;
pub use footers::{Footer, Footers};
use list::Objects;
pub use listing::{Listed, Listing};
pub use memory::Memory;
use pool::Pool;
pub(crate) use standing::Standing;
use threads::Threads;

/// What scans need; kept from question to question.
#[derive(Debug)]
pub struct Scanner {
    store: StoreRef,
    footers: Footers,
    threads: Threads,
    /// For bytes of columns that are not decoded yet, KiB.
    buffers: Arc<Semaphore>,
    /// For dates whose waiting hits are worked out.
    waiting: Semaphore,
    orders: OrderBook,
    /// Bytes of memory for one question.
    memory_bytes: usize,
}

/// What a question is about: for each of its sites a plan and the partitions, in the order of time.
pub type Sites = [(Arc<Plan>, Vec<Date>)];

/// What was counted, and how complete it is.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The rows.
    pub counted: Counted,
    /// Partitions whose hits are not all merged.
    pub waiting: BTreeSet<Date>,
}

/// The objects of the dates, and what orders of erasure hide of each site that has any.
type Lists = (BTreeMap<Date, Objects>, BTreeMap<i32, Orders>);

impl Scanner {
    /// A scanner of a store.
    #[must_use]
    pub fn new(store: StoreRef) -> Self {
        Self {
            orders: OrderBook::new(Arc::clone(&store)),
            store,
            footers: Footers::new(QUERY_FOOTER_CACHE_BYTES),
            threads: Threads::new(),
            buffers: Arc::new(Semaphore::new(QUERY_BUFFERED_KIB as usize)),
            waiting: Semaphore::new(waiting::CONCURRENT_DATES),
            memory_bytes: MAX_COUNTED_BYTES,
        }
    }

    /// The same with so many bytes of memory for one question.
    #[must_use]
    pub fn with_memory(self, memory_bytes: usize) -> Self {
        Self { memory_bytes, ..self }
    }

    /// The memory of a question that is about to be asked.
    #[must_use]
    pub fn memory(&self) -> Arc<Memory> {
        Memory::new(self.memory_bytes)
    }

    /// The footer of a listed table object.
    pub(crate) async fn table_footer(&self, listed: &ObjectMeta) -> Result<Footer, ScanError> {
        Ok(open::table(&self.store, &self.footers, listed, &Arc::default()).await?.footer)
    }

    /// The footer of a hot object.
    pub(crate) async fn hot_footer(&self, path: Path) -> Result<Footer, ScanError> {
        Ok(open::hot(&self.store, path, &Arc::default()).await?.footer)
    }

    /// Counts a question whose objects are listed, in the memory that it has.
    ///
    /// # Errors
    ///
    /// When an object cannot be read, or the answer needs too much memory.
    pub async fn scan(
        &self,
        sites: &Sites,
        listed: Listed,
        memory: &Arc<Memory>,
    ) -> Result<Scanned, ScanError> {
        let Some((plan, _)) = sites.first() else {
            let counted = Counted { data: Some(listed.version), ..Counted::default() };
            return Ok(Scanned { counted, ..Scanned::default() });
        };
        let pool = Arc::new(Pool::new(plan, memory));
        let waiting = self.count(sites, listed.lists, &pool).await?;
        let counted = pool.take_counted(&self.threads).await?;
        plan.work.scanned();
        let data = (!pool.is_relisted()).then_some(listed.version);
        Ok(Scanned { counted: Counted { data, ..counted }, waiting })
    }

    /// Counts by the pool's counters; the partitions whose hits are not all merged.
    async fn count(
        &self,
        sites: &Sites,
        (objects, hidden): Lists,
        pool: &Arc<Pool>,
    ) -> Result<BTreeSet<Date>, ScanError> {
        let mut counts = Vec::new();
        for (dt, objects) in objects {
            let of_date = sites.iter().filter(|(_, partitions)| partitions.contains(&dt));
            let plans: Vec<Arc<Plan>> = of_date.map(|(plan, _)| Arc::clone(plan)).collect();
            let count = date::count_sites(self, plans, (dt, &hidden), objects, pool);
            counts.push(async move { count.await.map(|waiting| waiting.then_some(dt)) });
        }
        let counts = futures_util::stream::iter(counts).buffer_unordered(QUERY_CONCURRENT_DATES);
        let waiting: Vec<Option<Date>> = counts.try_collect().await?;
        Ok(waiting.into_iter().flatten().collect())
    }

    /// The rows of a plan's site in these partitions, as its columns say, in no order.
    ///
    /// # Errors
    ///
    /// When an object cannot be read, or the rows need too much memory.
    pub async fn rows(
        &self,
        plan: &Arc<Plan>,
        partitions: &[Date],
    ) -> Result<Vec<RecordBatch>, ScanError> {
        let memory = self.memory();
        let (objects, hidden) = self.lists(&[partitions], &|site| site == plan.site).await?;
        let hidden = hidden.into_values().next().unwrap_or_default();
        let mut rows = Vec::new();
        for (dt, objects) in objects {
            rows.extend(date::rows(self, plan, (dt, &hidden), objects, &memory).await?);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
