//! Small JSON objects with an `ETag`: settings, tokens, salts, orders.
//!
//! Read with the version, write on the condition that it is still that version.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Expected, Store, is_conflict};

/// A value and the version that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// What the object says.
    pub value: T,
    /// The object's `ETag`, to expect when it is replaced.
    pub e_tag: String,
}

/// Why a JSON object could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Someone else wrote it meanwhile: read it and decide again.
    #[error("{path} was changed by someone else meanwhile; read it again")]
    Conflict {
        /// The object.
        path: String,
    },
    /// It is not the JSON that it should be.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The object.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

/// The object `path` with its version, or none where there is no such object.
///
/// # Errors
///
/// [`JsonError::Unreadable`], [`JsonError::Store`].
pub async fn read_json<T: DeserializeOwned>(
    store: &dyn Store,
    path: &Path,
) -> Result<Option<Versioned<T>>, JsonError> {
    let got = match store.get(path).await {
        Ok(got) => got,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let e_tag = got.meta.e_tag.clone().unwrap_or_default();
    let bytes = got.bytes().await?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(Versioned { value, e_tag })),
        Err(source) => Err(JsonError::Unreadable { path: path.to_string(), source }),
    }
}

/// Writes `value` as indented JSON where the object is what was `expected`; returns the new `ETag`.
///
/// # Errors
///
/// [`JsonError::Conflict`] where it is not, [`JsonError::Store`].
pub async fn put_json_if<T: Serialize + Sync>(
    store: &dyn Store,
    path: &Path,
    value: &T,
    expected: Expected,
) -> Result<String, JsonError> {
    let unreadable = |source| JsonError::Unreadable { path: path.to_string(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(unreadable)?;
    bytes.push(b'\n');
    match store
        .put_opts(path, bytes.into(), PutOptions::from(object_store::PutMode::from(expected)))
        .await
    {
        Ok(put) => Ok(put.e_tag.unwrap_or_default()),
        Err(error) if is_conflict(&error) => Err(JsonError::Conflict { path: path.to_string() }),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonError, put_json_if, read_json};
    use crate::store::{Expected, memory::MemoryStore};
    use object_store::path::Path;

    #[tokio::test]
    async fn a_stale_version_is_a_conflict() {
        let store = MemoryStore::new();
        let path = Path::from("settings/tokens.json");
        assert!(read_json::<Vec<u8>>(&store, &path).await.unwrap().is_none());
        let first = put_json_if(&store, &path, &vec![1], Expected::Absent).await.unwrap();
        let second =
            put_json_if(&store, &path, &vec![1, 2], Expected::ETag(first.clone())).await.unwrap();
        let read = read_json::<Vec<u8>>(&store, &path).await.unwrap().unwrap();
        assert_eq!((read.value, read.e_tag), (vec![1, 2], second));
        for stale in [Expected::Absent, Expected::ETag(first)] {
            let error = put_json_if(&store, &path, &vec![3], stale).await.unwrap_err();
            assert!(matches!(error, JsonError::Conflict { .. }));
        }
        let error = read_json::<Vec<String>>(&store, &path).await.unwrap_err();
        assert!(error.to_string().starts_with("settings/tokens.json cannot be read: "));
    }
}
