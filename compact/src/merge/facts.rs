//! What a table object says of itself: its footer, read without the rest and remembered by `ETag`.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use lake::goals::Goals;
use lake::layout::{Holds, MergedFooter, name_hash};
use lake::limits::{FOOTER_READ_BYTES, HOT_KEPT_MS};
use lake::parquet_file;
use lake::store::{Expected, StoreRef};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStoreExt as _};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// How often a footer is read again because the object was replaced meanwhile.
const MAX_ATTEMPTS: u32 = 8;

/// A table object's footer. Where there is no object: that of an empty one.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) e_tag: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) holds: Holds,
    pub(crate) merged: Option<MergedFooter>,
}

/// Whether every part of a date's table holds this hot object, so that none of its rows waits.
pub(crate) fn is_held(table: &[Arc<Facts>], hot: &Path) -> bool {
    !table.is_empty() && table.iter().all(|part| part.holds.contains(hot))
}

impl Facts {
    /// Whether the table has held this hot object for a day, so that no reader can need it. While
    /// rows have goals to meet it stays: a date without hot objects is not looked at.
    pub(super) fn held_long_enough(&self, hot: &Path, now_ms: i64) -> bool {
        let held = self.holds.0.get(&name_hash(hot));
        held.is_some_and(|&at| now_ms - at >= HOT_KEPT_MS) && !self.has_unmet()
    }

    /// Whether there are rows of sites whose goals could not be read when they were merged.
    pub(super) fn has_unmet(&self) -> bool {
        self.merged.as_ref().is_some_and(|merged| !merged.unmet.is_empty())
    }

    /// Whether there are such rows that can meet their goals now.
    pub(super) fn can_meet(&self, goals: &Goals) -> bool {
        self.merged.as_ref().is_some_and(|merged| !merged.unmet.is_subset(goals.unread()))
    }

    /// Whether there is an object that has not applied all of these orders.
    pub(super) fn lacks(&self, orders: &BTreeSet<String>) -> bool {
        let applied = self.merged.as_ref().map(|merged| &merged.orders);
        self.e_tag.is_some() && applied.is_none_or(|applied| !orders.is_subset(applied))
    }

    /// What a replacement of the object expects.
    pub(super) fn expected(&self) -> Expected {
        self.e_tag.clone().map_or(Expected::Absent, Expected::ETag)
    }
}

/// Footers by object; a warm process reads an unchanged one once.
#[derive(Debug, Default)]
pub(super) struct FactsCache(Mutex<HashMap<Path, Arc<Facts>>>);

impl FactsCache {
    /// The footer of the object as it is now.
    pub(super) async fn read(&self, store: &StoreRef, path: &Path) -> anyhow::Result<Arc<Facts>> {
        for _ in 0..MAX_ATTEMPTS {
            let meta = match store.head(path).await {
                Ok(meta) => meta,
                Err(Error::NotFound { .. }) => return Ok(Arc::default()),
                Err(error) => return Err(error).with_context(|| format!("looking at {path}")),
            };
            if let Some(known) = self.known(path, &meta) {
                return Ok(known);
            }
            match footer(store, path, &meta).await {
                Ok(metadata) => return self.remember(path, &meta, &metadata),
                Err(FooterError::Replaced) => {}
                Err(FooterError::Other(error)) => return Err(error),
            }
        }
        anyhow::bail!("{path} was replaced {MAX_ATTEMPTS} times while its footer was read")
    }

    fn known(&self, path: &Path, meta: &ObjectMeta) -> Option<Arc<Facts>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()?;
        (known.e_tag.is_some() && known.e_tag == meta.e_tag).then_some(known)
    }

    fn remember(
        &self,
        path: &Path,
        meta: &ObjectMeta,
        metadata: &ParquetMetaData,
    ) -> anyhow::Result<Arc<Facts>> {
        let facts = Arc::new(Facts {
            e_tag: meta.e_tag.clone(),
            bytes: meta.size,
            rows: u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default(),
            holds: parquet_file::holds(metadata).with_context(|| format!("reading {path}"))?,
            merged: parquet_file::merged(metadata).with_context(|| format!("reading {path}"))?,
        });
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.clone(), Arc::clone(&facts));
        Ok(facts)
    }
}

enum FooterError {
    Replaced,
    Other(anyhow::Error),
}

/// An object as it is now: where and which version, and its footer; none where there is none.
pub(crate) async fn open(
    store: &StoreRef,
    path: &Path,
) -> anyhow::Result<Option<(ObjectMeta, ParquetMetaData)>> {
    for _ in 0..MAX_ATTEMPTS {
        let meta = match store.head(path).await {
            Ok(meta) => meta,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("looking at {path}")),
        };
        match footer(store, path, &meta).await {
            Ok(metadata) => return Ok(Some((meta, metadata))),
            Err(FooterError::Replaced) => {}
            Err(FooterError::Other(error)) => return Err(error),
        }
    }
    anyhow::bail!("{path} was replaced {MAX_ATTEMPTS} times while its footer was read")
}

async fn footer(
    store: &StoreRef,
    path: &Path,
    meta: &ObjectMeta,
) -> Result<ParquetMetaData, FooterError> {
    let mut length = FOOTER_READ_BYTES;
    loop {
        let end = end(store, path, meta, length).await?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&end, meta.size) {
            Ok(()) => {
                let metadata = reader.finish().with_context(|| format!("decoding {path}"));
                return metadata.map_err(FooterError::Other);
            }
            Err(ParquetError::NeedMoreData(needed)) if (needed as u64) > length => {
                length = needed as u64;
            }
            Err(error) => {
                return Err(FooterError::Other(
                    anyhow::Error::from(error).context(format!("decoding {path}")),
                ));
            }
        }
    }
}

/// The object's last bytes, of the version that was looked at.
async fn end(
    store: &StoreRef,
    path: &Path,
    meta: &ObjectMeta,
    length: u64,
) -> Result<Bytes, FooterError> {
    let options = GetOptions {
        range: Some(GetRange::Bounded(meta.size.saturating_sub(length)..meta.size)),
        if_match: meta.e_tag.clone(),
        ..GetOptions::default()
    };
    let read = match store.get_opts(path, options).await {
        Ok(got) => got.bytes().await,
        Err(error) => Err(error),
    };
    read.map_err(|error| match error {
        Error::Precondition { .. } | Error::NotFound { .. } => FooterError::Replaced,
        error => FooterError::Other(anyhow::Error::from(error).context(format!("reading {path}"))),
    })
}
