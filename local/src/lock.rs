//! The lock on a data folder: one `serve` at a time.
//!
//! It is the kernel's advisory lock (flock) on `DATA/lock`, so it ends with the process however
//! that ends; the file stays, and holds the id of the process for the message only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why the data folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error(
        "the data folder {} is in use by another hitlake{}; wait until it is done or stop it, or give another folder with --data",
        .data_dir.display(), .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Held {
        /// The data folder.
        data_dir: PathBuf,
        /// The process that holds it, as far as it has written its id.
        pid: Option<u32>,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {}: {source}; check that the folder can be written", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl LockError {
    /// Whether this process is known to hold the lock.
    #[must_use]
    pub fn is_of(&self, process: u32) -> bool {
        matches!(self, Self::Held { pid: Some(pid), .. } if *pid == process)
    }
}

/// The held lock; the folder is free again when this is dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of `data_dir`, which is created when it is absent; never waits.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] when another process (or another lock in this one) holds it.
    pub fn try_acquire(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir.join("lock");
        let failed = |source| LockError::Io { path: path.clone(), source };
        std::fs::create_dir_all(data_dir).map_err(failed)?;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    data_dir: data_dir.to_owned(),
                    pid: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_pid(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let data = tempfile::tempdir().unwrap();
        let first = DataLock::try_acquire(data.path()).unwrap();
        let refused = DataLock::try_acquire(data.path()).unwrap_err();
        let text = refused.to_string();
        assert!(
            matches!(refused, LockError::Held { pid: Some(pid), .. } if pid == std::process::id())
        );
        assert!(text.contains(&data.path().display().to_string()), "{text}");
        drop(first);
        DataLock::try_acquire(data.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let data = tempfile::NamedTempFile::new().unwrap();
        let error = DataLock::try_acquire(data.path()).unwrap_err();
        assert!(error.to_string().contains("cannot lock"), "{error}");
    }
}
