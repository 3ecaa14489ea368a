//! Filters: which hits a question counts, in Matomo's grammar of segments (matomo.md 4.3).
//!
//! Owns the grammar, the names and what each comparison means; refuses what is wrong with its
//! place. Knows no row: who evaluates a filter says what value a row has for a [`Source`]. It is
//! here and not in `query` because site settings hold filters too (`segments`).

mod condition;
mod error;
mod names;

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::limits::{MAX_FILTER_BYTES, MAX_FILTER_TERMS};
pub use condition::{Condition, Operator, without_scheme};
pub use error::FilterError;
pub use names::{NAMES, Name, Reach, Source, VISITED};

/// A filter: every group must hold, and a group holds where one of its conditions does.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The groups, joined by `;`; within each the conditions, joined by `,`.
    pub groups: Vec<Vec<Condition>>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    ///
    /// [`FilterError`] with the place, what is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_FILTER_BYTES {
            let why = format!("it has {} bytes; the limit is {MAX_FILTER_BYTES}", text.len());
            return Err(FilterError::new(1, "", why));
        }
        let mut groups: Vec<Vec<Condition>> = Vec::new();
        let mut joined_by_or = false;
        for (count, term) in terms(text).into_iter().enumerate() {
            if count == MAX_FILTER_TERMS {
                let why = format!("there are more than {MAX_FILTER_TERMS} conditions");
                return Err(FilterError::new(term.at, &term.text, why));
            }
            let condition = condition::parse(&decode(&term)?, term.at)?;
            match groups.last_mut() {
                Some(group) if joined_by_or => group.push(condition),
                _ => groups.push(vec![condition]),
            }
            joined_by_or = term.then_or;
        }
        Ok(Self { groups })
    }

    /// All conditions.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.groups.iter().flatten()
    }
}

/// One condition as it was written, but its escapes.
struct Term {
    /// Number of its first character in the filter, from 1.
    at: usize,
    text: String,
    /// A comma follows.
    then_or: bool,
}

/// Cuts a filter as Matomo does: `\;` and `\,` are no separators, and neither is the last character.
fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut term = Term { at: 1, text: String::new(), then_or: false };
    let mut after_backslash = false;
    let mut letters = text.chars().zip(1..).peekable();
    while let Some((letter, at)) = letters.next() {
        let separates = matches!(letter, ';' | ',');
        let is_last = letters.peek().is_none();
        if separates && !after_backslash && !is_last {
            term.then_or = letter == ',';
            let next = Term { at: at + 1, text: String::new(), then_or: false };
            terms.push(std::mem::replace(&mut term, next));
        } else {
            if separates && after_backslash {
                term.text.pop();
            }
            term.text.push(letter);
        }
        after_backslash = letter == '\\';
    }
    terms.push(term);
    terms
}

/// URL-decodes a condition as PHP's `urldecode` does: `+` is a space, a lone `%` stays.
fn decode(term: &Term) -> Result<String, FilterError> {
    let spaced = term.text.replace('+', " ");
    let decoded: Cow<'_, [u8]> = percent_decode(spaced.as_bytes()).into();
    String::from_utf8(decoded.into_owned()).map_err(|_| {
        FilterError::new(term.at, &term.text, "the text is not UTF-8 after percent-decoding")
    })
}

#[cfg(test)]
mod tests;
