//! The store in memory, for tests and simulations.

use std::fmt;
use std::ops::Range;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::{Expected, Linked, Store, io_error, not_implemented};

/// Objects in memory; gone with the process.
#[derive(Debug, Default, Clone)]
pub struct MemoryStore {
    inner: InMemory,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn put_file(
        &self,
        path: &Path,
        file: &std::path::Path,
        expected: Expected,
    ) -> Result<PutResult> {
        let bytes = tokio::fs::read(file)
            .await
            .map_err(|error| io_error("memory", "cannot read", file, error))?;
        self.put_opts(path, bytes.into(), PutMode::from(expected).into()).await
    }

    /// A link that says all that it was made of, for tests.
    async fn link(&self, path: &Path, lasts: Duration, as_it_is: Linked<'_>) -> Result<String> {
        let Linked { content_type, content_encoding } = as_it_is;
        let packed = content_encoding.unwrap_or_default();
        Ok(format!("memory:{path}#{}s,{content_type},{packed}", lasts.as_secs()))
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("put_multipart_opts; use put_file", self))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy_opts", self))
    }
}
