//! Ingest from an event to its answer and to the stream, all in process.

mod fuzz;
mod hit;
mod kinesis;
mod matomo;
mod recorded;
mod world;
