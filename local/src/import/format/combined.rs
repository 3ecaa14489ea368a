//! Common and combined log format, as Apache and nginx write them.
//!
//! `[host:port ]client ident user [time] "request" status bytes["referrer" "user agent"[ more]]`:
//! <https://httpd.apache.org/docs/current/mod/mod_log_config.html>.

use crate::import::scan::{self, Field, Fields};
use crate::import::{LogLine, request, time};

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<LogLine, &'static str> {
    let (head, rest) = at(line, b" [").ok_or("there is no time")?;
    let (when, rest) = at(rest, b"]").ok_or("the time is never closed")?;
    let client = Client::parse(head)?;
    let time_ms = std::str::from_utf8(when).ok().and_then(time::any).ok_or("the time is none")?;
    let mut fields = Fields::new(rest);
    let Field::Quoted(asked) = fields.need()? else {
        return Err("the request is not quoted");
    };
    let (method, target) = request::line(&scan::text(asked))?;
    let status = scan::status(fields.need()?.bytes())?;
    let bytes = length(fields.need()?.bytes())?;
    let (referrer, user_agent) = browser(&mut fields)?;
    // What is left is only looked at: a line cut short or run into the next is not trusted.
    for field in fields {
        field?;
    }
    Ok(LogLine {
        ip: client.ip,
        time_ms,
        method,
        target: target.path,
        host: target.host.or(client.host),
        scheme: target.scheme.or(client.scheme),
        status,
        bytes,
        referrer,
        user_agent,
        user: client.user,
    })
}

/// Referrer and user agent, which stand in the line together or not at all.
fn browser(fields: &mut Fields<'_>) -> Result<(Option<String>, Option<String>), &'static str> {
    match fields.next().transpose()? {
        Some(Field::Quoted(referrer)) => match fields.need()? {
            Field::Quoted(agent) => Ok((scan::optional(referrer), scan::optional(agent))),
            Field::Bare(_) => Err("the user agent is not quoted"),
        },
        Some(Field::Bare(_)) | None => Ok((None, None)),
    }
}

fn length(bytes: &[u8]) -> Result<Option<u64>, &'static str> {
    match bytes {
        b"-" => Ok(None),
        _ => scan::number(bytes).map(Some).ok_or("the length is not a number"),
    }
}

/// What stands before and after the first `separator`.
fn at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = memchr::memmem::find(bytes, separator)?;
    let end = start.checked_add(separator.len())?;
    Some((bytes.get(..start)?, bytes.get(end..)?))
}

/// What stands before the time.
struct Client {
    ip: Option<String>,
    user: Option<String>,
    host: Option<String>,
    scheme: Option<String>,
}

impl Client {
    fn parse(head: &[u8]) -> Result<Self, &'static str> {
        let (first, rest) = scan::cut(head.trim_ascii_start(), b' ');
        let (second, after) = scan::cut(rest, b' ');
        let (vhost, client, rest) = match is_vhost(first, second) {
            true => (first, second, after),
            false => (&b""[..], first, rest),
        };
        let (_ident, user) = scan::cut(rest, b' ');
        if client.is_empty() || user.is_empty() {
            return Err("client, ident and user are not all there");
        }
        let vhost = scan::text(vhost);
        Ok(Self {
            ip: request::address(&scan::text(client)),
            user: scan::optional(user).filter(|user| user != "\"\""),
            host: request::host(&vhost),
            scheme: scheme(&vhost),
        })
    }
}

/// Whether the first field is the virtual host, because the second is the client.
fn is_vhost(first: &[u8], second: &[u8]) -> bool {
    let (first, second) = (scan::text(first), scan::text(second));
    let names_port = first.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    request::is_address(&second) || (names_port && !request::is_address(&first))
}

fn scheme(vhost: &str) -> Option<String> {
    match vhost.rsplit_once(':')?.1 {
        "443" => Some("https".to_owned()),
        "80" => Some("http".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fixture: &[u8]) -> Vec<Result<LogLine, &'static str>> {
        fixture.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
    }

    #[test]
    fn basic() {
        let lines = lines(include_bytes!("../fixtures/combined-basic.log"));
        let first = lines[0].clone().unwrap();
        assert_eq!(
            first,
            LogLine {
                ip: Some("192.0.2.1".into()),
                time_ms: 1_431_857_103_000,
                method: "GET".into(),
                target: "/blog/?page=2".into(),
                host: None,
                scheme: None,
                status: Some(200),
                bytes: Some(5120),
                referrer: Some("https://search.example/?q=logs".into()),
                user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0".into()),
                user: None,
            }
        );
        let rest: Vec<_> = lines[1..].iter().map(|line| line.clone().unwrap()).collect();
        assert_eq!((rest[0].referrer.as_ref(), rest[0].bytes), (None, None), "common");
        assert_eq!(rest[0].user.as_deref(), Some("frank"));
        assert_eq!(rest[1].host.as_deref(), Some("shop.example"), "virtual host");
        assert_eq!(rest[1].scheme.as_deref(), Some("https"));
        assert_eq!(rest[1].ip.as_deref(), Some("2001:db8::1"));
        assert_eq!(rest[2].user_agent.as_deref(), Some(r#"Mozilla "quoted" \ (x)"#), "escapes");
        assert_eq!(rest[3].user_agent.as_deref(), Some("curl/8.0"), "more fields");
        assert_eq!(rest[4].user_agent, None, "common with more fields");
        assert_eq!(rest[5].user.as_deref(), Some("frank smith"));
        assert_eq!(rest[6].host.as_deref(), Some("shop.example"), "host without port");
        assert_eq!(rest[7].ip.as_deref(), Some("client.example"), "names looked up");
        assert_eq!(rest[7].host.as_deref(), Some("shop.example"));
        assert_eq!(rest.len(), 8);
    }

    #[test]
    fn recoverable_errors() {
        let lines = lines(include_bytes!("../fixtures/combined-recoverable-errors.log"));
        let reasons: Vec<_> = lines.into_iter().map(|line| line.err().unwrap_or("")).collect();
        assert_eq!(
            reasons,
            [
                "",
                "a quote is never closed",
                "a quoted field is not followed by a space",
                "the user agent is not quoted",
                "a field is missing",
                "the request has no target",
                "the request's method is not a word",
                "the status is not a number",
                "the length is not a number",
                "the time is none",
                "there is no time",
                "client, ident and user are not all there",
                "the request's target is neither a path nor a URL",
                "",
            ]
        );
    }
}
