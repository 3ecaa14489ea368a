//! The tests of `lake` that need more than its own memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a failed expectation is a panic"
)]

mod s3_answers;
mod store;
