//! Integration tests of the program's library, in one binary.

#[cfg(test)]
mod kinesis;
#[cfg(test)]
mod poller;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod stream_conformance;
