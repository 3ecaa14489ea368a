//! The program hitlake: the same handlers in one process.

pub mod import;
