//! For tests: a store that fails, stalls, loses answers, does things twice and dies, by a plan.
//!
//! It wraps a sound store, so that what survived the trouble can be looked at afterwards. The
//! same seed and the same order of calls give the same faults.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::{Expected, Linked, Store, StoreRef};
use crate::clock::{Random, SeededRandom};

/// How many calls in a thousand meet which fault; the rest meet none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// The call fails and nothing took effect.
    pub failed: u64,
    /// The call took effect, and then an error is reported: the answer was lost.
    pub lost: u64,
    /// The call is made twice and the second answer is reported: a client that tried again by itself.
    pub twice: u64,
    /// The call waits, before or after it takes effect; with a paused clock of tokio, in no time.
    pub stalled: u64,
}

/// How long a call stalls at most.
const MAX_STALL_MS: u128 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Failed,
    Lost,
    Twice,
    /// Before the call, and after it.
    Stalled(Duration, Duration),
}

/// A store with faults.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: StoreRef,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    kind: PlanKind,
    active: AtomicBool,
    calls: AtomicU64,
    faults: AtomicU64,
}

#[derive(Debug)]
enum PlanKind {
    Seeded(Rates, SeededRandom),
    /// This many calls succeed; the next one takes effect or not, and nothing is answered any more.
    Dying {
        after: u64,
        takes_effect: bool,
    },
}

impl Plan {
    fn next(&self) -> Fault {
        if !self.active.load(Ordering::SeqCst) {
            return Fault::None;
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = match &self.kind {
            PlanKind::Seeded(rates, random) => rates.draw(random),
            PlanKind::Dying { after, .. } if call < *after => Fault::None,
            PlanKind::Dying { after, takes_effect: true } if call == *after => Fault::Lost,
            PlanKind::Dying { .. } => Fault::Failed,
        };
        self.faults.fetch_add(u64::from(fault != Fault::None), Ordering::SeqCst);
        fault
    }
}

impl Rates {
    fn draw(self, random: &SeededRandom) -> Fault {
        let drawn = u64::try_from(random.next_u128() % 1000).unwrap_or_default();
        let Self { failed, lost, twice, stalled } = self;
        match drawn {
            drawn if drawn < failed => Fault::Failed,
            drawn if drawn < failed + lost => Fault::Lost,
            drawn if drawn < failed + lost + twice => Fault::Twice,
            drawn if drawn < failed + lost + twice + stalled => {
                Fault::Stalled(stall(random), stall(random))
            }
            _ => Fault::None,
        }
    }
}

fn stall(random: &SeededRandom) -> Duration {
    Duration::from_millis(u64::try_from(random.next_u128() % MAX_STALL_MS).unwrap_or_default())
}

impl FaultyStore {
    /// `inner` with faults at these `rates`, drawn from `seed`.
    #[must_use]
    pub fn new(inner: StoreRef, rates: Rates, seed: u64) -> Self {
        Self::with(inner, PlanKind::Seeded(rates, SeededRandom::new(seed)))
    }

    /// `inner` as whoever sees it who is killed after `after` calls, while the next one is under
    /// way: it takes effect or not, and every later one fails.
    #[must_use]
    pub fn dying(inner: StoreRef, after: u64, takes_effect: bool) -> Self {
        Self::with(inner, PlanKind::Dying { after, takes_effect })
    }

    fn with(inner: StoreRef, kind: PlanKind) -> Self {
        let (active, calls, faults) = (AtomicBool::new(true), AtomicU64::new(0), AtomicU64::new(0));
        Self { inner, plan: Arc::new(Plan { kind, active, calls, faults }) }
    }

    /// Turns the faults on or off.
    pub fn set_active(&self, active: bool) {
        self.plan.active.store(active, Ordering::SeqCst);
    }

    /// How many calls met a fault so far.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.plan.faults.load(Ordering::SeqCst)
    }

    async fn meet<T, F>(&self, call: impl Fn() -> F + Send) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        match self.plan.next() {
            Fault::None => call().await,
            Fault::Failed => Err(broken("the call failed")),
            Fault::Lost => call().await.and(Err(broken("the answer was lost"))),
            Fault::Twice => {
                let _first = call().await;
                call().await
            }
            Fault::Stalled(before, after) => {
                tokio::time::sleep(before).await;
                let answer = call().await;
                tokio::time::sleep(after).await;
                answer
            }
        }
    }
}

fn broken(text: &str) -> Error {
    Error::Generic { store: "faulty", source: text.to_owned().into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn put_file(
        &self,
        path: &Path,
        file: &std::path::Path,
        expected: Expected,
    ) -> Result<PutResult> {
        self.meet(|| self.inner.put_file(path, file, expected.clone())).await
    }

    async fn link(&self, path: &Path, lasts: Duration, as_it_is: Linked<'_>) -> Result<String> {
        self.inner.link(path, lasts, as_it_is).await
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.meet(|| self.inner.put_opts(path, payload.clone(), options.clone())).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.meet(|| self.inner.get_opts(path, options.clone())).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        paths
            .and_then(move |path| {
                let store = store.clone();
                async move {
                    store.meet(|| store.inner.delete(&path)).await?;
                    Ok(path)
                }
            })
            .boxed()
    }

    /// A listing fails as a whole or not at all.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.plan.next() {
            Fault::None | Fault::Twice => self.inner.list(prefix),
            Fault::Failed | Fault::Lost => {
                stream::once(async { Err(broken("the call failed")) }).boxed()
            }
            Fault::Stalled(before, after) => {
                let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
                let listed = async move {
                    tokio::time::sleep(before).await;
                    let listed: Vec<_> = inner.list(prefix.as_ref()).collect().await;
                    tokio::time::sleep(after).await;
                    stream::iter(listed)
                };
                stream::once(listed).flatten().boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.meet(|| self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::{FaultyStore, Rates};
    use crate::store::memory::MemoryStore;
    use object_store::path::Path;
    use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};
    use std::sync::Arc;

    async fn create(rates: Rates) -> (Result<(), Error>, bool) {
        let store = FaultyStore::new(Arc::new(MemoryStore::new()), rates, 1);
        let path = Path::from("a");
        let put = store.put_opts(&path, "x".into(), PutMode::Create.into()).await.map(|_| ());
        assert_eq!(store.faults(), 1);
        store.set_active(false);
        (put, store.head(&path).await.is_ok())
    }

    #[tokio::test]
    async fn faults_do_what_they_say() {
        let none = Rates::default();
        assert!(matches!(
            create(Rates { failed: 1000, ..none }).await,
            (Err(Error::Generic { .. }), false)
        ));
        assert!(matches!(
            create(Rates { lost: 1000, ..none }).await,
            (Err(Error::Generic { .. }), true)
        ));
        assert!(matches!(
            create(Rates { twice: 1000, ..none }).await,
            (Err(Error::AlreadyExists { .. }), true)
        ));
    }

    #[tokio::test]
    async fn a_dying_store_answers_no_more() {
        for takes_effect in [false, true] {
            let inner = Arc::new(MemoryStore::new());
            let store = FaultyStore::dying(inner.clone(), 1, takes_effect);
            let put = async |name: &str| store.put(&Path::from(name), "x".into()).await.is_ok();
            assert!(put("a").await && !put("b").await && !put("c").await);
            let there = async |name: &str| inner.head(&Path::from(name)).await.is_ok();
            assert_eq!(
                (there("a").await, there("b").await, there("c").await),
                (true, takes_effect, false)
            );
        }
    }

    #[tokio::test]
    async fn one_seed_is_one_plan() {
        let rates = Rates { failed: 200, lost: 200, twice: 200, stalled: 200 };
        let faults = |seed| {
            let store = FaultyStore::new(Arc::new(MemoryStore::new()), rates, seed);
            (0..100).map(|_| format!("{:?}", store.plan.next())).collect::<Vec<_>>()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }
}
