//! Fields of a line: split at spaces, with quotes and backslash escapes.
//!
//! Apache writes a quote inside a quoted field as `\"`, nginx and ALB as `\x22`.

use std::borrow::Cow;

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Without quotes.
    Bare(&'a [u8]),
    /// What stood between quotes, still escaped.
    Quoted(&'a [u8]),
}

impl<'a> Field<'a> {
    /// The bytes, still escaped.
    pub(super) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bare(bytes) | Self::Quoted(bytes) => bytes,
        }
    }
}

/// The fields of a line from left to right; ends after the first that is not well formed.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next field, which must be there.
    pub(super) fn need(&mut self) -> Result<Field<'a>, &'static str> {
        self.next().unwrap_or(Err("a field is missing"))
    }

    fn quoted(&mut self, inside: &'a [u8]) -> Result<Field<'a>, &'static str> {
        let end = closing_quote(inside).ok_or("a quote is never closed")?;
        let (value, after) = inside.split_at_checked(end).unwrap_or((inside, &[]));
        self.rest = after.get(1..).unwrap_or(&[]);
        match self.rest.first() {
            None | Some(b' ') => Ok(Field::Quoted(value)),
            Some(_) => Err("a quoted field is not followed by a space"),
        }
    }

    fn bare(&mut self) -> Result<Field<'a>, &'static str> {
        let (value, rest) = cut(self.rest, b' ');
        self.rest = rest;
        if memchr::memchr(b'"', value).is_some() {
            return Err("a quote stands inside a field");
        }
        Ok(Field::Bare(value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_ascii_start();
        let field = match self.rest.split_first()? {
            (b'"', inside) => self.quoted(inside),
            _ => self.bare(),
        };
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// What stands before and after the first `separator`; all and nothing when there is none.
pub(super) fn cut(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]))
}

fn closing_quote(inside: &[u8]) -> Option<usize> {
    let mut escaped = false;
    inside.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })
}

/// The field as text: escapes undone, unless what comes out is no UTF-8; then as it stands in
/// the log, since old encodings (`\xe4\xe5`) would all become the same replacement characters.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(&unescape(bytes)) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The field as text, or nothing where the log says `-` or leaves it empty.
pub(super) fn optional(bytes: &[u8]) -> Option<String> {
    (!matches!(bytes, b"" | b"-")).then(|| text(bytes))
}

/// The field as a number; nothing where it is none.
pub(super) fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// The status: three digits, or `-` for none.
pub(super) fn status(bytes: &[u8]) -> Result<Option<u16>, &'static str> {
    match bytes {
        b"-" => Ok(None),
        [_, _, _] => number(bytes).map(Some).ok_or("the status is not a number"),
        _ => Err("the status is not three digits"),
    }
}

fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let (byte, used) = match (first, after) {
            (b'\\', [b'x' | b'X', high, low, ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'\\', 0),
            },
            (b'\\', [byte @ (b'"' | b'\\' | b'/'), ..]) => (*byte, 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b'r', ..]) => (b'\r', 1),
            _ => (*first, 0),
        };
        out.push(byte);
        rest = after.get(used..).unwrap_or(&[]);
    }
    Cow::Owned(out)
}

/// The value of a hex digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes() {
        let fields: Vec<_> = Fields::new(br#"a  "b \"c\" d" "" e"#).map(Result::unwrap).collect();
        assert_eq!(
            fields,
            [
                Field::Bare(b"a"),
                Field::Quoted(br#"b \"c\" d"#),
                Field::Quoted(b""),
                Field::Bare(b"e")
            ]
        );
        assert_eq!(text(br#"b \"c\" \x22d\x5C \\ \q \x"#), r#"b "c" "d\ \ \q \x"#);
        assert_eq!(text(b"\\xC3\\xA4"), "\u{e4}");
        assert_eq!(text(b"\\xe4\\xe5"), "\\xe4\\xe5", "no UTF-8");
        assert_eq!(text(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn what_is_not_well_formed_ends_the_line() {
        for line in [&br#"a "b"#[..], br#"a "b\""#, br#"a "b"c d"#, br#"a b"c d"#] {
            let mut fields = Fields::new(line);
            assert_eq!(fields.next(), Some(Ok(Field::Bare(b"a"))));
            assert!(fields.next().unwrap().is_err());
            assert_eq!(fields.next(), None);
        }
    }
}
