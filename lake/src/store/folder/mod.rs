//! The store in a folder, safe for several processes at once.
//!
//! Listing is `object_store`'s. Every write and deletion is ours, because that store lacks
//! conditional updates and its `ETag` (inode, time, size) can come back: the inode of a
//! replaced file is free for the next, and the clock of a file system ticks in milliseconds.
//! So is reading, which has conditions on that `ETag` (`reading`).
//!
//! A write fills a staged file and syncs it; then, under the folder's file lock, compares
//! what lies there with what was expected, takes a stamp, renames the staged file into place
//! and syncs the folders (`writing`). The stamp, a time in microseconds above every stamp
//! before, becomes the file's modification time, and that with the size is the `ETag`: no
//! two writes share it, and it needs nothing beside the file. Who has a file open keeps
//! reading what it opened, since files are replaced and never changed.
//!
//! The lock and the staged files lie in `.staging`, which is no part of the store.

mod reading;
mod writing;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::{Expected, Store, io_error, not_implemented};
use crate::limits::DELETE_CONCURRENCY;
use writing::{Target, Writer, create_folder};

/// The folder, below the store's, of the lock and the staged files.
const STAGING: &str = ".staging";
/// What this store calls itself in errors.
const NAME: &str = "folder";

/// Objects as files in a folder.
#[derive(Debug, Clone)]
pub struct FolderStore {
    inner: Arc<LocalFileSystem>,
    writer: Arc<Writer>,
}

impl FolderStore {
    /// Opens the store in `folder`, and creates the folder where there is none.
    ///
    /// # Errors
    ///
    /// An error where the folder cannot be created or written to.
    pub fn open(folder: &std::path::Path) -> Result<Self> {
        let root = std::path::absolute(folder)
            .and_then(|root| create_folder(&root.join(STAGING)).and_then(|()| root.canonicalize()))
            .map_err(|error| io_error(NAME, "cannot create", folder, error))?;
        let inner = LocalFileSystem::new_with_prefix(&root)?;
        let writer = Writer::open(root)?;
        Ok(Self { inner: Arc::new(inner), writer: Arc::new(writer) })
    }

    /// The file of `path`, refused where it would be one of the store's own.
    fn file_of(&self, path: &Path) -> Result<PathBuf> {
        if path.parts().next().is_some_and(|part| part.as_ref() == STAGING) {
            let source = format!("{STAGING} belongs to the store itself").into();
            return Err(object_store::Error::Generic { store: NAME, source });
        }
        self.inner.path_to_filesystem(path)
    }

    async fn write(
        &self,
        path: &Path,
        mode: PutMode,
        fill: impl FnOnce(&mut std::fs::File) -> std::io::Result<()> + Send + 'static,
    ) -> Result<PutResult> {
        let target = Target { file: self.file_of(path)?, path: path.clone(), mode };
        let writer = Arc::clone(&self.writer);
        let e_tag = blocking(move || writer.put(&target, fill)).await?;
        Ok(PutResult {
            e_tag: Some(e_tag),
            version: None,
            extensions: object_store::Extensions::default(),
        })
    }
}

impl fmt::Display for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "folder {}", self.writer.root().display())
    }
}

#[async_trait]
impl Store for FolderStore {
    async fn put_file(
        &self,
        path: &Path,
        file: &std::path::Path,
        expected: Expected,
    ) -> Result<PutResult> {
        let from = file.to_owned();
        self.write(path, expected.into(), move |to| {
            std::io::copy(&mut std::fs::File::open(from)?, to)?;
            Ok(())
        })
        .await
    }

    /// A file costs no request for each range: it is opened once, and no more is read.
    async fn read_ranges(
        &self,
        path: &Path,
        e_tag: Option<&str>,
        ranges: &[Range<u64>],
    ) -> Result<(Vec<Bytes>, usize)> {
        if ranges.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let options = GetOptions { if_match: e_tag.map(str::to_owned), ..GetOptions::default() };
        let (file, path, ranges) = (self.file_of(path)?, path.clone(), ranges.to_vec());
        let parts = blocking(move || reading::parts(file, path, &options, &ranges)).await?;
        let read_bytes = parts.iter().map(Bytes::len).sum();
        Ok((parts, read_bytes))
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    /// Attributes and tags are dropped: a file has none.
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.write(path, options.mode, move |to| {
            payload.iter().try_for_each(|bytes| std::io::Write::write_all(to, bytes))
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("put_multipart_opts; use put_file", self))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let (file, path) = (self.file_of(path)?, path.clone());
        blocking(move || reading::get(file, path, &options)).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.file_of(path)?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        paths
            .map(move |path| {
                let store = store.clone();
                async move {
                    let path = path?;
                    let file = store.file_of(&path)?;
                    blocking(move || store.writer.delete(&file)).await?;
                    Ok(path)
                }
            })
            .buffered(DELETE_CONCURRENCY)
            .boxed()
    }

    /// A folder is walked in no order, so the whole list is read and sorted first.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let found = self.inner.list(prefix).try_collect::<Vec<_>>();
        let sorted = async move {
            let mut found = found.await?;
            found.iter_mut().for_each(with_our_e_tag);
            found.sort_unstable_by(|left, right| left.location.cmp(&right.location));
            Ok::<_, object_store::Error>(stream::iter(found.into_iter().map(Ok)))
        };
        stream::once(sorted).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut found = self.inner.list_with_delimiter(prefix).await?;
        found.common_prefixes.retain(|prefix| prefix.as_ref() != STAGING);
        found.objects.iter_mut().for_each(with_our_e_tag);
        found.objects.sort_unstable_by(|left, right| left.location.cmp(&right.location));
        Ok(found)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy_opts", self))
    }
}

/// The `ETag` of a file: its stamp and its size. Files put there by hand have one as well.
fn e_tag(modified: SystemTime, size: u64) -> String {
    format!("\"{:x}-{size:x}\"", micros(modified))
}

fn with_our_e_tag(meta: &mut ObjectMeta) {
    meta.e_tag = Some(e_tag(meta.last_modified.into(), meta.size));
}

/// Microseconds since the Unix epoch; times before it count as the epoch.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}
