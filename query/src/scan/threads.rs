//! Threads for what takes a processor: decoding and counting, on as many threads as there are
//! processors, in the order in which the work comes.
//!
//! They are tokio's, but each goes on with the next piece of work as long as there is any: to wake
//! another thread for each, which tokio does, keeps processors waiting (docs/decisions/scan.md).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::error::ScanError;

/// The threads, and what they have still to do.
#[derive(Debug)]
pub(super) struct Threads {
    most: usize,
    queue: Arc<Mutex<Queue>>,
}

/// How often a thread that has nothing to do lets others run before it ends: some microseconds, in which
/// the next read is answered.
const IDLE_TURNS: u32 = 64;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    /// Threads that are at work.
    working: usize,
}

impl Threads {
    /// As many as there are processors, at least two: while one waits for memory the other goes on.
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { most: processors.max(2), queue: Arc::default() }
    }

    /// Runs work on one of them. Once begun it goes on although nobody polls this future.
    ///
    /// # Errors
    ///
    /// As the work; [`ScanError::Thread`] when it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ScanError> + Send + 'static,
    ) -> Result<T, ScanError> {
        let (answer, answered) = oneshot::channel();
        let work = move || {
            // Who asked may have gone.
            let _ = answer.send(work());
        };
        if let Some(begins) = self.add(Box::new(work)) {
            // It ends when nothing waits any more; answers come by themselves.
            drop(tokio::task::spawn_blocking(move || begins.work_off()));
        }
        answered.await?
    }

    /// Adds work; one more thread, if one is to begin.
    fn add(&self, work: Box<dyn FnOnce() + Send>) -> Option<AtWork> {
        let mut queue = lock(&self.queue);
        queue.waiting.push_back(work);
        if queue.working == self.most {
            return None;
        }
        queue.working += 1;
        drop(queue);
        Some(AtWork { queue: Arc::clone(&self.queue), counted: true })
    }
}

/// A thread that is at work, or would be, did the runtime not end.
struct AtWork {
    queue: Arc<Mutex<Queue>>,
    counted: bool,
}

impl AtWork {
    /// Does what waits until nothing does, and nothing more comes for some turns.
    fn work_off(mut self) {
        let mut turns = 0;
        while self.counted {
            match self.next(turns == IDLE_TURNS) {
                Some(work) => {
                    // Whose work panics is told by the answer that never comes.
                    let _ = catch_unwind(AssertUnwindSafe(work));
                    turns = 0;
                }
                None => {
                    std::thread::yield_now();
                    turns += 1;
                }
            }
        }
    }

    /// The next piece of work; none, the last time that is asked: the thread is no longer at work.
    fn next(&mut self, is_last: bool) -> Option<Box<dyn FnOnce() + Send>> {
        let mut queue = lock(&self.queue);
        let next = queue.waiting.pop_front();
        if is_last && next.is_none() {
            queue.working -= 1;
            self.counted = false;
        }
        next
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if self.counted {
            lock(&self.queue).working -= 1;
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waiting, {} threads at work", self.waiting.len(), self.working)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn all_work_is_done_by_so_many_threads_at_most() {
        let threads = Threads { most: 3, queue: Arc::default() };
        let (at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..200_usize).map(|number| {
            let (at_work, most) = (Arc::clone(&at_work), Arc::clone(&most));
            threads.run(move || {
                most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                at_work.fetch_sub(1, Ordering::SeqCst);
                Ok(number)
            })
        });
        let done = futures_util::future::try_join_all(work).await.unwrap();
        assert_eq!(done, (0..200).collect::<Vec<_>>());
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_its_thread_goes_on() {
        let threads = Threads { most: 1, queue: Arc::default() };
        let panics = threads.run(|| -> Result<(), ScanError> { panic!("as it is to") });
        let (panicked, done) = tokio::join!(panics, threads.run(|| Ok(1)));
        assert!(matches!(panicked, Err(ScanError::Thread(_))) && matches!(done, Ok(1)));
        assert_eq!(threads.run(|| Ok(2)).await.unwrap(), 2);
    }

    #[test]
    fn threads_outlive_a_runtime_that_ends_with_work_to_do() {
        let threads = Arc::new(Threads { most: 1, queue: Arc::default() });
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let first = runtime();
        let handle = first.handle().clone();
        drop(first);
        {
            let _entered = handle.enter();
            let mut work = Box::pin(threads.run(|| Ok(1)));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(work.as_mut().poll(&mut context).is_pending(), "nobody does it");
        }
        assert_eq!(runtime().block_on(threads.run(|| Ok(2))).unwrap(), 2);
    }
}
