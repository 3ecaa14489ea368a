//! What ingest, compact and query share: the hit, its columns, the visit rules,
//! where objects lie, the store, limits, site settings, the clock.
//!
//! This crate knows no HTTP, no Lambda event and no report. Everything here takes
//! its data, store and clock as arguments.

pub mod account;
pub mod assemble;
pub mod clock;
pub mod columns;
pub mod dropped;
pub mod environment;
pub mod filter;
pub mod goals;
pub mod hit;
pub mod layout;
pub mod limits;
pub mod metrics;
pub mod nearest;
pub mod orders;
pub mod parquet_file;
pub mod salt;
pub mod site;
pub mod store;
pub mod stream;
pub mod token;
pub mod user_agent;
pub mod visits;
