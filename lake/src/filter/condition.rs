//! One condition: name, operator, value, and whether it holds of a value that a row has.

use std::cmp::Ordering;

use super::error::FilterError;
use super::names::{self, Name, Reach, Source};

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `==`; of an empty value: none, empty or 0.
    Equal,
    /// `!=`; of an empty value: neither none nor empty nor 0.
    NotEqual,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `=@`
    Contains,
    /// `!@`
    ContainsNot,
    /// `=^`
    StartsWith,
    /// `=$`
    EndsWith,
}

/// In the order in which Matomo tries them at one place.
const OPERATORS: [(&str, Operator); 10] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">=", Operator::AtLeast),
    (">", Operator::Above),
    ("<=", Operator::AtMost),
    ("<", Operator::Below),
    ("=@", Operator::Contains),
    ("!@", Operator::ContainsNot),
    ("=^", Operator::StartsWith),
    ("=$", Operator::EndsWith),
];

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is compared.
    pub name: &'static Name,
    /// Of which rows; for `visited_...` another than the name's own.
    pub reach: Reach,
    /// The visit must have no such hit.
    pub none: bool,
    /// How; where `none` is set, already turned to what the visit must not have.
    pub operator: Operator,
    /// With what; text in lower case.
    pub value: String,
    /// The same as a number, where the name has numbers.
    pub number: Option<f64>,
}

impl Condition {
    /// Whether it holds of a text; upper and lower case are one.
    #[must_use]
    pub fn holds_of_text(&self, text: Option<&str>) -> bool {
        if self.value.is_empty() {
            return (self.operator == Operator::Equal) == text.is_none_or(is_empty);
        }
        let Some(text) = text else { return self.holds_of_nothing() };
        let is_low = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
        // Most texts are low, and they are many.
        if text.bytes().all(is_low) {
            return self.holds_of_lowered(text);
        }
        self.holds_of_lowered(&lowered(text))
    }

    fn holds_of_lowered(&self, text: &str) -> bool {
        match self.operator {
            Operator::Equal => text == self.value,
            Operator::NotEqual => text != self.value,
            Operator::Contains => text.contains(&self.value),
            Operator::ContainsNot => !text.contains(&self.value),
            Operator::StartsWith => text.starts_with(&self.value),
            Operator::EndsWith => text.ends_with(&self.value),
            _ => self.holds_of_order(text.cmp(self.value.as_str())),
        }
    }

    /// Whether it holds of a number.
    #[must_use]
    pub fn holds_of_number(&self, number: Option<f64>) -> bool {
        let Some(value) = self.number else {
            return (self.operator == Operator::Equal) == number.is_none_or(|number| number == 0.0);
        };
        let Some(order) = number.and_then(|number| number.partial_cmp(&value)) else {
            return self.holds_of_nothing();
        };
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            _ => self.holds_of_order(order),
        }
    }

    const fn holds_of_nothing(&self) -> bool {
        matches!(self.operator, Operator::NotEqual | Operator::ContainsNot)
    }

    const fn holds_of_order(&self, order: Ordering) -> bool {
        match self.operator {
            Operator::AtLeast => order.is_ge(),
            Operator::Above => order.is_gt(),
            Operator::AtMost => order.is_le(),
            Operator::Below => order.is_lt(),
            _ => false,
        }
    }

    /// A condition on the hits of a visit that none of them may meet is one that some hit meets,
    /// turned.
    fn turned(mut self) -> Self {
        if !matches!(self.reach, Reach::AnyHit | Reach::SameHit) {
            return self;
        }
        let opposite = match (self.operator, self.value.is_empty()) {
            (Operator::NotEqual, false) => Operator::Equal,
            (Operator::ContainsNot, _) => Operator::Contains,
            (Operator::Equal, true) => Operator::NotEqual,
            _ => return self,
        };
        self.operator = opposite;
        self.reach = Reach::AnyHit;
        self.none = true;
        self
    }
}

/// Matomo's: null, '' and '0' are no value.
fn is_empty(text: &str) -> bool {
    matches!(text, "" | "0")
}

/// Letter by letter, so that a part of a text is lowered as the whole is; each to one letter, as
/// the `lower` of SQL does (only of the Turkish capital I with a dot there would be two).
fn lowered(text: &str) -> String {
    text.chars().filter_map(|letter| letter.to_lowercase().next()).collect()
}

/// Reads one condition that stands at character `at`.
pub(super) fn parse(text: &str, at: usize) -> Result<Condition, FilterError> {
    let (name, operator, value) = split(text).ok_or_else(|| {
        let why = format!(
            "{text:?} is no condition; write a name, an operator and a value, such as country==GB; after a comma the name comes again (country==GB,country==IE)"
        );
        FilterError { allowed: operators(|_| true), ..FilterError::new(at, text, why) }
    })?;
    let (known, reach) = names::find(name).ok_or_else(|| names::unknown(name, at))?;
    let value = match known.source {
        Source::PageUrl | Source::Url(_) | Source::ActionUrl => without_scheme(value),
        _ => value,
    };
    if value.is_empty() && !matches!(operator, Operator::Equal | Operator::NotEqual) {
        let why = format!("{name} is compared with nothing; only == and != take an empty value");
        return Err(FilterError::new(at, text, why));
    }
    let number = if known.is_number() { of_number(name, operator, value, at)? } else { None };
    let value = lowered(value);
    let condition = Condition { name: known, reach, none: false, operator, value, number };
    Ok(condition.turned())
}

/// The shortest name that an operator follows.
fn split(text: &str) -> Option<(&str, Operator, &str)> {
    let starts = text.char_indices().map(|(at, _)| at).skip(1);
    starts.into_iter().find_map(|start| {
        let (name, rest) = text.split_at_checked(start)?;
        OPERATORS.iter().find_map(|(written, operator)| {
            rest.strip_prefix(written).map(|value| (name, *operator, value))
        })
    })
}

fn of_number(
    name: &str,
    operator: Operator,
    value: &str,
    at: usize,
) -> Result<Option<f64>, FilterError> {
    let part = || format!("{name} {value}");
    if is_of_text(operator) {
        let why = format!("{name} is a number, and this operator compares text");
        let allowed = operators(|operator| !is_of_text(operator));
        return Err(FilterError { allowed, ..FilterError::new(at, &part(), why) });
    }
    if value.is_empty() {
        return Ok(None);
    }
    let number = value.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Some).ok_or_else(|| {
        let why = format!("{name} is a number, and {value:?} is none; write it as 12 or 0.5");
        FilterError::new(at, &part(), why)
    })
}

const fn is_of_text(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Contains | Operator::ContainsNot | Operator::StartsWith | Operator::EndsWith
    )
}

fn operators(fit: impl Fn(Operator) -> bool) -> Vec<&'static str> {
    OPERATORS.iter().filter(|(_, it)| fit(*it)).map(|(written, _)| *written).collect()
}

/// `http`, `https` and `www` are one page (matomo.md 4.3).
#[must_use]
pub fn without_scheme(url: &str) -> &str {
    let url = without(url, "https://");
    without(without(url, "http://"), "www.")
}

fn without<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}
