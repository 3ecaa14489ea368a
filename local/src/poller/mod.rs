//! A poller with the rules of a Kinesis event source mapping.
//!
//! It takes records from a [`Source`] in order, a batch at a time, hands them to a
//! [`BatchHandler`] as the event that Lambda would get, and moves the checkpoint by its answer:
//! retries, splits, and gives what cannot succeed to [`Park`]. It does not know what the records
//! mean. The rules are those of
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html>, with one
//! difference: a record too old is tried once all the same, so that a laptop that slept for days
//! loses nothing.
//!
//! `run` and `feed` gather a batch, `deliver` sees it through, `answer` reads what came back.

mod answer;
mod backoff;
mod deliver;
mod embedded;
mod event;
mod feed;
mod run;
mod settings;
mod source;

pub use run::{Poller, PollerParts};
pub use settings::EventSourceMapping;
pub use source::{BatchHandler, Park, Source, SourceRecord};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
