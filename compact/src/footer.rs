//! What the footer of a hot object in the store says: append and merge ask where an account is
//! missing.

use anyhow::Context as _;
use lake::layout::Batch;
use lake::parquet_file;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};
use parquet::file::metadata::ParquetMetaDataReader;

/// The batch that the object came from; nothing where it is gone, or is no Parquet.
pub(crate) async fn batch(store: &StoreRef, path: &Path) -> anyhow::Result<Option<Batch>> {
    let read = match store.get(path).await {
        Ok(got) => got.bytes().await,
        Err(error) => Err(error),
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading {path}")),
    };
    let Ok(metadata) = ParquetMetaDataReader::new().parse_and_finish(&bytes) else {
        tracing::warn!(%path, "{path} is no Parquet; its hits will be missed");
        return Ok(None);
    };
    parquet_file::batch(&metadata).with_context(|| format!("reading {path}"))
}
