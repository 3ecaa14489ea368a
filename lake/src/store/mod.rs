//! Objects: the one interface behind which S3, a folder or memory lies.
//!
//! [`Store`] is `object_store`'s trait with a few methods more. What holds for every
//! implementation is written down as a suite, [`conformance`], that runs over all
//! of them: a write is atomic and durable when it returns, of writers racing for
//! one key or one `ETag` exactly one wins, a reader that pins an `ETag` never sees
//! bytes of another version, and listings are complete and in the order of bytes.
//! An `ETag` changes with the bytes; whether equal bytes written again keep it differs (S3: yes).
//! Nothing here knows what the objects hold.

pub mod aws;
pub mod conformance;
pub mod faulty;
pub mod folder;
mod json;
pub mod memory;
pub mod open;
pub mod s3;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, PutMode, PutResult, Result, UpdateVersion,
};

use crate::limits::QUERY_COALESCE_BYTES;
pub use json::{JsonError, Versioned, put_json_if, read_json};
pub use open::{OpenError, StoreUrl, StreamUrl, open, open_parked};

/// A store, shared by whoever needs it.
pub type StoreRef = Arc<dyn Store>;

/// What a conditional write expects to find under its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing; the write creates the object.
    Absent,
    /// The version with this `ETag`; the write replaces it.
    ETag(String),
}

impl From<Expected> for PutMode {
    fn from(expected: Expected) -> Self {
        match expected {
            Expected::Absent => Self::Create,
            Expected::ETag(e_tag) => {
                Self::Update(UpdateVersion { e_tag: Some(e_tag), version: None })
            }
        }
    }
}

/// An object store that can also take an object from a file and read parts of one version.
///
/// `put_multipart_opts` and copies are not implemented, by any of our stores: they
/// know no conditions. Deleting an absent object succeeds.
#[async_trait]
pub trait Store: ObjectStore {
    /// Writes the whole of `file` as the object `path`, if what lies there is what was
    /// `expected`, in one step and in bounded memory.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`] where nothing was expected and something is there;
    /// [`Error::Precondition`] where another version or nothing is there, or where the store could not decide
    /// (read again and start anew). After any other error the write may have taken place or not.
    async fn put_file(
        &self,
        path: &Path,
        file: &std::path::Path,
        expected: Expected,
    ) -> Result<PutResult>;

    /// The bytes of some ranges of an object, all of the version that has this ETag, and how many bytes
    /// were read for them: where each read costs a request, what lies between close ranges is read, too.
    ///
    /// # Errors
    ///
    /// As `get_opts`; [`Error::Precondition`] when the object is another by now.
    async fn read_ranges(
        &self,
        path: &Path,
        e_tag: Option<&str>,
        ranges: &[Range<u64>],
    ) -> Result<(Vec<Bytes>, usize)> {
        read_by_requests(self, (path, e_tag), ranges).await
    }

    /// A link by which anybody can read the object for a while; for stores that others reach.
    ///
    /// # Errors
    ///
    /// [`Error::NotImplemented`] where nobody else can reach the store.
    async fn link(&self, path: &Path, lasts: Duration, as_it_is: Linked<'_>) -> Result<String> {
        let _ = (lasts, as_it_is);
        let operation = format!("a link to {path}");
        Err(Error::NotImplemented { operation, implementer: self.to_string() })
    }
}

/// [`Store::read_ranges`] by requests, close ranges together, all at once: `coalesce_ranges` of
/// `object_store` reads ten at a time, and the rest would wait for another round trip.
///
/// # Errors
///
/// As there.
pub async fn read_by_requests(
    store: &(impl ObjectStore + ?Sized),
    (path, e_tag): (&Path, Option<&str>),
    ranges: &[Range<u64>],
) -> Result<(Vec<Bytes>, usize)> {
    let read = |range: &Range<u64>| {
        let range = range.clone();
        async move {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: e_tag.map(str::to_owned),
                ..GetOptions::default()
            };
            Ok::<_, Error>((range.start, store.get_opts(path, options).await?.bytes().await?))
        }
    };
    let read = try_join_all(together(ranges).iter().map(read)).await?;
    let part = |range: &Range<u64>| {
        let at = read.partition_point(|(start, _)| *start <= range.start);
        let (start, bytes) = at.checked_sub(1).and_then(|at| read.get(at))?;
        let from = usize::try_from(range.start - start).ok()?;
        let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
        (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
    };
    let size = read.last().map_or(0, |(start, bytes)| start + bytes.len() as u64);
    let part = |range: &Range<u64>| part(range).ok_or_else(|| outside(path, range, size));
    let parts = ranges.iter().map(part).collect::<Result<_>>()?;
    Ok((parts, read.iter().map(|(_, bytes)| bytes.len()).sum()))
}

/// Ranges in order, those that are close in one.
fn together(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut together: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match together.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(QUERY_COALESCE_BYTES) => {
                last.end = last.end.max(range.end);
            }
            _ => together.push(range),
        }
    }
    together
}

/// The error of a range that is not all in the object.
fn outside(path: &Path, range: &Range<u64>, size: u64) -> Error {
    let source = format!("{path} has {size} bytes, not {} to {}", range.start, range.end).into();
    Error::Generic { store: "range", source }
}

/// What whoever follows a link is told of the object.
#[derive(Debug, Clone, Copy)]
pub struct Linked<'a> {
    /// Its type.
    pub content_type: &'a str,
    /// How it is packed, where it is.
    pub content_encoding: Option<&'a str>,
}

/// Whether a conditional write failed because the object was not what was expected.
///
/// When an answer was lost and the store's client tried again, the object may be there by our own
/// first attempt: who must know reads it.
#[must_use]
pub const fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. })
}

/// The error of an operation that our stores leave out.
fn not_implemented(operation: &str, implementer: &impl std::fmt::Display) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: implementer.to_string() }
}

/// The error of an input or output operation on a local file.
fn io_error(
    store: &'static str,
    action: &str,
    file: &std::path::Path,
    error: std::io::Error,
) -> Error {
    let text = format!("{action} {}: {error}", file.display());
    Error::Generic { store, source: Box::new(std::io::Error::new(error.kind(), text)) }
}
