//! Names and values of a query or a form body.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A name and its value, decoded.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Decodes `a=1&b=2`, borrowing where there is nothing to decode; `+` is a space.
pub fn parse(text: &str) -> impl Iterator<Item = Pair<'_>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Decodes percent signs and `+`; bytes that are no UTF-8 become replacement characters.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8_lossy();
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    #[test]
    fn what_needs_no_decoding_is_borrowed() {
        assert!(matches!(decode("plain"), Cow::Borrowed("plain")));
        let pairs: Vec<_> = parse("a=1&&b&c=%C3%A9+x&d=a=b").collect();
        let texts: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(texts, [("a", "1"), ("b", ""), ("c", "é x"), ("d", "a=b")]);
    }

    proptest! {
        #[test]
        fn encoded_pairs_come_back(pairs in proptest::collection::vec((".{1,9}", ".{0,9}"), 0..5)) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let query: Vec<_> =
                pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            let query = query.join("&");
            let read: Vec<(String, String)> =
                parse(&query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
