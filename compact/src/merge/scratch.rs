//! A merge's own folder on local disk, gone when the merge ends.
//!
//! A lock file beside the folder, held by the living, tells a killed merge's leftovers from the
//! folder of one that runs in another process: the system drops a dead process's locks.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;

/// What the names of folders and lock files begin with.
const NAME: &str = "hitlake-merge-";
/// What the names of lock files end with.
const LOCK: &str = ".lock";

/// A folder of one merge.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl Scratch {
    /// A new folder below `parent`.
    pub(super) fn create(parent: &Path) -> anyhow::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("creating the scratch folder {}", parent.display()))?;
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder = parent.join(format!("{NAME}{}-{number}", std::process::id()));
            let lock = folder.with_extension("lock");
            let held = match OpenOptions::new().create_new(true).write(true).open(&lock) {
                Ok(held) => held,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => {
                    return Err(error).with_context(|| format!("creating {}", lock.display()));
                }
            };
            // Whoever tidies at this very moment may have taken the new file for a leftover.
            if held.try_lock().is_err() {
                continue;
            }
            std::fs::create_dir(&folder)
                .with_context(|| format!("creating {}", folder.display()))?;
            return Ok(Self { folder, lock, _held: held });
        }
    }

    /// The file with this name in the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Removes a file of the folder.
    pub(super) fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.file(name);
        std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
    }

    /// Removes the folders below `parent` whose merges were killed; one that cannot be removed is
    /// logged and left.
    pub(super) fn remove_leftovers(parent: &Path) {
        let Ok(entries) = std::fs::read_dir(parent) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(NAME)) else { continue };
            let Some(folder) = name.strip_suffix(LOCK) else { continue };
            let Ok(lock) = File::open(entry.path()) else { continue };
            if lock.try_lock().is_ok() {
                tracing::info!("removing what a killed merge left in {folder}");
                remove(&parent.join(folder), &entry.path());
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder, &self.lock);
    }
}

fn remove(folder: &Path, lock: &Path) {
    let removed = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    if let Err(error) = removed.and_then(|()| std::fs::remove_file(lock)) {
        tracing::warn!("scratch folder {} was not removed: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_keep_their_folders_and_the_dead_lose_them() {
        let parent = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(parent.path()).unwrap().count();
        let living = Scratch::create(parent.path()).unwrap();
        std::fs::write(living.file("x"), "x").unwrap();
        let dead = parent.path().join(format!("{NAME}0-0"));
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("y"), "y").unwrap();
        std::fs::write(dead.with_extension("lock"), "").unwrap();
        std::fs::write(parent.path().join("somebody else's"), "").unwrap();
        Scratch::remove_leftovers(parent.path());
        assert!(living.file("x").exists() && !dead.exists());
        assert_eq!(names(), 3, "folder, lock and somebody else's file");
        drop(living);
        assert_eq!(names(), 1);
    }
}
