//! One file a command; each takes its place and arguments and prints its result.

pub mod erase;
pub mod import;
pub mod ledger;
pub mod merge;
pub mod parts;
pub mod query;
pub mod reapply;
pub mod replay;
pub mod serve;
pub mod site;
pub mod status;
pub mod token;
