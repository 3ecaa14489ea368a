//! Writes and deletions: staged, compared and published under the folder's file lock.
//!
//! The lock is the system's (`flock`), so a killed process leaves none behind. It is held
//! while a write is published, never while its bytes are written.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use object_store::path::Path;
use object_store::{Error, PutMode, Result};

use super::{NAME, STAGING, e_tag, io_error, micros};
use crate::limits::STAGED_FILE_MAX_AGE;

/// The lock file. `object_store` neither lists nor addresses names that end in `#` and digits.
const LOCK: &str = "lock#0";

/// Where a write goes, and on which condition.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) file: PathBuf,
    pub(super) path: Path,
    pub(super) mode: PutMode,
}

/// Publishes writes in one folder.
#[derive(Debug)]
pub(super) struct Writer {
    root: PathBuf,
    staging: PathBuf,
    next: AtomicU64,
}

/// The folder's lock while it is held; its file's time is the last stamp taken.
struct Lock(File);

impl Writer {
    pub(super) fn open(root: PathBuf) -> Result<Self> {
        let staging = root.join(STAGING);
        let writer = Self { root, staging, next: AtomicU64::new(0) };
        writer.lock()?;
        writer.remove_stale()?;
        Ok(writer)
    }

    pub(super) fn root(&self) -> &FilePath {
        &self.root
    }

    /// Writes what `fill` writes, durably; returns the new `ETag`.
    pub(super) fn put(
        &self,
        target: &Target,
        fill: impl FnOnce(&mut File) -> std::io::Result<()>,
    ) -> Result<String> {
        let (mut file, staged) = self.stage()?;
        let written = fill(&mut file)
            .and_then(|()| file.sync_all())
            .map_err(|error| io_error(NAME, "cannot write", &target.file, error))
            .and_then(|()| self.publish(&file, &staged, target));
        if written.is_err() {
            // The error of the write says more than one of the tidying; stale files go at the next start.
            let _ = std::fs::remove_file(&staged);
        }
        written
    }

    /// Deletes `file` durably, and the folders that it leaves empty, since no other store lists those.
    pub(super) fn delete(&self, file: &FilePath) -> Result<()> {
        let failed = |error| io_error(NAME, "cannot delete", file, error);
        let _lock = self.lock()?;
        match std::fs::remove_file(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(failed)?,
        }
        let mut folders = file.ancestors().skip(1);
        let left =
            folders.find(|folder| *folder == self.root || std::fs::remove_dir(folder).is_err());
        left.map_or(Ok(()), sync_folder).map_err(failed)
    }

    fn lock(&self) -> Result<Lock> {
        let name = self.staging.join(LOCK);
        let locked = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .and_then(|file| file.lock().map(|()| Lock(file)));
        locked.map_err(|error| io_error(NAME, "cannot lock", &name, error))
    }

    /// A new file of ours alone; the name holds the process, so that processes do not meet.
    fn stage(&self) -> Result<(File, PathBuf)> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let name = self.staging.join(format!("{}#{number}", std::process::id()));
            match OpenOptions::new().create_new(true).write(true).open(&name) {
                Ok(file) => return Ok((file, name)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io_error(NAME, "cannot create", &name, error)),
            }
        }
    }

    fn publish(&self, file: &File, staged: &FilePath, target: &Target) -> Result<String> {
        let failed = |error| io_error(NAME, "cannot write", &target.file, error);
        let lock = self.lock()?;
        check(target)?;
        let stamped = lock.stamp(file).map_err(failed)?;
        target.file.parent().map_or(Ok(()), create_folder).map_err(failed)?;
        std::fs::rename(staged, &target.file).map_err(failed)?;
        target.file.parent().map_or(Ok(()), sync_folder).map_err(failed)?;
        tag_of(&stamped).map_err(failed)
    }

    /// Removes what killed processes left half written. Nobody writes one file for a day.
    fn remove_stale(&self) -> Result<()> {
        let failed = |error| io_error(NAME, "cannot tidy", &self.staging, error);
        let (probe, name) = self.stage()?;
        let now = probe.metadata().and_then(|metadata| metadata.modified()).map_err(failed)?;
        std::fs::remove_file(name).map_err(failed)?;
        for entry in std::fs::read_dir(&self.staging).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A file that is gone meanwhile was published by its writer.
            let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else {
                continue;
            };
            let age = now.duration_since(modified).unwrap_or_default();
            if entry.file_name() != LOCK && age > STAGED_FILE_MAX_AGE {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

impl Lock {
    /// Gives `file` a modification time that no write before had, and remembers it.
    ///
    /// The time need not be on disk before the rename: after a power failure nobody remembers an `ETag`.
    fn stamp(&self, file: &File) -> std::io::Result<Metadata> {
        let last = micros(self.0.metadata()?.modified()?);
        let stamp = micros(file.metadata()?.modified()?).max(last.saturating_add(1));
        let time = UNIX_EPOCH + Duration::from_micros(stamp);
        self.0.set_times(FileTimes::new().set_modified(time))?;
        file.set_times(FileTimes::new().set_modified(time))?;
        let stamped = file.metadata()?;
        if micros(stamped.modified()?) != stamp {
            return Err(std::io::Error::other(
                "the file system keeps no microseconds; put the folder on another",
            ));
        }
        Ok(stamped)
    }
}

/// Compares what lies under the key with what the write expects.
fn check(target: &Target) -> Result<()> {
    let found = match std::fs::metadata(&target.file).and_then(|metadata| tag_of(&metadata)) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(io_error(NAME, "cannot look at", &target.file, error)),
    };
    let path = target.path.to_string();
    match (&target.mode, found) {
        (PutMode::Create, Some(found)) => Err(Error::AlreadyExists {
            path,
            source: format!("the object exists as {found}").into(),
        }),
        (PutMode::Update(expected), found)
            if expected.e_tag.is_none() || expected.e_tag != found =>
        {
            Err(Error::Precondition {
                path,
                source: format!("expected {expected:?}, found {found:?}").into(),
            })
        }
        _ => Ok(()),
    }
}

fn tag_of(metadata: &Metadata) -> std::io::Result<String> {
    Ok(e_tag(metadata.modified()?, metadata.len()))
}

/// Creates `folder` and those above it that are missing, each synced into the one above it.
pub(super) fn create_folder(folder: &FilePath) -> std::io::Result<()> {
    let missing: Vec<&FilePath> =
        folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => created?,
        }
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    Ok(())
}

/// Makes the names in `folder` durable.
fn sync_folder(folder: &FilePath) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
