//! Reads the dates of a question and counts: one pass over the columns that it needs, pruned by
//! site, of the table and of the hot objects that the table does not hold yet.
//!
//! In sequence there are four reads at most: lists, footers, and the columns; where hits wait, the
//! hot objects and ids besides. Dates are read side by side. Knows objects; knows no request.

mod date;
mod decode;
mod error;
mod fetch;
mod footers;
mod links;
mod list;
mod open;
mod prune;
mod waiting;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::limits::{MAX_COUNTED, QUERY_CONCURRENT_DATES, QUERY_FOOTER_CACHE_BYTES};
use lake::store::StoreRef;
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::Semaphore;

use crate::count::{Counted, Tally};
use crate::plan::Plan;
pub use error::ScanError;
pub use footers::{Footer, Footers};

/// What scans need; kept from question to question.
#[derive(Debug)]
pub struct Scanner {
    store: StoreRef,
    footers: Footers,
    cpu: Arc<Semaphore>,
}

/// What was counted, and how complete it is.
#[derive(Debug)]
pub struct Scanned {
    /// The rows.
    pub counted: Counted,
    /// Partitions whose hits are not all merged.
    pub waiting: BTreeSet<Date>,
}

impl Scanner {
    /// A scanner of a store.
    #[must_use]
    pub fn new(store: StoreRef) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            store,
            footers: Footers::new(QUERY_FOOTER_CACHE_BYTES),
            cpu: Arc::new(Semaphore::new(processors.max(2))),
        }
    }

    /// The footer of a listed table object.
    pub(crate) async fn table_footer(&self, listed: &ObjectMeta) -> Result<Footer, ScanError> {
        Ok(open::table(&self.store, &self.footers, listed).await?.footer)
    }

    /// The footer of a hot object.
    pub(crate) async fn hot_footer(&self, path: Path) -> Result<Footer, ScanError> {
        Ok(open::hot(&self.store, path).await?.footer)
    }

    /// Counts a question over these partitions, which are in the order of time.
    ///
    /// # Errors
    ///
    /// When an object cannot be read, or the answer needs too much memory.
    pub async fn scan(&self, plan: &Arc<Plan>, partitions: &[Date]) -> Result<Scanned, ScanError> {
        let objects = list::dates(&self.store, partitions).await?;
        let mut counts = Vec::new();
        for (dt, objects) in objects {
            counts.push(date::count(self, plan, dt, objects));
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
        let plan = Arc::clone(plan);
        let counted = decode::on_thread(&self.cpu, move || Ok(tally.into_counted(&plan))).await?;
        Ok(Scanned { counted, waiting })
    }
}

#[cfg(test)]
mod tests;
