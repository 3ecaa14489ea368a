//! Names and values of a query or a form body.

use percent_encoding::percent_decode_str;

/// Decodes `a=1&b=2`; `+` is a space.
#[must_use]
pub fn parse(text: &str) -> Vec<(String, String)> {
    let decode =
        |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}
