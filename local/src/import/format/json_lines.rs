//! One JSON object a line, with the names that nginx, Caddy, Traefik, Fastly and Cloudflare logs
//! commonly use; a syslog prefix before the object is passed over.
//!
//! Such logs have no standard. Of several names for one thing the first that has a value counts.

use serde_json::{Map, Value};

use crate::import::scan;
use crate::import::{LogLine, request, time};

const TIME: &[&str] = &[
    "time",
    "timestamp",
    "@timestamp",
    "date_time",
    "datetime",
    "time_iso8601",
    "time_local",
    "ts",
    "msec",
    "StartUTC",
    "EdgeStartTimestamp",
];
const IP: &[&str] = &[
    "client_ip",
    "clientip",
    "clientIp",
    "ClientIP",
    "ip",
    "remote_ip",
    "remote_addr",
    "ClientHost",
];
const METHOD: &[&str] = &["method", "request_method", "RequestMethod", "ClientRequestMethod"];
const URL: &[&str] =
    &["request_uri", "url", "uri", "RequestPath", "ClientRequestURI", "path", "request"];
const QUERY: &[&str] = &["query_string", "args", "query"];
const STATUS: &[&str] = &["status", "status_code", "DownstreamStatus", "EdgeResponseStatus"];
const BYTES: &[&str] = &[
    "bytes",
    "body_bytes_sent",
    "bytes_sent",
    "size",
    "DownstreamContentSize",
    "EdgeResponseBytes",
];
const REFERRER: &[&str] = &[
    "referrer",
    "referer",
    "http_referrer",
    "http_referer",
    "request_Referer",
    "ClientRequestReferer",
];
const USER_AGENT: &[&str] = &[
    "user_agent",
    "useragent",
    "userAgent",
    "http_user_agent",
    "request_User-Agent",
    "ClientRequestUserAgent",
];
const HOST: &[&str] = &["http_host", "RequestHost", "ClientRequestHost", "host", "server_name"];
const SCHEME: &[&str] = &["scheme", "RequestScheme", "ClientRequestScheme"];
const USER: &[&str] = &["remote_user", "user", "user_id", "ClientUsername"];

/// Whether the line holds a JSON object, or begins like one.
pub(super) fn is_json(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{") || object(line).is_ok()
}

fn object(line: &[u8]) -> Result<Map<String, Value>, &'static str> {
    let start = memchr::memchr(b'{', line).ok_or("there is no JSON object")?;
    let json = String::from_utf8_lossy(line.get(start..).unwrap_or(&[]));
    serde_json::from_str(&json).map_err(|_| "the JSON object is broken")
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<LogLine, &'static str> {
    let object = object(line)?;
    let record = Record { object: &object };
    let time_ms = record.find(TIME, moment).ok_or("no time")?;
    let (method, target) = record.request()?;
    let host = record.text(HOST).as_deref().and_then(request::host);
    Ok(LogLine {
        ip: record.text(IP).as_deref().and_then(request::address),
        time_ms,
        method,
        target: target.path,
        host: target.host.or(host),
        scheme: target.scheme.or_else(|| record.scheme()),
        status: record.find(STATUS, number),
        bytes: record.find(BYTES, number),
        referrer: record.text(REFERRER).or_else(|| record.header("referer")),
        user_agent: record.text(USER_AGENT).or_else(|| record.header("user-agent")),
        user: record.text(USER),
    })
}

/// A line's object, with what some servers nest in `request` (Caddy) and `http` (Fastly).
struct Record<'a> {
    object: &'a Map<String, Value>,
}

impl Record<'_> {
    /// The first value under one of these names that `read` makes something of.
    fn find<T>(&self, names: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let places = [Some(self.object), self.nested("request"), self.nested("http")];
        let mut places = places.into_iter().flatten();
        places.find_map(|place| names.iter().find_map(|name| place.get(*name).and_then(&read)))
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        self.find(names, text)
    }

    fn nested(&self, name: &str) -> Option<&Map<String, Value>> {
        self.object.get(name)?.as_object()
    }

    /// A header of Caddy's `request.headers`, whose values are arrays.
    fn header(&self, name: &str) -> Option<String> {
        let headers = self.nested("request")?.get("headers")?.as_object()?;
        let value = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
        value.as_array().map_or_else(|| text(value), |values| values.first().and_then(text))
    }

    fn request(&self) -> Result<(String, request::Target), &'static str> {
        let url = self.text(URL).ok_or("no URL")?;
        let (method, mut target) = match self.text(METHOD) {
            Some(method) if !url.starts_with(&format!("{method} ")) => {
                let method = request::method(&method)?;
                let target = request::target(&method, &url)?;
                (method, target)
            }
            // nginx's $request is the whole request line.
            _ => request::line(&url)?,
        };
        if !target.path.contains('?')
            && let Some(query) = self.text(QUERY)
        {
            target.path.push('?');
            target.path.push_str(query.trim_start_matches('?'));
        }
        Ok((method, target))
    }

    fn scheme(&self) -> Option<String> {
        match self.text(SCHEME).map(|scheme| scheme.to_ascii_lowercase()) {
            Some(scheme) if matches!(scheme.as_str(), "http" | "https") => Some(scheme),
            _ => self.nested("request")?.get("tls")?.as_object().map(|_| "https".to_owned()),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!matches!(text, "" | "-")).then(|| text.to_owned())
}

fn number<T: std::str::FromStr>(value: &Value) -> Option<T> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => scan::number(text.as_bytes()),
        _ => None,
    }
}

fn moment(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_f64().and_then(time::epoch),
        Value::String(text) => time::any(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fixture: &[u8]) -> Vec<Result<LogLine, &'static str>> {
        fixture.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
    }

    /// The same request as each server writes it.
    #[test]
    fn basic() {
        for (line, parsed) in
            lines(include_bytes!("../fixtures/json-basic.log")).into_iter().enumerate()
        {
            let expected = LogLine {
                ip: Some("192.0.2.1".into()),
                time_ms: 1_431_857_103_500,
                method: "GET".into(),
                target: "/blog/?page=2".into(),
                host: Some("shop.example".into()),
                scheme: Some("https".into()),
                status: Some(200),
                bytes: Some(5120),
                referrer: Some("https://search.example/".into()),
                user_agent: Some("Mozilla/5.0 (X11)".into()),
                user: Some("frank".into()),
            };
            assert_eq!(parsed, Ok(expected), "line {}", line + 1);
        }
    }

    #[test]
    fn little_is_needed() {
        let line = parse(br#"{"ts":1431857103.5,"method":"GET","uri":"/"}"#).unwrap();
        let expected = LogLine {
            time_ms: 1_431_857_103_500,
            method: "GET".into(),
            target: "/".into(),
            ..LogLine::default()
        };
        assert_eq!(line, expected);
        let line =
            br#"{"ts":1,"uri":"/","method":"GET","status":null,"host":{"name":"x"},"bytes":-1}"#;
        let line = parse(line).unwrap();
        assert_eq!((line.status, line.host, line.bytes), (None, None, None));
    }

    #[test]
    fn recoverable_errors() {
        let lines = lines(include_bytes!("../fixtures/json-recoverable-errors.log"));
        let reasons: Vec<_> = lines.into_iter().map(|line| line.err().unwrap_or("")).collect();
        assert_eq!(
            reasons,
            [
                "",
                "the JSON object is broken",
                "there is no JSON object",
                "no time",
                "no URL",
                "the request's target is neither a path nor a URL",
                "the request's method is not a word",
                "",
            ]
        );
    }
}
