//! The description of this API in OpenAPI 3.1, as it is served.
//!
//! It is made of the tables that the questions are read by (`generate`) and kept in docs/, so that
//! a change of the API shows in a review; the test beside compares the two.

/// Where it is served, to everybody.
pub(crate) const PATH: &str = "/openapi.json";
/// The description.
pub(crate) const DOCUMENT: &str = include_str!("../../docs/openapi.json");

#[cfg(test)]
mod generate;
#[cfg(test)]
mod tests;
