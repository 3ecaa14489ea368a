//! The tests of `lake` that need more than its own memory.

mod store;
