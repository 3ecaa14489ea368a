//! The checkpoint of a shard: up to which record everything is done with.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::error::StreamFileError;
use super::segment::sync_folder;

const NAME: &str = "checkpoint";
const TEMPORARY: &str = "checkpoint.tmp";

/// Reads the checkpoint; none when nothing has been done yet.
pub(super) fn load(folder: &Path) -> Result<Option<u64>, StreamFileError> {
    let path = folder.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StreamFileError::Io { path, source }),
    };
    match text.trim().parse() {
        Ok(sequence) => Ok(Some(sequence)),
        Err(_) => {
            let reason = "a checkpoint holds one sequence number";
            Err(StreamFileError::Foreign { path, reason })
        }
    }
}

/// Replaces the checkpoint; after a crash the old or the new one is there, never a part.
pub(super) fn save(folder: &Path, sequence: u64) -> Result<(), StreamFileError> {
    let temporary = folder.join(TEMPORARY);
    let write = || {
        let mut file = File::create(&temporary)?;
        writeln!(file, "{sequence}")?;
        file.sync_all()?;
        std::fs::rename(&temporary, folder.join(NAME))
    };
    write().map_err(StreamFileError::io(&temporary))?;
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_saved_is_loaded_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()).unwrap(), None);
        save(folder.path(), 7).unwrap();
        save(folder.path(), u64::MAX).unwrap();
        assert_eq!(load(folder.path()).unwrap(), Some(u64::MAX));
        std::fs::write(folder.path().join(NAME), "seven").unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("checkpoint"));
    }
}
