//! The program hitlake: the same handlers in one process.

pub mod lock;
pub mod poller;
pub mod stream;
