//! What a client takes: `Accept` and `Accept-Encoding` (RFC 9110, 12.5.1 and 12.5.3).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use super::{Failed, failed};
use crate::question::{Format, Parameters};

/// How an answer's bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Gzip,
}

impl Coding {
    /// The name in headers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// Fills in the format that the client likes best, where the question names none.
///
/// # Errors
///
/// 406 when it takes none of ours.
pub(crate) fn fill_in(headers: &HeaderMap, parameters: &mut Parameters) -> Result<(), Failed> {
    if parameters.of("format").is_none() {
        let best = best(headers, &Format::NAMES.map(|(_, format)| format.media_type()));
        let named = best.and_then(|at| Format::NAMES.get(at)).ok_or_else(not_acceptable)?;
        parameters.set_default("format", named.0);
    }
    Ok(())
}

/// For what is answered as JSON alone.
///
/// # Errors
///
/// 406 when the client does not take JSON.
pub(super) fn json(headers: &HeaderMap) -> Result<(), Failed> {
    best(headers, &[Format::Json.media_type()]).map(|_| ()).ok_or_else(|| {
        failed(406, "Not acceptable", "this is answered as application/json; accept that")
    })
}

fn not_acceptable() -> Failed {
    let ours = Format::NAMES.map(|(_, format)| format.media_type()).join(", ");
    let detail = format!("there is {ours}; accept one of them, or give format");
    Failed { detail: detail.into(), ..failed(406, "Not acceptable", "") }
}

/// Which of the offered media types the client likes best; the first of those that it likes alike.
fn best(headers: &HeaderMap, offered: &[&str]) -> Option<usize> {
    let ranges = ranges(headers, &ACCEPT);
    if ranges.is_empty() {
        return Some(0);
    }
    let quality = |offered: &str| {
        let kind = offered.split_once('/').map_or("", |(kind, _)| kind);
        let fits = |range: &str| match range.split_once('/') {
            _ if range == offered => 3,
            Some((of, "*")) if of == kind => 2,
            Some(("*", "*")) => 1,
            _ => 0,
        };
        let fitting = ranges.iter().map(|(range, quality)| (fits(range), *quality));
        // The most specific range decides.
        fitting.filter(|(fit, _)| *fit > 0).max_by_key(|(fit, _)| *fit).map_or(0, |it| it.1)
    };
    let likings = offered.iter().map(|offered| quality(offered)).enumerate();
    let liked = likings.filter(|(_, quality)| *quality > 0);
    liked.max_by_key(|(at, quality)| (*quality, usize::MAX - at)).map(|(at, _)| at)
}

/// How the client likes its answer compressed; none: not at all.
pub(super) fn coding(headers: &HeaderMap) -> Option<Coding> {
    let ranges = ranges(headers, &ACCEPT_ENCODING);
    let quality = |name: &str| {
        let of = |name: &str| ranges.iter().find(|(range, _)| range == name).map(|it| it.1);
        of(name).or_else(|| of("*"))
    };
    let identity = ranges.iter().find(|(range, _)| range == "identity").map_or(1, |it| it.1);
    let codings = [Coding::Gzip, Coding::Zstd].map(|it| (it, quality(it.name()).unwrap_or(0)));
    let best = codings.into_iter().max_by_key(|(_, quality)| *quality);
    best.filter(|(_, quality)| *quality > 0 && *quality >= identity).map(|(coding, _)| coding)
}

/// The ranges of a header in lower case, each with its quality in thousandths.
fn ranges(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let parts = values.flat_map(|value| value.split(',')).filter(|part| !part.trim().is_empty());
    let range = |part: &str| {
        let mut pieces = part.split(';').map(str::trim);
        let range = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let quality = pieces.find_map(|it| it.strip_prefix("q=").or(it.strip_prefix("Q=")));
        (range, quality.map_or(1000, thousandths))
    };
    parts.map(range).collect()
}

/// A quality of 0 to 1; what is no such number is 0.
fn thousandths(text: &str) -> u16 {
    let quality = text.parse::<f32>().ok().filter(|quality| (0.0..=1.0).contains(quality));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    quality.map_or(0, |quality| (quality * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn the_best_liked_format_is_taken() {
        for (accept, format) in [
            ("", Some("json")),
            ("*/*", Some("json")),
            ("text/csv", Some("csv")),
            ("text/csv; charset=utf-8", Some("csv")),
            ("Text/*, application/json;q=0.5", Some("csv")),
            ("application/vnd.apache.arrow.stream", Some("arrow")),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some("json")),
            ("text/csv,application/json", Some("json")),
            ("text/csv;q=0.9,*/*;q=0.1", Some("csv")),
            ("*/*,application/json;q=0", Some("csv")),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=2", None),
            ("application/*;q=x, text/*;q=NaN", None),
            (";,;q=1", None),
        ] {
            let mut parameters = Parameters::default();
            let filled = fill_in(&headers(ACCEPT, accept), &mut parameters);
            assert_eq!(filled.is_ok(), format.is_some(), "{accept}");
            assert_eq!(parameters.of("format"), format, "{accept}");
        }
        let mut given = Parameters::parse("format=csv", &["format"]).unwrap();
        assert!(fill_in(&headers(ACCEPT, "text/html"), &mut given).is_ok(), "format decides");
        assert_eq!(given.of("format"), Some("csv"));
        assert_eq!(json(&headers(ACCEPT, "text/csv")).unwrap_err().status, 406);
        assert!(json(&headers(ACCEPT, "application/*")).is_ok());
    }

    #[test]
    fn the_best_liked_coding_is_taken() {
        for (accept, expected) in [
            ("", None),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, deflate", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("gzip;q=1.0, zstd;q=0.5", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=0", None),
            ("br", None),
        ] {
            assert_eq!(coding(&headers(ACCEPT_ENCODING, accept)), expected, "{accept}");
        }
    }
}
