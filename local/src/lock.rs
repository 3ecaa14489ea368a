//! The data folder's lock: one process at a time runs the embedded stream.

use std::fs::File;
use std::path::{Path, PathBuf};

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("the data folder {} is in use by another hitlake serve; stop that one, or choose another folder with --data", .0.display())]
    Held(PathBuf),
    /// The folder cannot be written.
    #[error("the lock file {} cannot be opened: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The lock, held until dropped; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of a data folder, or says who is in the way.
    ///
    /// # Errors
    ///
    /// [`LockError`] when another process holds it or the folder cannot be written.
    pub fn try_acquire(data: &Path) -> Result<Self, LockError> {
        let path = data.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        std::fs::create_dir_all(data).map_err(io)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(LockError::Held(data.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataLock::try_acquire(folder.path()).unwrap();
        assert!(matches!(DataLock::try_acquire(folder.path()), Err(LockError::Held(_))));
        drop(first);
        DataLock::try_acquire(folder.path()).unwrap();
    }
}
