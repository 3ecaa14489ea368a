//! One file a command; each takes its place and arguments and prints its result.

pub mod erase;
pub mod import;
pub mod merge;
pub mod query;
pub mod replay;
pub mod serve;
pub mod site;
pub mod status;
pub mod token;
