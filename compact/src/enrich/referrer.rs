//! A referrer taken apart: host, path, query. Knows URLs; knows no list.

/// The parts of a referrer whose host can be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Referrer<'a> {
    /// Lower case, without port, user and trailing dot; the package of an Android app.
    pub(super) host: String,
    /// With its leading slash; empty where there is none.
    pub(super) path: &'a str,
    /// Path and query, as sent.
    pub(super) path_and_query: &'a str,
    query: &'a str,
    fragment: &'a str,
}

/// The longest name that DNS allows (RFC 1035, 2.3.4).
const MAX_HOST_BYTES: usize = 253;
/// Labels of a host; a name that is deeper is made up.
const MAX_LABELS: usize = 32;

impl<'a> Referrer<'a> {
    /// `None` where it is not like a URL (matomo.md 3.4, 2) or its host is none that a site could
    /// have: letters that no host has, an empty label.
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        if !["http", "https", "android-app"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return None;
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at_checked(end)?;
        let host = authority.rsplit('@').next()?;
        let host = host.split(':').next()?;
        let host = host.strip_suffix('.').unwrap_or(host).to_lowercase();
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        is_host(&host).then_some(Self { host, path, path_and_query, query, fragment })
    }

    /// Whether the host is a name that others can look up: no address, not one label alone.
    pub(super) fn is_public(&self) -> bool {
        let last = self.host.rsplit('.').next().unwrap_or_default();
        self.host.contains('.') && !last.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The first value of a parameter that is not empty, in the query, else in the fragment; not
    /// decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.query.split('&').chain(self.fragment.split('&'));
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value)
    }
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let allowed = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
        !label.is_empty() && label.chars().all(allowed)
    };
    host.len() <= MAX_HOST_BYTES
        && host.split('.').count() <= MAX_LABELS
        && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Option<String> {
        Referrer::parse(url).map(|referrer| referrer.host)
    }

    #[test]
    fn hosts_are_found() {
        let cases = [
            ("https://T.co:443/abc", "t.co"),
            ("http://user:word@Example.COM./x", "example.com"),
            ("https://paleologue.fr#cite_note-21", "paleologue.fr"),
            ("http://www.example.com?q=x", "www.example.com"),
            ("android-app://com.linkedin.android", "com.linkedin.android"),
            ("HTTPS://bücher.example/", "bücher.example"),
        ];
        for (url, expected) in cases {
            assert_eq!(host(url).as_deref(), Some(expected), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_has_no_host() {
        for url in [
            "",
            "-",
            "google.com",
            "https:/x.example/",
            "http://a..example",
            "http://'a'.b/",
            "ftp://x.example/",
            "http://",
        ] {
            assert_eq!(host(url), None, "{url}");
        }
    }

    #[test]
    fn hosts_are_bounded() {
        for (labels, known) in [(31, true), (32, true), (33, false)] {
            let url = format!("http://{}y/", "x.".repeat(labels - 1));
            assert_eq!(host(&url).is_some(), known, "{labels}");
        }
        for (bytes, known) in [(252, true), (253, true), (254, false)] {
            let url = format!("http://{}.example/", "x".repeat(bytes - ".example".len()));
            assert_eq!(host(&url).is_some(), known, "{bytes}");
        }
    }

    #[test]
    fn addresses_and_single_labels_are_not_public() {
        for url in ["http://192.168.2.1/", "http://localhost/", "http://org"] {
            assert!(!Referrer::parse(url).unwrap().is_public(), "{url}");
        }
        assert!(Referrer::parse("http://x.example").unwrap().is_public());
    }

    #[test]
    fn parameters_are_found_in_query_and_fragment() {
        let referrer = Referrer::parse("https://x.example/?q=&q=one&p=two#q=three&f=four").unwrap();
        assert_eq!(referrer.parameter("q"), Some("one"));
        assert_eq!(referrer.parameter("f"), Some("four"));
        assert_eq!(referrer.parameter("none"), None);
    }
}
