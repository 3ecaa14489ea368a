//! The counters of one question: as many as dates are counted at once. What they keep is bounded,
//! all together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::error::ArrowError;
use lake::limits::MAX_COUNTED_BYTES;

use super::error::ScanError;
use crate::count::{Counted, Counter, Tally};
use crate::plan::Plan;

/// The counters that nobody counts with at the moment.
pub(super) struct Pool {
    plan: Arc<Plan>,
    idle: Mutex<Vec<Counter>>,
    bytes: AtomicUsize,
    max_bytes: usize,
}

impl Pool {
    /// For a question; `plan` is that of any of its sites.
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        Self::bounded(plan, MAX_COUNTED_BYTES)
    }

    pub(super) fn bounded(plan: &Arc<Plan>, max_bytes: usize) -> Self {
        let (idle, bytes) = (Mutex::default(), AtomicUsize::new(0));
        Self { plan: Arc::clone(plan), idle, bytes, max_bytes }
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
        let grown = counter.bytes().saturating_sub(before);
        let bytes = self.bytes.fetch_add(grown, Ordering::Relaxed) + grown;
        if bytes > self.max_bytes {
            return Err(ScanError::TooLarge { limit: self.max_bytes });
        }
        Ok(())
    }

    /// Takes a counter that counted a date apart.
    pub(super) fn add(&self, counter: Counter) {
        self.idle().push(counter);
    }

    /// Everything that was counted.
    pub(super) fn take_counted(&self) -> Counted {
        let mut counters = std::mem::take(&mut *self.idle()).into_iter().map(Counter::into_tally);
        let mut tally = counters.next().unwrap_or_else(|| Tally::new(&self.plan));
        counters.for_each(|other| tally.take_over(other));
        tally.into_counted(&self.plan)
    }

    /// What the counters keep.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Counter>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
