//! Halves of characters in JSON: where a page's script cuts a text in the middle of an emoji,
//! `JSON.stringify` writes what is left as an escape such as `\ud83d`, which is no text. A parser
//! that refuses it would refuse every hit of the body for it.

use std::borrow::Cow;

/// Bytes of an escape such as `\ud83d`.
const ESCAPE_BYTES: usize = 6;
/// What browsers write for a half, too, where they have to write text.
const REPLACEMENT: &[u8; ESCAPE_BYTES] = b"\\ufffd";

/// The body with U+FFFD in place of each half; what has none is not copied.
#[must_use]
pub fn mended(body: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(body);
    let mut at = 0;
    while let Some(next) = body.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += next;
        let rest = body.get(at..).unwrap_or_default();
        let follows = || rest.get(ESCAPE_BYTES..).and_then(unit);
        at += match unit(rest) {
            Some(0xd800..=0xdbff) if matches!(follows(), Some(0xdc00..=0xdfff)) => 2 * ESCAPE_BYTES,
            Some(0xd800..=0xdfff) => {
                if let Some(half) = mended.to_mut().get_mut(at..at + ESCAPE_BYTES) {
                    half.copy_from_slice(REPLACEMENT);
                }
                ESCAPE_BYTES
            }
            Some(_) => ESCAPE_BYTES,
            // The backslash and what it escapes.
            None => 2,
        };
    }
    mended
}

/// The code unit of the escape that the bytes begin with.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    // `from_str_radix` would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_are_replaced_and_nothing_else() {
        for (body, expected) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00b""#, "\u{fffd}b"),
            (r#""\uD83D\uDE00""#, "\u{1f600}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\\ud83d""#, r"\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""\u00e4\n\"""#, "ä\n\""),
        ] {
            let text: String = serde_json::from_slice(&mended(body.as_bytes())).unwrap();
            assert_eq!(text, expected, "{body}");
        }
        let whole = br#""\ud83d\ude00 and \\ud83d""#;
        assert!(matches!(mended(whole), Cow::Borrowed(_)));
        for cut in [r"\", r"\u", r"\ud83", r"\ud83d", r"\ud83d\", r"\ud83d\ude", r"\u+d83"] {
            assert_eq!(mended(cut.as_bytes()).len(), cut.len(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_units_are_text(units in proptest::collection::vec(any::<u16>(), 0..40)) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let body = format!("\"{escapes}\"");
            let text: String = serde_json::from_slice(&mended(body.as_bytes())).unwrap();
            prop_assert_eq!(text, String::from_utf16_lossy(&units));
        }
    }
}
