//! Segment files: their names, and how files and folders are made durable.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::error::StreamFileError;

/// The format of the records is in the ending, so that another format gets another one.
const ENDING: &str = ".seg1";

/// The file of the segment whose first record has the sequence number `first`, or a later one.
pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}{ENDING}"))
}

/// The segments of a shard's folder, oldest first.
pub(super) fn list(folder: &Path) -> Result<Vec<u64>, StreamFileError> {
    let mut firsts = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StreamFileError::io(folder))? {
        let path = entry.map_err(StreamFileError::io(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(digits) = name.strip_suffix(ENDING) else {
            continue;
        };
        match digits.parse() {
            Ok(first) => firsts.push(first),
            Err(_) => {
                let reason = "a segment is named by 20 digits";
                return Err(StreamFileError::Foreign { path, reason });
            }
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Makes an empty segment and makes its existence durable.
pub(super) fn create(folder: &Path, first: u64) -> Result<File, StreamFileError> {
    let path = path(folder, first);
    let made = OpenOptions::new().create_new(true).append(true).read(true).open(&path);
    let file = made.map_err(StreamFileError::io(&path))?;
    file.sync_all().map_err(StreamFileError::io(&path))?;
    sync_folder(folder)?;
    Ok(file)
}

/// Opens a segment for appending.
pub(super) fn open_for_append(folder: &Path, first: u64) -> Result<File, StreamFileError> {
    let path = path(folder, first);
    OpenOptions::new().append(true).read(true).open(&path).map_err(StreamFileError::io(&path))
}

/// Makes the creation, renaming and deletion of files in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StreamFileError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(StreamFileError::io(folder))
}
