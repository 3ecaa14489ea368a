//! Reads: a file is opened, compared with what the reader expects and, where a part of it is asked
//! for, read, all in one turn off the runtime, since each such turn costs more than a small read.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{
    Attributes, Error, Extensions, GetOptions, GetResult, GetResultPayload, ObjectMeta, Result,
};

use super::{NAME, e_tag, io_error};
use crate::store::outside;

/// What `get_opts` answers. Conditions are checked before the range: a reader whose object became
/// shorter must hear that it was replaced. A part comes in memory, a whole object as the open file.
pub(super) fn get(file: PathBuf, path: Path, options: &GetOptions) -> Result<GetResult> {
    let (mut opened, meta) = open(&file, path)?;
    options.check_preconditions(&meta)?;
    let (payload, range) = match &options.range {
        None => (GetResultPayload::File(opened, file), 0..meta.size),
        Some(range) => {
            let range = range
                .as_range(meta.size)
                .map_err(|source| Error::Generic { store: NAME, source: Box::new(source) })?;
            let part = part(&mut opened, &range)
                .map_err(|error| io_error(NAME, "cannot read", &file, error))?;
            let part = futures_util::stream::once(std::future::ready(Ok(part)));
            (GetResultPayload::Stream(part.boxed()), range)
        }
    };
    let (attributes, extensions) = (Attributes::default(), Extensions::default());
    Ok(GetResult { payload, meta, range, attributes, extensions })
}

/// Several parts of one version.
pub(super) fn parts(
    file: PathBuf,
    path: Path,
    options: &GetOptions,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    let (mut opened, meta) = open(&file, path)?;
    options.check_preconditions(&meta)?;
    let part = |range: &Range<u64>| {
        if range.start > range.end || range.end > meta.size {
            return Err(outside(&meta.location, range, meta.size));
        }
        part(&mut opened, range).map_err(|error| io_error(NAME, "cannot read", &file, error))
    };
    ranges.iter().map(part).collect()
}

fn open(file: &FilePath, path: Path) -> Result<(File, ObjectMeta)> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Error::NotFound { path: path.to_string(), source: error.into() },
        _ => io_error(NAME, "cannot open", file, error),
    };
    let opened = File::open(file).map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(ErrorKind::NotFound.into()));
    }
    let (size, modified) = (metadata.len(), metadata.modified().map_err(failed)?);
    let e_tag = Some(e_tag(modified, size));
    Ok((
        opened,
        ObjectMeta { location: path, last_modified: modified.into(), size, e_tag, version: None },
    ))
}

/// A file never changes under its reader, so that a range within its size is all there.
fn part(file: &mut File, range: &Range<u64>) -> std::io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
    let mut part = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(range.start))?;
    file.take(range.end - range.start).read_to_end(&mut part)?;
    if part.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(part.into())
}
