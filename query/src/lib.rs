//! Query: questions in, exact answers out, read from the table and from the hot objects that it
//! does not hold yet.
//!
//! A request's way: [`handler`] knows who asks, [`ask`] reads a [`question`] of one or several
//! sites, that becomes a [`plan`] of columns and sums, [`scan`] reads the columns, [`count`] adds
//! up, [`answer`] writes. What is too much for that [`athena`] runs as [`sql`]. Knows `lake` and HTTP's words; knows neither ingest nor the merge.

pub mod answer;
pub mod ask;
pub mod athena;
pub mod calendar;
pub mod count;
mod definitions;
pub mod dimension;
pub mod fast;
pub mod handler;
pub mod ledger;
pub mod live;
pub mod log;
pub mod metric;
mod openapi;
pub mod plan;
pub mod question;
pub mod report;
pub mod scan;
pub mod settings;
pub mod sql;
mod version;
pub mod work;
