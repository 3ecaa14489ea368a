//! Texts of clients: cleaned as Matomo cleans them, cut on the border of a letter.

use std::borrow::Cow;

/// What Matomo takes out of texts (matomo.md 3.6).
const REMOVED: [char; 3] = ['\n', '\r', '\0'];

/// Trimmed, without line ends, and at most `bytes` long; none when nothing is left.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> Option<String> {
    let text = tidy(text);
    let text = text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The same for a text that is ours already: nearly always it stays as it is.
#[must_use]
pub fn cut_owned(text: String, bytes: usize) -> Option<String> {
    let is_clean = !text.is_empty()
        && text.len() <= bytes
        && text.trim().len() == text.len()
        && !text.contains(REMOVED);
    if is_clean { Some(text) } else { cut(&text, bytes) }
}

/// Trimmed and without line ends.
pub(crate) fn tidy(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\0');
    if text.contains(REMOVED) { text.replace(REMOVED, "").into() } else { text.into() }
}

/// Lower case without a copy where it is already.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        text.to_lowercase().into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_cut_at_the_limit_and_between_letters() {
        assert_eq!(cut("abc", 4).as_deref(), Some("abc"));
        assert_eq!(cut("abcd", 4).as_deref(), Some("abcd"));
        assert_eq!(cut("abcde", 4).as_deref(), Some("abcd"));
        assert_eq!(cut("aé", 2).as_deref(), Some("a"));
        assert_eq!(cut(" \0a\n\rb\0c ", 9).as_deref(), Some("abc"));
        assert_eq!(cut("  ", 4), None);
        assert_eq!(cut("é", 1), None);
    }

    proptest! {
        #[test]
        fn what_is_cut_keeps_the_limit_and_is_clean(text in any::<String>(), bytes in 0_usize..40) {
            let short = cut(&text, bytes);
            prop_assert_eq!(&short, &cut_owned(text, bytes));
            if let Some(short) = short {
                prop_assert!(!short.is_empty() && short.len() <= bytes);
                prop_assert!(!short.contains(REMOVED));
                prop_assert_eq!(cut(&short, bytes), Some(short));
            }
        }
    }
}
