//! The program `hitlake`: the same handlers as the Lambdas' in one process, for laptops, tests
//! and imports.

pub mod appended;
pub mod cli;
pub mod command;
pub mod error;
pub mod front;
pub mod import;
pub mod internal;
pub mod lock;
pub mod pipeline;
pub mod place;
pub mod poller;
pub mod private_file;
pub mod stream;
