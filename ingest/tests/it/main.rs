//! Ingest from an event to its answer and to the stream, all in process.

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod hit;
#[cfg(test)]
mod kinesis;
#[cfg(test)]
mod matomo;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod world;
