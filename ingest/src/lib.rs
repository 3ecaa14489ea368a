//! Ingest: beacons in, hits on the stream.
//!
//! Knows the three protocols and the ordered steps that a hit passes; knows no file of hits, no
//! visit and no report. Nothing heavy starts here: lists and patterns are append's work.

pub mod draft;
pub mod handler;
pub mod kinesis;
pub mod parse;
pub mod places;
pub mod step;
pub mod text;
