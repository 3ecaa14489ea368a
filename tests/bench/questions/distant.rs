//! A store that is far away: each call waits, and how many wait for one another is counted.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use lake::layout::{HITS, HOT};
use lake::store::{Expected, Store, StoreRef, read_by_requests};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The store.
#[derive(Debug, Clone)]
pub(crate) struct DistantStore {
    inner: StoreRef,
    delay: Duration,
    counts: Arc<Counts>,
}

/// Calls of one question.
#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    /// The most calls so far of which each began after the one before was answered.
    in_sequence: AtomicU64,
    /// Bytes of hits that went over the wire.
    bytes: AtomicU64,
}

impl DistantStore {
    pub(crate) fn new(inner: StoreRef, delay: Duration) -> Self {
        Self { inner, delay, counts: Arc::default() }
    }

    /// Calls since this was last asked, how many of them in sequence, and the bytes of hits, of the
    /// table or hot, that they read.
    pub(crate) fn take_counts(&self) -> (u64, u64, u64) {
        let Counts { calls, in_sequence, bytes } = self.counts.as_ref();
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        (take(calls), take(in_sequence), take(bytes))
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.counts.calls.fetch_add(1, Ordering::SeqCst);
        let number = self.counts.in_sequence.load(Ordering::SeqCst) + 1;
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let answer = call.await;
        self.counts.in_sequence.fetch_max(number, Ordering::SeqCst);
        answer
    }

    fn listed(
        &self,
        list: impl FnOnce(&StoreRef) -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let listed = async move {
            let all: Vec<_> = store.call(list(&store.inner).collect()).await;
            stream::iter(all)
        };
        stream::once(listed).flatten().boxed()
    }
}

impl fmt::Display for DistantStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "distant {}", self.inner)
    }
}

#[async_trait]
impl Store for DistantStore {
    async fn put_file(
        &self,
        path: &Path,
        file: &std::path::Path,
        expected: Expected,
    ) -> Result<PutResult> {
        self.inner.put_file(path, file, expected).await
    }

    /// A store that is near reads as it does; one that is far away takes a request for each part.
    async fn read_ranges(
        &self,
        path: &Path,
        e_tag: Option<&str>,
        ranges: &[Range<u64>],
    ) -> Result<(Vec<Bytes>, usize)> {
        if !self.delay.is_zero() {
            return read_by_requests(self, (path, e_tag), ranges).await;
        }
        let read = self.call(self.inner.read_ranges(path, e_tag, ranges)).await?;
        self.counts.bytes.fetch_add(read.1 as u64, Ordering::SeqCst);
        Ok(read)
    }
}

#[async_trait]
impl ObjectStore for DistantStore {
    async fn put_opts(&self, to: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(to, what, how).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let got = self.call(self.inner.get_opts(path, options)).await?;
        if [HITS, HOT].iter().any(|zone| path.as_ref().starts_with(zone)) {
            let bytes = got.range.end - got.range.start;
            self.counts.bytes.fetch_add(bytes, Ordering::SeqCst);
        }
        Ok(got)
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.listed(move |inner| inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.listed(move |inner| inner.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
