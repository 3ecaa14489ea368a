//! The tests of `lake` that need more than its own memory.

mod s3_answers;
mod store;
