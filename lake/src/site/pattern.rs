//! Patterns out of settings, compiled: goals, and user agents that are excluded or bots.
//!
//! Everything becomes a regular expression, whose engine finds plain text as fast as a search of
//! its own would. Their size is limited: settings come from people.

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::settings::{Goal, PatternType};
use crate::limits::MAX_PATTERN_BYTES;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PatternError {
    /// No regular expression, or one that would grow too large.
    #[error("no regular expression of at most {MAX_PATTERN_BYTES} bytes compiled: {0}")]
    Regex(String),
    /// A flag after the closing slash.
    #[error("after the closing slash only i may stand")]
    Flag,
    /// Nothing between the slashes.
    #[error("it is empty")]
    Empty,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a goal's pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError::Regex`].
    pub fn of_goal(goal: &Goal) -> Result<Self, PatternError> {
        let plain = regex::escape(&goal.pattern);
        let pattern = match goal.pattern_type {
            PatternType::Contains => plain,
            PatternType::Exact => format!(r"\A{plain}\z"),
            PatternType::StartsWith => format!(r"\A{plain}"),
            PatternType::Regex => goal.pattern.clone(),
        };
        let regex = RegexBuilder::new(&pattern)
            .case_insensitive(!goal.case_sensitive)
            .size_limit(MAX_PATTERN_BYTES)
            .build()
            .map_err(|error| PatternError::Regex(error.to_string()))?;
        Ok(Self(regex))
    }

    /// Whether the text fits.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// The expression of an entry of `excluded_user_agents` or `bot_user_agents`: a part, or `/expression/` with or
/// without an `i`.
pub(super) fn of_user_agent(entry: &str) -> Result<String, PatternError> {
    let Some((expression, flags)) = entry.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'))
    else {
        return match entry.trim() {
            "" => Err(PatternError::Empty),
            part => Ok(format!("(?i){}", regex::escape(part))),
        };
    };
    match (expression, flags) {
        ("", _) => Err(PatternError::Empty),
        (expression, "") => Ok(expression.to_owned()),
        (expression, "i") => Ok(format!("(?i){expression}")),
        _ => Err(PatternError::Flag),
    }
}

/// Compiles a list of such entries; those that are none are left out.
pub(super) fn of_user_agents(entries: &[String]) -> Result<RegexSet, PatternError> {
    let expressions: Vec<String> =
        entries.iter().filter_map(|entry| of_user_agent(entry).ok()).collect();
    set(&expressions)
}

/// Compiles expressions that are looked for together.
pub(super) fn set(expressions: &[String]) -> Result<RegexSet, PatternError> {
    RegexSetBuilder::new(expressions)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| PatternError::Regex(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::settings::GoalMatch;
    use super::*;

    fn goal(pattern_type: PatternType, pattern: &str, case_sensitive: bool) -> Pattern {
        Pattern::of_goal(&Goal {
            id: 1,
            name: "x".to_owned(),
            matches: GoalMatch::Url,
            pattern_type,
            pattern: pattern.to_owned(),
            case_sensitive,
            once_per_visit: true,
            revenue: 0.0,
            event_value_as_revenue: false,
        })
        .unwrap()
    }

    #[test]
    fn each_type_means_what_it_says() {
        use PatternType::{Contains, Exact, Regex, StartsWith};
        for (kind, pattern, sensitive, text, fits) in [
            (Contains, "/Thanks", false, "http://a/thanks?x", true),
            (Contains, "/Thanks", true, "http://a/thanks?x", false),
            (Contains, "a.b", false, "axb", false),
            (Exact, "a", false, "A", true),
            (Exact, "a", false, "aa", false),
            (StartsWith, "ab", false, "abc", true),
            (StartsWith, "ab", false, "cab", false),
            (Regex, r"(.*)store\/purchase\.(.*)", false, "http://e/store/purchase.htm", true),
        ] {
            assert_eq!(goal(kind, pattern, sensitive).is_match(text), fits, "{pattern} {text}");
        }
    }
}
