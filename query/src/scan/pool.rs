//! The counters of one range of dates: as many as dates are counted at once. What they keep is taken
//! from the question's memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::error::ArrowError;

use super::error::ScanError;
use super::memory::Memory;
use super::threads::Threads;
use crate::count::{Counted, Counter, Tally};
use crate::plan::Plan;

/// The counters that nobody counts with at the moment.
pub(super) struct Pool {
    plan: Arc<Plan>,
    idle: Mutex<Vec<Counter>>,
    memory: Arc<Memory>,
    /// A date was listed again: what is counted is of another version than what was listed.
    relisted: AtomicBool,
}

impl Pool {
    /// For a question; `plan` is that of any of its sites.
    pub(super) fn new(plan: &Arc<Plan>, memory: &Arc<Memory>) -> Self {
        let (plan, memory) = (Arc::clone(plan), Arc::clone(memory));
        Self { plan, idle: Mutex::default(), memory, relisted: AtomicBool::new(false) }
    }

    /// A date is listed again.
    pub(super) fn relist(&self) {
        self.relisted.store(true, Ordering::Relaxed);
    }

    /// Whether a date was listed again.
    pub(super) fn is_relisted(&self) -> bool {
        self.relisted.load(Ordering::Relaxed)
    }

    /// The memory of the question.
    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Counts a whole date of a site.
    pub(super) fn count(
        &self,
        plan: &Arc<Plan>,
        count: impl FnOnce(&mut Counter) -> Result<(), ArrowError>,
    ) -> Result<(), ScanError> {
        let idle = self.idle().pop();
        let mut counter = idle.unwrap_or_else(|| Counter::new(Arc::clone(plan)));
        counter.begin_date(plan);
        self.grow(&mut counter, |counter| {
            count(counter)?;
            counter.end_date()
        })?;
        self.idle().push(counter);
        Ok(())
    }

    /// Lets a counter count, of this pool or apart.
    pub(super) fn grow(
        &self,
        counter: &mut Counter,
        count: impl FnOnce(&mut Counter) -> Result<(), ArrowError>,
    ) -> Result<(), ScanError> {
        let before = counter.bytes();
        count(counter)?;
        self.memory.grow(counter.bytes().saturating_sub(before))
    }

    /// Takes a counter that counted a date apart.
    pub(super) fn add(&self, counter: Counter) {
        self.idle().push(counter);
    }

    /// Everything that was counted, once no more dates are. What each counter can put in order by
    /// itself is done side by side.
    pub(super) async fn take_counted(&self, threads: &Threads) -> Result<Counted, ScanError> {
        let counters = std::mem::take(&mut *self.idle());
        let sorted = counters.into_iter().map(|counter| {
            threads.run(move || {
                let mut tally = counter.into_tally();
                tally.sort_ids();
                Ok(tally)
            })
        });
        let tallies = futures_util::future::try_join_all(sorted).await?;
        let plan = Arc::clone(&self.plan);
        let together = move || {
            let mut tallies = tallies.into_iter();
            let mut tally = tallies.next().unwrap_or_else(|| Tally::new(&plan));
            tallies.for_each(|other| tally.take_over(other));
            Ok(tally.into_counted(&plan))
        };
        threads.run(together).await
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Counter>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
