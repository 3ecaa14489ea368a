//! Three protocols, one draft a hit. Knows bytes and names; knows no site.

pub mod bulk;
pub mod halves;
pub mod json;
pub mod matomo;
pub mod pairs;
mod parameters;
pub mod pixel;
mod wire;
