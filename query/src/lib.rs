//! Query: questions in, exact answers out, read from the table and from the hot objects that it
//! does not hold yet.
//!
//! Knows `lake` and HTTP's words; knows neither ingest nor the merge.

pub mod answer;
pub mod handler;
pub mod question;
pub mod scan;
