//! What can be wrong with the files of a stream, with the file and what to do.

use std::path::{Path, PathBuf};

/// Why a stream could not be opened, read or checkpointed.
#[derive(Debug, thiserror::Error)]
pub enum StreamFileError {
    /// The system refused an operation on a file or folder.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A record is broken at a place where no unfinished write can have left it.
    #[error(
        "{} is damaged at byte {offset}: {reason}; records that were acknowledged follow, so nothing was cut: \
         restore the file, or move it away to go on without it",
        .path.display()
    )]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Where the broken record begins.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file in the stream's folder that this program did not write so.
    #[error("{} is not a file of this stream: {reason}; move it away", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: &'static str,
    },
    /// The stream has no shard of this name.
    #[error("the stream has no shard {shard}")]
    NoShard {
        /// The name that was asked for.
        shard: String,
    },
}

impl StreamFileError {
    /// For `map_err`: an input or output error at `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
