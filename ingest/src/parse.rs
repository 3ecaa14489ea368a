//! Three protocols, one draft a hit. Knows bytes and names; knows no site.

pub mod json;
pub mod matomo;
pub mod pairs;
