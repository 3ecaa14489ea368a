//! CloudFront's standard log: W3C extended format, tabs between values.
//!
//! `#Version` and `#Fields` say how to read what follows, and may come again further down:
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/AccessLogs.html>.

use std::collections::HashMap;

use percent_encoding::percent_decode;

use crate::import::scan::{self, hex};
use crate::import::{LogLine, Parsed, request, time};

/// The one version there is.
const VERSION: &[u8] = b"1.0";

/// Whether the line can only be the head of such a log.
pub(super) fn is_header(line: &[u8]) -> bool {
    directive(line, b"#Version:").is_some() || directive(line, b"#Fields:").is_some()
}

fn directive<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(name).map(<[u8]>::trim_ascii)
}

/// What the directives so far have said.
#[derive(Debug, Default)]
pub(super) struct Cloudfront {
    unknown_version: bool,
    fields: Vec<Vec<u8>>,
}

impl Cloudfront {
    /// Reads a line.
    pub(super) fn parse(&mut self, line: &[u8]) -> Parsed {
        if let Some(version) = directive(line, b"#Version:") {
            self.unknown_version = version != VERSION;
            self.fields.clear();
        } else if let Some(names) = directive(line, b"#Fields:") {
            let names = names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
            self.fields = names.map(<[u8]>::to_vec).collect();
            return Parsed::Skip;
        } else if !line.starts_with(b"#") && !self.unknown_version {
            return self.record(line).into();
        }
        match self.unknown_version {
            true => Parsed::Unreadable("this version of the log is not known"),
            false => Parsed::Skip,
        }
    }

    fn record(&self, line: &[u8]) -> Result<LogLine, &'static str> {
        if self.fields.is_empty() {
            return Err("no #Fields before this line");
        }
        let values: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        if values.len() != self.fields.len() {
            return Err("not as many values as #Fields names");
        }
        let named = self.fields.iter().map(Vec::as_slice).zip(values);
        Record(named.filter(|(_, value)| !matches!(*value, b"" | b"-")).collect()).read()
    }
}

/// The values of one line by name.
struct Record<'a>(HashMap<&'a [u8], &'a [u8]>);

impl Record<'_> {
    fn read(&self) -> Result<LogLine, &'static str> {
        let method = request::method(&self.text("cs-method").ok_or("no cs-method")?)?;
        let stem = self.url("cs-uri-stem").ok_or("no cs-uri-stem")?;
        let target = request::target(&method, &stem)?;
        let path = match self.url("cs-uri-query") {
            Some(query) => format!("{}?{query}", target.path),
            None => target.path,
        };
        // cs(Host) names the distribution, x-host-header what the browser asked for.
        let host = self.text("x-host-header").or_else(|| self.text("cs(Host)"));
        Ok(LogLine {
            ip: self.text("c-ip").as_deref().and_then(request::address),
            time_ms: self.time()?,
            method,
            target: path,
            host: host.as_deref().and_then(request::host),
            scheme: self.text("cs-protocol").map(|scheme| scheme.to_ascii_lowercase()),
            status: self.get("sc-status").and_then(scan::number),
            bytes: self.get("sc-bytes").and_then(scan::number),
            referrer: self.url("cs(Referer)"),
            user_agent: self.get("cs(User-Agent)").map(user_agent),
            user: None,
        })
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).copied()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn url(&self, name: &str) -> Option<String> {
        self.get(name).map(as_sent)
    }

    fn time(&self) -> Result<i64, &'static str> {
        let (date, clock) = self.text("date").zip(self.text("time")).ok_or("no date and time")?;
        time::iso(&format!("{date}T{clock}Z")).ok_or("the time is none")
    }
}

/// A part of a URL as the client sent it.
///
/// CloudFront writes the percent sign of an escape as `%25`: `%2520` was `%20`. Other escapes
/// may be the client's own, and stay, so that the result is a URL in either case.
fn as_sent(logged: &[u8]) -> String {
    let mut out = Vec::with_capacity(logged.len());
    let mut rest = logged;
    while let Some((first, after)) = rest.split_first() {
        out.push(*first);
        rest = match after {
            [b'2', b'5', high, low, ..]
                if *first == b'%' && hex(*high).is_some() && hex(*low).is_some() =>
            {
                after.get(2..).unwrap_or(&[])
            }
            _ => after,
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A user agent in plain text: its spaces are `%20`, in older logs `%2520`.
fn user_agent(logged: &[u8]) -> String {
    let once: Vec<u8> = percent_decode(logged).collect();
    percent_decode(&once).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fixture: &[u8]) -> Vec<Parsed> {
        let mut log = Cloudfront::default();
        let lines = fixture.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| log.parse(line)).collect()
    }

    fn reasons(fixture: &[u8]) -> Vec<&'static str> {
        let reason = |parsed| match parsed {
            Parsed::Line(_) => "line",
            Parsed::Skip => "skip",
            Parsed::Unreadable(reason) => reason,
        };
        read(fixture).into_iter().map(reason).collect()
    }

    #[test]
    fn basic() {
        let parsed = read(include_bytes!("../fixtures/cloudfront-basic.log"));
        assert_eq!(parsed[..2], [Parsed::Skip, Parsed::Skip]);
        let expected = LogLine {
            ip: Some("192.0.2.1".into()),
            time_ms: 1_705_449_402_000,
            method: "GET".into(),
            target: "/blog/?page=2".into(),
            host: Some("shop.example".into()),
            scheme: Some("https".into()),
            status: Some(200),
            bytes: Some(214_182),
            referrer: Some("https://search.example/".into()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".into()),
            user: None,
        };
        assert_eq!(parsed[2], Parsed::Line(expected));
        let Parsed::Line(line) = &parsed[3] else { panic!("{:?}", parsed[3]) };
        assert_eq!(line.ip.as_deref(), Some("2001:db8::1"));
        assert_eq!((line.target.as_str(), line.user_agent.as_ref()), ("/", None));
    }

    #[test]
    fn percent_encoding() {
        let parsed = read(include_bytes!("../fixtures/cloudfront-percent-encoding.log"));
        let line = |parsed: &Parsed| match parsed {
            Parsed::Line(line) => (
                line.target.clone(),
                line.referrer.clone().unwrap(),
                line.user_agent.clone().unwrap(),
            ),
            other => panic!("{other:?}"),
        };
        let sent = (
            "/a%20b?c=d%26e".into(),
            "https://shop.example/?q=%C3%A4".into(),
            "Mozilla/5.0 (X11)".into(),
        );
        assert_eq!(line(&parsed[2]), sent, "once");
        assert_eq!(line(&parsed[3]), sent, "twice");
        assert_eq!(line(&parsed[4]).0, "/100%/%zz?c=%");
        assert_eq!(line(&parsed[4]).2, "50% \u{fffd} %");
    }

    #[test]
    fn recoverable_errors() {
        assert_eq!(
            reasons(include_bytes!("../fixtures/cloudfront-recoverable-errors.log")),
            [
                "skip",
                "no #Fields before this line",
                "skip",
                "skip",
                "line",
                "not as many values as #Fields names",
                "skip",
                "no cs-method",
                "skip",
                "no cs-uri-stem",
                "skip",
                "no date and time",
                "skip",
                "the time is none",
                "line",
            ]
        );
    }

    #[test]
    fn unknown_version() {
        let unknown = "this version of the log is not known";
        assert_eq!(
            reasons(include_bytes!("../fixtures/cloudfront-unknown-version.log")),
            [unknown, "skip", unknown, "skip", "skip", "line"]
        );
    }
}
