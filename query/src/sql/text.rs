//! Pieces of SQL. A piece is made of text of this program and of literals; text from outside has
//! no other way in than [`Sql::text`], which escapes it.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::civil::Date;

/// A piece of SQL that Trino and DuckDB read alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sql(String);

impl Sql {
    /// Text of this program.
    pub(super) fn of(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Text of this program with a piece in the place of each `{}`.
    pub(super) fn fill(template: &'static str, pieces: &[&Self]) -> Self {
        let mut pieces = pieces.iter();
        let mut filled = String::new();
        for (at, text) in template.split("{}").enumerate() {
            if at > 0 {
                filled.push_str(pieces.next().map_or("", |piece| piece.0.as_str()));
            }
            filled.push_str(text);
        }
        debug_assert!(pieces.next().is_none(), "{template} has fewer places than pieces");
        Self(filled)
    }

    /// Whether it has no text.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// A name of this program with a number: `k0`.
    pub(super) fn numbered(name: &'static str, number: usize) -> Self {
        Self(format!("{name}{number}"))
    }

    /// Pieces with the same text between each two.
    pub(super) fn join(pieces: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let pieces: Vec<String> = pieces.into_iter().map(|piece| piece.0).collect();
        Self(pieces.join(between))
    }

    /// The literal of a text from anywhere: the one place that escapes.
    ///
    /// A quote is doubled; nothing else has a meaning between quotes, a backslash neither. Control
    /// characters are written by their number, so that no log and no client has to show them.
    pub(super) fn text(text: &str) -> Self {
        let mut pieces: Vec<String> = Vec::new();
        for part in text.split_inclusive(char::is_control) {
            let control = part.chars().next_back().filter(|last| last.is_control());
            let plain = part.trim_end_matches(char::is_control);
            if !plain.is_empty() {
                pieces.push(format!("'{}'", plain.replace('\'', "''")));
            }
            pieces.extend(control.map(|control| format!("chr({})", u32::from(control))));
        }
        match pieces.as_slice() {
            [] => Self("''".to_owned()),
            [one] => Self(one.clone()),
            several => Self(format!("({})", several.join(" || "))),
        }
    }

    /// The literal of a pattern for `LIKE ... ESCAPE '!'` that holds a text as it is.
    pub(super) fn pattern(before: &str, text: &str, after: &str) -> Self {
        let mut escaped = String::from(before);
        for letter in text.chars() {
            if matches!(letter, '!' | '%' | '_') {
                escaped.push('!');
            }
            escaped.push(letter);
        }
        Self::text(&(escaped + after))
    }

    /// The literal of a whole number.
    pub(super) fn whole(number: i64) -> Self {
        Self(number.to_string())
    }

    /// The literal of a double.
    pub(super) fn double(number: f64) -> Self {
        Self(format!("{number:E}"))
    }

    /// The literal of a partition.
    pub(super) fn partition(date: Date) -> Self {
        Self(format!("'{date}'"))
    }

    /// The literal of a moment, UTC, whole seconds.
    pub(super) fn moment(at_us: i64) -> Self {
        let at = Timestamp::from_microsecond(at_us).unwrap_or_default();
        Self(format!("TIMESTAMP '{}'", at.strftime("%Y-%m-%d %H:%M:%S")))
    }

    /// A length of time.
    pub(super) fn interval(seconds: i32) -> Self {
        let (count, unit) = match seconds {
            _ if seconds % 3600 == 0 => (seconds / 3600, "HOUR"),
            _ if seconds % 60 == 0 => (seconds / 60, "MINUTE"),
            _ => (seconds, "SECOND"),
        };
        Self(format!("INTERVAL '{count}' {unit}"))
    }

    /// A list of names and what they are: `WITH a AS (...), b AS (...)`, and what follows.
    pub(super) fn with(named: &[(Self, Self)], then: &Self) -> Self {
        let mut text = String::from("WITH ");
        for (at, (name, body)) in named.iter().enumerate() {
            let comma = if at > 0 { ",\n" } else { "" };
            let _ = write!(
                text,
                "{comma}{name} AS (\n  {body}\n)",
                body = body.0.replace('\n', "\n  ")
            );
        }
        let _ = write!(text, "\n{then}");
        Self(text)
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What stands between quotes, and whether nothing but literals, `chr` and `||` does outside.
    fn read(literal: &str) -> Option<String> {
        let mut read = String::new();
        for part in literal.trim_matches(['(', ')']).split(" || ") {
            match part.strip_prefix("chr(").and_then(|rest| rest.trim_end_matches(')').parse().ok())
            {
                Some(code) => read.push(char::from_u32(code)?),
                None => {
                    let inner = part.strip_prefix('\'')?.strip_suffix('\'')?;
                    if inner.replace("''", "").contains('\'') {
                        return None;
                    }
                    read.push_str(&inner.replace("''", "'"));
                }
            }
        }
        Some(read)
    }

    #[test]
    fn hostile_texts_stay_within_their_quotes() {
        for (text, literal) in [
            ("", "''"),
            ("plain", "'plain'"),
            ("'; DROP TABLE hits; --", "'''; DROP TABLE hits; --'"),
            ("\\'", "'\\'''"),
            ("''", "''''''"),
            ("a\0b\nc", "('a' || chr(0) || 'b' || chr(10) || 'c')"),
            ("\n", "chr(10)"),
            ("{}", "'{}'"),
            ("/* x */ -- y", "'/* x */ -- y'"),
            ("\u{2019}\u{ff07}", "'\u{2019}\u{ff07}'"),
        ] {
            assert_eq!(Sql::text(text).to_string(), literal, "{text:?}");
        }
        assert_eq!(Sql::pattern("%", "50%_!'", "").to_string(), "'%50!%!_!!'''");
    }

    proptest! {
        #[test]
        fn any_text_is_one_literal(text in "[a-z' |()\\\\\0\n]{0,12}|\\PC{0,12}") {
            prop_assume!(!text.contains(" || ") && !text.ends_with([')', '(']) && !text.starts_with('('));
            prop_assert_eq!(read(&Sql::text(&text).to_string()), Some(text));
        }
    }

    #[test]
    fn pieces_are_filled_in_once() {
        let inner = Sql::text("{}");
        assert_eq!(
            Sql::fill("lower({}) = {}", &[&Sql::of("title"), &inner]).to_string(),
            "lower(title) = '{}'"
        );
    }

    #[test]
    fn numbers_and_times_are_literals_of_their_type() {
        assert_eq!(Sql::double(2.5).to_string(), "2.5E0");
        assert_eq!(Sql::double(-1.0).to_string(), "-1E0");
        assert_eq!(
            Sql::moment(1_743_296_400_000_000).to_string(),
            "TIMESTAMP '2025-03-30 01:00:00'"
        );
        let intervals = [(7200, "'2' HOUR"), (19_800, "'330' MINUTE"), (3208, "'3208' SECOND")];
        for (seconds, written) in intervals {
            assert_eq!(Sql::interval(seconds).to_string(), format!("INTERVAL {written}"));
        }
    }
}
