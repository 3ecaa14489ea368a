//! Why a filter was refused.

/// Why a filter was refused: the place, what stands there, what is wrong, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {why}")]
pub struct FilterError {
    /// Number of the condition's first character in the filter, from 1.
    pub at: usize,
    /// What stands there.
    pub part: String,
    /// What is wrong and what to do.
    pub why: String,
    /// What is allowed there, where that is a list.
    pub allowed: Vec<&'static str>,
    /// The nearest right name.
    pub suggestion: Option<String>,
}

impl FilterError {
    pub(super) fn new(at: usize, part: &str, why: impl Into<String>) -> Self {
        Self { at, part: part.to_owned(), why: why.into(), allowed: Vec::new(), suggestion: None }
    }
}
