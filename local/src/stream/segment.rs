//! Segment files of a shard: found, checked, cut.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::FileError;
use super::record::{Parsed, parse};

/// A segment file and the first sequence number that it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) path: PathBuf,
}

pub(super) fn name(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.log"))
}

/// The segments of a shard, oldest first.
pub(super) fn list(folder: &Path) -> Result<Vec<Segment>, FileError> {
    let io = |source| FileError::Io { path: folder.to_owned(), source };
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if path.extension().is_some_and(|extension| extension == "log")
            && let Some(first) = stem.and_then(|stem| stem.parse().ok())
        {
            segments.push(Segment { first, path });
        }
    }
    segments.sort_unstable_by_key(|segment| segment.first);
    Ok(segments)
}

/// Creates an empty segment; durable in its folder when this returns.
pub(super) fn create(folder: &Path, first: u64) -> Result<File, FileError> {
    let path = name(folder, first);
    let io = |source| FileError::Io { path: path.clone(), source };
    let file = File::options().create(true).append(true).open(&path).map_err(io)?;
    file.sync_all().map_err(io)?;
    sync_folder(folder)?;
    Ok(file)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| FileError::Io { path: folder.to_owned(), source })
}

/// What a check of the newest segment found.
pub(super) struct Checked {
    /// The sequence number after the last record.
    pub(super) next: u64,
    /// Bytes of whole records.
    pub(super) bytes: u64,
}

/// Checks the newest segment and cuts a record that a crash left half written at its end.
///
/// What is cut was never acknowledged: the answer is given after the sync of the whole write.
pub(super) fn check_newest(segment: &Segment) -> Result<Checked, FileError> {
    let io = |source| FileError::Io { path: segment.path.clone(), source };
    let bytes = std::fs::read(&segment.path).map_err(io)?;
    let mut checked = Checked { next: segment.first, bytes: 0 };
    let mut rest = bytes.as_slice();
    while let Parsed::Record(record, taken) = parse(rest) {
        checked.next = record.sequence + 1;
        checked.bytes += taken as u64;
        rest = rest.get(taken..).unwrap_or_default();
    }
    if rest.is_empty() {
        return Ok(checked);
    }
    if follows(rest, checked.next) {
        return Err(FileError::Damaged { path: segment.path.clone(), offset: checked.bytes });
    }
    tracing::warn!("stream file {}: {} bytes of an unfinished write cut", segment.path.display(), rest.len());
    let file = File::options().write(true).open(&segment.path).map_err(io)?;
    file.set_len(checked.bytes).and_then(|()| file.sync_all()).map_err(io)?;
    Ok(checked)
}

/// Whether a whole record of a sync after the damaged one follows. A single write can be torn in
/// its middle, so records of the same write may follow: only a later arrival of a record more than
/// one group commit away would prove acknowledged data, and a group is at most this many bytes.
fn follows(rest: &[u8], next: u64) -> bool {
    let far = rest.get(super::shard::MAX_GROUP_BYTES..).unwrap_or_default();
    (0..far.len()).any(|at| {
        matches!(parse(far.get(at..).unwrap_or_default()), Parsed::Record(record, _) if record.sequence >= next)
    })
}
