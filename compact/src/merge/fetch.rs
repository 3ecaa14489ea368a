//! A date's objects brought to local disk, each read once and of one version.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStoreExt as _};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::build::{Slice, Source};
use super::facts::Facts;
use super::scratch::Scratch;

/// Hot objects read at a time.
const CONCURRENT_READS: usize = 8;
/// The file on scratch that has the hot objects.
pub(super) const HOT_FILE: &str = "hot";
/// Bytes of a file's buffer.
const BUFFER_BYTES: usize = 256 * 1024;

/// What came of it.
pub(super) enum Fetched {
    Sources(Vec<Source>),
    /// An object was replaced or deleted since it was listed: the date is to be begun again.
    Changed,
}

/// Brings the table object, of the version that `facts` are of, and hot objects to scratch.
pub(super) async fn fetch(
    store: &StoreRef,
    scratch: &Scratch,
    table: (&Path, &Facts),
    hot: &[Path],
) -> anyhow::Result<Fetched> {
    let mut sources = Vec::with_capacity(hot.len() + 1);
    let (path, facts) = table;
    if facts.e_tag.is_some() {
        let Some(source) = fetch_table(store, scratch, path, facts).await? else {
            return Ok(Fetched::Changed);
        };
        sources.push(source);
    }
    let Some(hot) = fetch_hot(store, scratch, hot).await? else { return Ok(Fetched::Changed) };
    sources.extend(hot);
    Ok(Fetched::Sources(sources))
}

async fn fetch_table(
    store: &StoreRef,
    scratch: &Scratch,
    path: &Path,
    facts: &Facts,
) -> anyhow::Result<Option<Source>> {
    let options = GetOptions { if_match: facts.e_tag.clone(), ..GetOptions::default() };
    let got = match store.get_opts(path, options).await {
        Ok(got) => got,
        Err(Error::NotFound { .. } | Error::Precondition { .. }) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {path}")),
    };
    let mut chunks = got.into_stream();
    let mut to = Spool::create(scratch, "old").await?;
    while let Some(chunk) = chunks.try_next().await.with_context(|| format!("reading {path}"))? {
        to.write(&chunk).await?;
    }
    let (file, len) = to.finish().await?;
    anyhow::ensure!(
        len == facts.bytes,
        "{path} has {} bytes and {len} came; the next run goes on",
        facts.bytes
    );
    let bytes = Slice { file, start: 0, len };
    Ok(Some(Source { name: path.to_string(), bytes, is_table: true }))
}

/// All hot objects go into one file, one behind the other.
async fn fetch_hot(
    store: &StoreRef,
    scratch: &Scratch,
    hot: &[Path],
) -> anyhow::Result<Option<Vec<Source>>> {
    let reads = futures_util::stream::iter(hot.to_vec()).map(|path: Path| async move {
        let read = match store.get(&path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => Ok(Some((path, bytes))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {path}")),
        }
    });
    let mut reads = std::pin::pin!(reads.buffered(CONCURRENT_READS));
    let mut to = Spool::create(scratch, HOT_FILE).await?;
    let mut places: Vec<(Path, u64, u64)> = Vec::with_capacity(hot.len());
    while let Some(read) = reads.try_next().await? {
        let Some((path, bytes)) = read else { return Ok(None) };
        places.push((path, to.len, bytes.len() as u64));
        to.write(&bytes).await?;
    }
    let (file, _) = to.finish().await?;
    let source = |(path, start, len): (Path, u64, u64)| Source {
        name: path.to_string(),
        bytes: Slice { file: Arc::clone(&file), start, len },
        is_table: false,
    };
    Ok(Some(places.into_iter().map(source).collect()))
}

/// A file on scratch that grows.
struct Spool {
    path: std::path::PathBuf,
    to: BufWriter<File>,
    len: u64,
}

impl Spool {
    async fn create(scratch: &Scratch, name: &str) -> anyhow::Result<Self> {
        let path = scratch.file(name);
        let file = File::options().create_new(true).read(true).write(true).open(&path).await;
        let file = file.with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path, to: BufWriter::with_capacity(BUFFER_BYTES, file), len: 0 })
    }

    async fn write(&mut self, bytes: &Bytes) -> anyhow::Result<()> {
        self.len += bytes.len() as u64;
        let written = self.to.write_all(bytes).await;
        written.with_context(|| {
            format!("writing {}; the scratch folder may be full", self.path.display())
        })
    }

    async fn finish(mut self) -> anyhow::Result<(Arc<std::fs::File>, u64)> {
        self.to.flush().await.with_context(|| format!("writing {}", self.path.display()))?;
        Ok((Arc::new(self.to.into_inner().into_std().await), self.len))
    }
}
