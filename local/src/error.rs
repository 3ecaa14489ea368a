//! How the program ends: the exit codes of the contract.

use std::process::ExitCode;

/// The command failed.
pub const FAILED: u8 = 1;
/// A setting or an argument is wrong.
pub const USAGE: u8 = 2;
/// Another `serve` holds the data folder.
pub const LOCKED: u8 = 3;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// A wrong setting or argument: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Ended by Ctrl-C: exit code 130.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The exit code for an error: the first cause that has one of its own decides.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = error.chain().find_map(|cause| {
        if cause.is::<Usage>() {
            Some(USAGE)
        } else if cause.is::<Interrupted>() {
            Some(INTERRUPTED)
        } else if cause.is::<crate::lock::LockError>() {
            Some(LOCKED)
        } else {
            None
        }
    });
    ExitCode::from(code.unwrap_or(FAILED))
}
