//! Why a scan failed.

use lake::parquet_file::FileError;
use object_store::path::Path;

/// Why a scan failed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// An object was replaced or removed while it was read: the date is read again.
    #[error("{0} was replaced while it was read")]
    Replaced(Path),
    /// The store.
    #[error("reading {0}: {1}")]
    Store(Path, #[source] object_store::Error),
    /// The bytes are not those of hits.
    #[error("decoding {0}: {1}")]
    File(Path, #[source] FileError),
    /// Without the orders of erasure nothing may be shown.
    #[error("reading the orders of erasure: {0}")]
    Orders(#[from] lake::store::JsonError),
    /// Columns of other types than the table has.
    #[error("columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The question has more rows than memory for them.
    #[error(
        "the answer needs more than {limit} bytes of memory for its rows, visitors and hits that wait to be merged; ask for fewer dates, a longer interval, fewer dimensions or a filter"
    )]
    TooLarge {
        /// How many bytes there may be.
        limit: usize,
    },
    /// Work on a thread of ours gave no answer.
    #[error("counting: {0}")]
    Thread(#[from] tokio::sync::oneshot::error::RecvError),
}

impl ScanError {
    /// The error of a read that was pinned to a version.
    pub(crate) fn reading(path: &Path, error: object_store::Error) -> Self {
        match error {
            object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. } => {
                Self::Replaced(path.clone())
            }
            error => Self::Store(path.clone(), error),
        }
    }

    pub(super) fn parquet(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> Self + '_ {
        |error| Self::File(path.clone(), error.into())
    }
}
