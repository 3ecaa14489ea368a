//! The store in a bucket, over `aws-sdk-s3`: one AWS client stack in the Lambdas.
//!
//! Conditions are S3's own (`If-Match`, `If-None-Match`). The SDK retries lost answers, and then a
//! conditional write may fail on what its own first attempt wrote: callers read again, as
//! [`Store::put_file`] says. Versioned buckets and customer keys are not known here.

mod error;
mod list;
mod read;
mod upload;
mod write;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::{Expected, Linked, Store, io_error, not_implemented};
use crate::limits::{DELETE_CONCURRENCY, MULTIPART_THRESHOLD_BYTES};

/// What this store calls itself in errors.
const NAME: &str = "s3";

/// Objects in a bucket, below a prefix.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    prefix: Path,
    multipart_threshold_bytes: u64,
}

impl S3Store {
    /// The objects of `bucket` whose keys begin with `prefix` (an empty one: all of them).
    #[must_use]
    pub const fn new(client: Client, bucket: String, prefix: Path) -> Self {
        Self { client, bucket, prefix, multipart_threshold_bytes: MULTIPART_THRESHOLD_BYTES }
    }

    /// The same store, which sends files of this many bytes and more in parts.
    #[must_use]
    pub const fn with_multipart_threshold(mut self, bytes: u64) -> Self {
        self.multipart_threshold_bytes = bytes;
        self
    }

    /// The key of the object `path`.
    fn key(&self, path: &Path) -> String {
        if self.prefix.is_root() { path.to_string() } else { format!("{}/{path}", self.prefix) }
    }

    /// The path of the object `key`; none for keys that no path can have, such as a console's folder markers.
    fn path(&self, key: &str) -> Option<Path> {
        let below = if self.prefix.is_root() {
            key
        } else {
            key.strip_prefix(self.prefix.as_ref())?.strip_prefix('/')?
        };
        Path::parse(below).ok().filter(|path| path.as_ref() == below && !path.is_root())
    }

    async fn delete_one(&self, path: Path) -> Result<Path> {
        let deleted =
            self.client.delete_object().bucket(&self.bucket).key(self.key(&path)).send().await;
        match deleted {
            Ok(_) => Ok(path),
            Err(failed) => Err(error::read(&path, failed)),
        }
    }
}

impl fmt::Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[async_trait]
impl Store for S3Store {
    async fn put_file(
        &self,
        path: &Path,
        file: &std::path::Path,
        expected: Expected,
    ) -> Result<PutResult> {
        let failed = |error| io_error(NAME, "cannot read", file, error);
        let size = tokio::fs::metadata(file).await.map_err(failed)?.len();
        if size >= self.multipart_threshold_bytes {
            return self.put_in_parts(path, file, size, &expected).await;
        }
        let bytes = Bytes::from(tokio::fs::read(file).await.map_err(failed)?);
        self.put_opts(path, bytes.into(), object_store::PutMode::from(expected).into()).await
    }

    async fn link(&self, path: &Path, lasts: Duration, as_it_is: Linked<'_>) -> Result<String> {
        let config = PresigningConfig::expires_in(lasts).map_err(read::generic)?;
        let request = self.client.get_object().bucket(&self.bucket).key(self.key(path));
        let request = request
            .response_content_type(as_it_is.content_type)
            .set_response_content_encoding(as_it_is.content_encoding.map(str::to_owned));
        let signed = request.presigned(config).await.map_err(read::generic)?;
        Ok(signed.uri().to_owned())
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.put_whole(path, payload.into(), &options).await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("put_multipart_opts; use put_file", self))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            self.head_object(path, &options).await
        } else {
            self.get_object(path, &options).await
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        paths
            .map(move |path| {
                let store = store.clone();
                async move { store.delete_one(path?).await }
            })
            .buffered(DELETE_CONCURRENCY)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.list_folder(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy_opts", self))
    }
}
