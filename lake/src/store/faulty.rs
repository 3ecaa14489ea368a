//! For tests: a store that fails, loses answers and does things twice, by a seeded plan.
//!
//! It wraps a sound store, so that what survived the trouble can be looked at afterwards. The
//! same seed and the same order of calls give the same faults.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::{Expected, Store, StoreRef};
use crate::clock::{Random, SeededRandom};

/// How many calls in a thousand meet which fault; the rest meet none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// The call fails and nothing took effect.
    pub failed: u64,
    /// The call took effect, and then an error is reported: the answer was lost.
    pub lost: u64,
    /// The call is made twice and the second answer is reported: a client that tried again by itself.
    pub twice: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Failed,
    Lost,
    Twice,
}

/// A store with faults.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: StoreRef,
    plan: Arc<Plan>,
}

#[derive(Debug)]
struct Plan {
    rates: Rates,
    random: SeededRandom,
    active: AtomicBool,
    faults: AtomicU64,
}

impl Plan {
    fn next(&self) -> Fault {
        if !self.active.load(Ordering::SeqCst) {
            return Fault::None;
        }
        let drawn = u64::try_from(self.random.next_u128() % 1000).unwrap_or_default();
        let Rates { failed, lost, twice } = self.rates;
        let fault = match drawn {
            drawn if drawn < failed => Fault::Failed,
            drawn if drawn < failed + lost => Fault::Lost,
            drawn if drawn < failed + lost + twice => Fault::Twice,
            _ => Fault::None,
        };
        self.faults.fetch_add(u64::from(fault != Fault::None), Ordering::SeqCst);
        fault
    }
}

impl FaultyStore {
    /// `inner` with faults at these `rates`, drawn from `seed`.
    #[must_use]
    pub fn new(inner: StoreRef, rates: Rates, seed: u64) -> Self {
        let (random, active, faults) =
            (SeededRandom::new(seed), AtomicBool::new(true), AtomicU64::new(0));
        Self { inner, plan: Arc::new(Plan { rates, random, active, faults }) }
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
        let none = Rates { failed: 0, lost: 0, twice: 0 };
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
    async fn one_seed_is_one_plan() {
        let rates = Rates { failed: 200, lost: 200, twice: 200 };
        let faults = |seed| {
            let store = FaultyStore::new(Arc::new(MemoryStore::new()), rates, seed);
            (0..100).map(|_| format!("{:?}", store.plan.next())).collect::<Vec<_>>()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }
}
